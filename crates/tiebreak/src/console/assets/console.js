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

// Times in the reader's own zone.
const localise = (root) => {
  for (const time of root.querySelectorAll("time[data-at]")) {
    const at = new Date(+time.dataset.at);
    if (isNaN(at)) continue;
    time.dateTime = at.toISOString();
    time.title = at.toLocaleString();
    time.textContent = Date.now() - at < 20 * 3600e3 ? at.toLocaleTimeString() : at.toLocaleString();
  }
};
localise(document);

// Parts that follow what happens: asked for again every two seconds while somebody looks, and left alone
// while the focus, or what is selected, is within. A part that has ended comes without `data-fresh`, and follows no more.
{
  let parts = [...document.querySelectorAll("[data-fresh]")], asking = false;
  const busy = () => {
    const selected = getSelection();
    return parts.some((part) => part.contains(document.activeElement) || (!selected.isCollapsed && selected.containsNode(part, true)));
  };
  const renew = (part, fresh) => {
    localise(fresh);
    if (fresh.innerHTML !== part.innerHTML) {
      const scrolled = [...part.querySelectorAll(".wide")].map((box) => box.scrollLeft);
      part.replaceChildren(...fresh.childNodes);
      part.querySelectorAll(".wide").forEach((box, i) => { box.scrollLeft = scrolled[i] ?? 0; });
    }
    if (!("fresh" in fresh.dataset)) delete part.dataset.fresh;
    return "fresh" in part.dataset;
  };
  const refresh = async () => {
    if (asking || document.hidden || busy() || !parts.length) return;
    asking = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const told = new DOMParser().parseFromString(await answer.text(), "text/html");
      // While it was on its way somebody may have begun to use them.
      if (busy()) return;
      parts = parts.filter((part) => { const fresh = told.getElementById(part.id); return !fresh || renew(part, fresh); });
    } catch { /* it will be asked again */ } finally { asking = false; }
  };
  if (parts.length) setInterval(refresh, 2000);
}

// How often Tiebreak met each term here.
{
  const places = [...document.querySelectorAll("[data-of]")];
  const SVG = "http://www.w3.org/2000/svg";
  const short = (n) => (n < 1000 ? `${n}` : n < 1e6 ? `${Math.floor(n / 1000)}k` : `${Math.floor(n / 1e6)}M`);
  const met = (n) => (n === 1 ? "met once here" : `met ${n.toLocaleString()} times here`);
  const show = (place, n) => {
    if (place.dataset.shown === `${n}`) return;
    place.dataset.shown = n;
    if (!(place instanceof SVGElement)) {
      place.textContent = n ? met(n) : "";
      return;
    }
    place.replaceChildren();
    if (!n) return;
    const width = 12 + short(n).length * 7.5;
    const pill = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ x: -width / 2, y: -10, width, height: 19, rx: 9.5 })) pill.setAttribute(name, value);
    const text = document.createElementNS(SVG, "text");
    text.setAttribute("text-anchor", "middle"); text.setAttribute("y", 4);
    text.textContent = short(n);
    const title = document.createElementNS(SVG, "title");
    title.textContent = met(n);
    place.append(title, pill, text);
  };
  const ask = async () => {
    if (document.hidden) return;
    try {
      const counts = await (await fetch("/api/counts")).json();
      for (const place of document.querySelectorAll("[data-of]")) show(place, counts[place.dataset.of]?.[place.dataset.value] ?? 0);
    } catch { /* it will be asked again */ }
  };
  if (places.length) painted.then(() => { ask(); setInterval(ask, 3000); });
}
