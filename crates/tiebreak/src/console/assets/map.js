// Makes the drawn map lively: neighbours, preview, moving, zooming, searching, keyboard.
// The drawing is there already; this reads it, once it is on the screen. Each change is made in one animation frame and reads no
// layout.
"use strict";
painted.then(() => {
  const svg = document.getElementById("map");
  const frame = svg.parentElement;
  const scene = svg.querySelector(".scene");
  const preview = document.getElementById("map-preview");
  const find = document.getElementById("map-find");
  const [, , WIDTH, HEIGHT] = svg.getAttribute("viewBox").split(" ").map(Number);
  const HALF = 17, KEEP = "tiebreak-map";

  const nodes = [...svg.querySelectorAll("a.node")].map((element) => ({
    element, slug: element.dataset.slug, x: +element.dataset.x, y: +element.dataset.y, width: +element.dataset.w,
    home: [+element.dataset.x, +element.dataset.y], edges: [], text: "",
  }));
  const edges = [...svg.querySelectorAll("path.edge")].map((element) => ({
    element, a: nodes[element.dataset.a], b: nodes[element.dataset.b],
  }));
  for (const edge of edges) { edge.a.edges.push(edge); edge.b.edges.push(edge); }
  const bySlug = new Map(nodes.map((node) => [node.slug, node]));
  for (const node of nodes) {
    node.item = document.getElementById(`t-${node.slug}`);
    node.text = `${node.slug} ${node.item.children[0].textContent} ${node.item.children[1].textContent}`.toLowerCase();
  }

  // Frames: whatever happens within one is drawn once.
  let dirty = new Set(), moved = false, asked = false;
  const ask = () => { if (!asked) { asked = true; requestAnimationFrame(draw); } };
  const view = { x: 0, y: 0, k: 1 };
  function draw() {
    asked = false;
    if (moved) scene.setAttribute("transform", `translate(${view.x.toFixed(1)} ${view.y.toFixed(1)}) scale(${view.k.toFixed(4)})`);
    moved = false;
    const lines = new Set();
    for (const node of dirty) {
      node.element.setAttribute("transform", `translate(${node.x.toFixed(1)} ${node.y.toFixed(1)})`);
      for (const edge of node.edges) lines.add(edge);
    }
    dirty.clear();
    // From here on everything is where the pointer finds it.
    if (known) frame.classList.add("live");
    for (const { element, a, b } of lines) {
      const dx = a.x - b.x, dy = a.y - b.y;
      const by = Math.min((b.width / 2 + 3) / (Math.abs(dx) || 1e-9), (HALF + 3) / (Math.abs(dy) || 1e-9), 1);
      element.setAttribute("d", `M${a.x.toFixed(1)} ${a.y.toFixed(1)}L${(b.x + dx * by).toFixed(1)} ${(b.y + dy * by).toFixed(1)}`);
    }
  }

  // Where it was left.
  const load = () => { try { return JSON.parse(localStorage.getItem(KEEP)) || {}; } catch { return {}; } };
  const save = () => {
    const places = {};
    for (const node of nodes) if (node.x !== node.home[0] || node.y !== node.home[1]) places[node.slug] = [node.x, node.y];
    try { localStorage.setItem(KEEP, JSON.stringify(places)); } catch { /* it stays for this visit */ }
  };
  for (const [slug, place] of Object.entries(load())) {
    const node = bySlug.get(slug);
    if (!node || !Array.isArray(place) || !place.every(Number.isFinite)) continue;
    [node.x, node.y] = place;
    dirty.add(node);
  }

  // Size and zoom.
  let size = { width: WIDTH, height: HEIGHT };
  const here = nodes.find((node) => node.element.classList.contains("here"));
  const limit = (k) => Math.min(3, Math.max(0.12, k));
  const centre = (node, k = view.k) => {
    view.k = k;
    view.x = size.width / 2 - node.x * k;
    view.y = size.height / 2 - node.y * k;
    moved = true; ask();
  };
  const fit = () => {
    view.k = limit(Math.min(size.width / WIDTH, size.height / HEIGHT));
    view.x = (size.width - WIDTH * view.k) / 2;
    view.y = (size.height - HEIGHT * view.k) / 2;
    moved = true; ask();
  };
  const zoom = (by, x = size.width / 2, y = size.height / 2) => {
    const k = limit(view.k * by);
    view.x = x - (x - view.x) * (k / view.k);
    view.y = y - (y - view.y) * (k / view.k);
    view.k = k; moved = true; ask();
  };
  // As it is drawn before any script runs. Where nobody could read the whole, the style sheet shows its middle; here it is the
  // part where one is.
  const narrow = matchMedia("(max-width: 56rem), (max-height: 44rem)");
  const begin = () => {
    if (narrow.matches) centre(here || { x: WIDTH / 2, y: HEIGHT / 2 }, 0.72);
    else fit();
  };
  const show = (node) => {
    const x = node.x * view.k + view.x, y = node.y * view.k + view.y, edge = 60;
    if (x < edge || y < edge || x > size.width - edge || y > size.height - edge) centre(node);
  };
  let known = false;
  new ResizeObserver(([entry]) => {
    size = { width: entry.contentRect.width, height: entry.contentRect.height };
    svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    if (!known) { known = true; begin(); }
  }).observe(frame);

  // Neighbours.
  let lit = [], lighted = null;
  const light = (set, lines = []) => {
    for (const element of lit) element.classList.remove("near", "at");
    lit = [];
    svg.classList.toggle("focus", !!set);
    if (!set) return;
    for (const node of set) { node.element.classList.add("near"); lit.push(node.element); }
    for (const edge of lines) { edge.element.classList.add("near"); lit.push(edge.element); }
  };
  const around = (node) => {
    if (lighted === node) return;
    lighted = node;
    if (!node) return matches ? light(matches) : light(null);
    const set = new Set([node]);
    for (const edge of node.edges) { set.add(edge.a); set.add(edge.b); }
    light(set, node.edges);
    node.element.classList.add("at");
  };
  const nodeOf = (target) => {
    const element = target instanceof Element && target.closest("a.node");
    return element ? nodes[element.dataset.i] : null;
  };

  // Preview: what the list says.
  let previewed = null;
  const open = (node, focus) => {
    previewed = node;
    const close = document.createElement("button");
    close.type = "button"; close.className = "close"; close.textContent = "×";
    close.setAttribute("aria-label", "Close the preview");
    close.addEventListener("click", shut);
    const more = document.createElement("p");
    const link = document.createElement("a");
    link.href = node.element.getAttribute("href"); link.textContent = "Open its page";
    more.append(link);
    preview.replaceChildren(close, ...[...node.item.children].map((child) => child.cloneNode(true)), more);
    preview.hidden = false;
    around(node);
    if (focus) link.focus();
  };
  function shut() {
    const node = previewed;
    previewed = null;
    preview.hidden = true;
    around(null);
    if (node) node.element.focus({ preventScroll: true });
  }
  preview.addEventListener("keydown", (event) => { if (event.key === "Escape") shut(); });
  // A neighbour's name in the preview goes there on the map.
  preview.addEventListener("click", (event) => {
    const slug = event.target.closest?.("[data-term]")?.dataset.term;
    if (!slug || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const node = bySlug.get(slug);
    go(node); open(node);
  });

  // Search.
  let matches = null;
  find.addEventListener("input", () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    matches = words.length ? nodes.filter((node) => words.every((word) => node.text.includes(word))) : null;
    if (matches) matches.sort((a, b) => rank(a, words) - rank(b, words));
    lighted = null;
    light(matches);
    find.setAttribute("aria-description", matches ? `${matches.length} terms` : "");
  });
  const rank = (node, words) => {
    const title = node.item.children[0].textContent.toLowerCase();
    return words.every((word) => title.startsWith(word)) ? 0 : words.every((word) => title.includes(word)) ? 1 : 2;
  };
  find.form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (matches?.length) { go(matches[0]); open(matches[0]); }
  });
  find.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    find.value = ""; find.dispatchEvent(new Event("input"));
  });

  // Keyboard: one stop for Tab, arrows within.
  let current = here || bySlug.get("409") || nodes[0];
  for (const node of nodes) node.element.setAttribute("tabindex", node === current ? "0" : "-1");
  function go(node) {
    current.element.setAttribute("tabindex", "-1");
    current = node;
    node.element.setAttribute("tabindex", "0");
    show(node);
    node.element.focus({ preventScroll: true });
  }
  const towards = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  svg.addEventListener("keydown", (event) => {
    const node = nodeOf(event.target);
    if (!node) return;
    const to = towards[event.key];
    if (to) {
      let best = null, least = Infinity;
      for (const other of nodes) {
        const ahead = (other.x - node.x) * to[0] + (other.y - node.y) * to[1];
        const aside = Math.abs((other.x - node.x) * to[1]) + Math.abs((other.y - node.y) * to[0]);
        if (other === node || ahead <= 0 || ahead < aside * 0.35) continue;
        const far = ahead + aside * 2;
        if (far < least) { least = far; best = other; }
      }
      if (best) { go(best); if (previewed) open(best); }
    } else if (event.key === "Enter" && previewed !== node) open(node);
    else if (event.key === "Escape") { if (previewed) shut(); else { around(null); } }
    else if (event.key === "+" || event.key === "=") zoom(1.25);
    else if (event.key === "-") zoom(0.8);
    else return;
    event.preventDefault();
  });
  svg.addEventListener("focusin", (event) => { const node = nodeOf(event.target); if (node && !pressed) { around(node); show(node); } });
  svg.addEventListener("focusout", () => { if (!previewed) around(null); });

  // Pointer: point, press, drag, pan, pinch.
  let pressed = null, fingers = new Map();
  svg.addEventListener("pointerover", (event) => {
    if (pressed || event.pointerType === "touch") return;
    const node = nodeOf(event.target);
    if (node) around(node); else if (!previewed) around(null);
  });
  svg.addEventListener("pointerleave", () => { if (!pressed) around(previewed); });
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    const node = nodeOf(event.target);
    pressed = { node: fingers.size === 1 ? node : null, x: event.clientX, y: event.clientY, moved: false };
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    const last = fingers.get(event.pointerId);
    if (!last || !pressed) return;
    const dx = event.clientX - last[0], dy = event.clientY - last[1];
    if (!pressed.moved && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < 5) return;
    pressed.moved = true;
    if (fingers.size === 2) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      const before = Math.hypot(last[0] - other[0], last[1] - other[1]);
      const after = Math.hypot(event.clientX - other[0], event.clientY - other[1]);
      const box = pressed.box ||= svg.getBoundingClientRect();
      if (before > 0) zoom(after / before, (event.clientX + other[0]) / 2 - box.left, (event.clientY + other[1]) / 2 - box.top);
    } else if (pressed.node) {
      pressed.node.x += dx / view.k;
      pressed.node.y += dy / view.k;
      dirty.add(pressed.node);
      ask();
    } else {
      svg.classList.add("panning");
      view.x += dx; view.y += dy; moved = true; ask();
    }
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
  });
  const release = (event) => {
    if (!fingers.delete(event.pointerId) || !pressed || fingers.size) return;
    const { node, moved: dragged } = pressed;
    pressed = null;
    svg.classList.remove("panning");
    if (node && dragged) save();
    else if (node && event.type === "pointerup") { go(node); open(node); }
    else if (!dragged && previewed) shut();
  };
  svg.addEventListener("pointerup", release);
  svg.addEventListener("pointercancel", release);
  // The press has done it; with a modifier key the link does what links do.
  svg.addEventListener("click", (event) => {
    if (nodeOf(event.target) && !(event.ctrlKey || event.metaKey || event.shiftKey) && event.detail) event.preventDefault();
  });
  svg.addEventListener("dragstart", (event) => event.preventDefault());
  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const box = svg.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 200), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  frame.querySelector(".map-tools").addEventListener("click", (event) => {
    const what = event.target.dataset.zoom;
    if (what === "in") zoom(1.3);
    if (what === "out") zoom(1 / 1.3);
    if (what === "fit") fit();
    if (what === "reset") {
      for (const node of nodes) { [node.x, node.y] = node.home; dirty.add(node); }
      save(); fit();
    }
  });
  ask();
});
