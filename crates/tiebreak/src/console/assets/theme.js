// Runs before the first paint, so that neither a chosen theme nor the size of what scripts make lively changes after it.
(() => {
  document.documentElement.dataset.scripts = "";
  try {
    const theme = localStorage.getItem("tiebreak-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch { /* no storage: the system's theme it is */ }
})();
