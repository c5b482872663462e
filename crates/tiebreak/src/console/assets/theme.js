// Runs before the first paint, so that neither a chosen theme nor the size of what scripts make lively changes after it.
"use strict";
// When the page is on the screen: what can wait until then waits for it.
const painted = new Promise((resolve) => {
  new PerformanceObserver((list, self) => {
    if (!list.getEntriesByName("first-contentful-paint").length) return;
    self.disconnect();
    resolve();
  }).observe({ type: "paint", buffered: true });
});
{
  const root = document.documentElement;
  root.dataset.scripts = "";
  painted.then(() => { root.dataset.drawn = ""; });
  try {
    const theme = localStorage.getItem("tiebreak-theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch { /* no storage: the system's theme it is */ }
}
