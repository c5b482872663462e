// What every page has: the theme, and live counts beside terms. Everything works without it.
"use strict";
for (const element of document.querySelectorAll("[data-script]")) element.hidden = false;

{
  const root = document.documentElement;
  const button = document.querySelector("[data-theme-toggle]");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const name = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`);
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("tiebreak-theme", root.dataset.theme); } catch { /* for this page only */ }
    name();
  });
  system.addEventListener("change", name);
  name();
}
