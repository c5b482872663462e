// Plots that follow what happens: /api/live sends the last five minutes, then each second.
"use strict";
{
  const SPAN = 300, BIN = 5, H = 180, LEFT = 56, RIGHT = 8, TOP = 10, BOTTOM = 24;
  // As wide as a plot is on the screen, so that its words are as large as any.
  let W = 600;
  const SVG = "http://www.w3.org/2000/svg";
  const CLASSES = ["duplicate", "stale", "race", "in_progress", "key_reuse", "state", "invalid", "blocked", "unclear"];
  const seconds = new Map();
  let now = Math.floor(Date.now() / 1000), gauges = null, paused = false, asked = false;

  const make = (name, attributes, text) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const number = (n) => (n === null || n === undefined ? "–" : n >= 100 ? Math.round(n).toLocaleString() : `${Math.round(n * 10) / 10}`);
  const time = (at) => new Date(at * 1000).toLocaleTimeString();
  const entry = (at) => seconds.get(at);
  const sum = (from, to, pick) => { let n = 0; for (let at = from; at <= to; at++) n += (entry(at) && pick(entry(at))) || 0; return n; };

  // For the few characters that fit beside a plot: 25k, 1.5M.
  const short = (n) => (n >= 1e6 ? `${number(n / 1e6)}M` : n >= 1000 ? `${number(n / 1000)}k` : number(n));
  const duration = (ms) => (ms >= 1000 ? `${number(ms / 1000)} s` : ms ? `${number(ms)} ms` : "0");
  // A scale that ends at 1, 2 or 5 times a power of ten.
  const nice = (most) => {
    if (!(most > 0)) return 1;
    const unit = 10 ** Math.floor(Math.log10(most));
    return [1, 2, 5, 10].map((n) => n * unit).find((n) => n >= most);
  };
  const x = (at) => LEFT + ((at - (now - SPAN)) / SPAN) * (W - LEFT - RIGHT);
  const frame = (svg, top, label = short) => {
    const y = (value) => H - BOTTOM - (value / top) * (H - TOP - BOTTOM);
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      parts.push(make("line", { class: "grid", x1: LEFT, x2: W - RIGHT, y1: y(top * share), y2: y(top * share) }));
      parts.push(make("text", { class: "axis", x: LEFT - 6, y: y(top * share) + 4, "text-anchor": "end" }, label(top * share)));
    }
    for (const [back, word] of [[SPAN, "5 min ago"], [SPAN / 2, ""], [0, "now"]]) {
      parts.push(make("text", { class: "axis", x: x(now - back), y: H - 6, "text-anchor": back ? "start" : "end" }, word));
    }
    svg.replaceChildren(...parts);
    return y;
  };
  const line = (svg, y, pick, name, gaps) => {
    let d = "", pen = "M";
    for (let at = now - SPAN; at <= now; at++) {
      const value = entry(at) ? pick(entry(at)) : gaps ? null : 0;
      if (value === null || value === undefined) { pen = gaps ? pen : "M"; continue; }
      // One second alone is a dot.
      d += `${pen}${x(at).toFixed(1)} ${y(value).toFixed(1)}${pen === "M" ? "h0" : ""}`;
      pen = "L";
    }
    svg.append(make("path", { class: `line ${name}`, d: d || "M0 0" }));
  };

  const plots = {};
  for (const figure of document.querySelectorAll("[data-plot]")) {
    plots[figure.dataset.plot] = {
      svg: figure.querySelector("svg"), legend: figure.querySelector(".legend"),
      details: figure.querySelector("details"), table: figure.querySelector("table"), told: "",
    };
  }
  // What a reader hears of a plot, and the numbers behind it: rewritten only when they changed and somebody looks.
  const tell = (plot, text) => { if (plot.told !== text) { plot.told = text; plot.svg.setAttribute("aria-label", text); } };
  const numbers = (plot, head, rows) => {
    if (!plot.details.open || plot.details.contains(document.activeElement) && document.activeElement.localName !== "summary") return;
    const row = (cells, kind) => {
      const tr = document.createElement("tr");
      cells.forEach((cell, i) => {
        const td = document.createElement(kind);
        if (kind === "th") td.scope = "col";
        if (i) td.className = "number";
        td.textContent = cell;
        tr.append(td);
      });
      return tr;
    };
    const thead = document.createElement("thead"), tbody = document.createElement("tbody");
    thead.append(row(head, "th"));
    tbody.append(...rows.map((cells) => row(cells, "td")));
    plot.table.replaceChildren(thead, tbody);
  };
  const legend = (plot, items) => {
    const text = JSON.stringify(items);
    if (plot.legendText === text) return;
    plot.legendText = text;
    plot.legend.replaceChildren(...items.map(([name, words]) => {
      const li = document.createElement("li"), key = document.createElement("span");
      key.className = `swatch ${name}`;
      li.append(key, words);
      return li;
    }));
  };
  const bins = (size) => {
    const all = [];
    for (let to = now - ((now % size) || 0); to > now - SPAN; to -= size) all.push([to - size + 1, to]);
    return all;
  };

  const draw = () => {
    asked = false;
    for (const at of seconds.keys()) if (at < now - SPAN - BIN) seconds.delete(at);
    const from = now - SPAN;

    {
      const plot = plots.writes;
      let most = 0;
      for (const second of seconds.values()) most = Math.max(most, second.writes);
      const y = frame(plot.svg, nice(most));
      line(plot.svg, y, (second) => second.writes, "writes", false);
      const minute = sum(now - 59, now, (second) => second.writes);
      tell(plot, `Writes per second: ${number(minute / 60)} on average in the last minute, ${most} at most`);
      numbers(plot, ["Until", "Writes", "per second"], bins(10).map(([a, b]) => { const n = sum(a, b, (s) => s.writes); return [time(b), n, number(n / 10)]; }));
    }
    {
      const plot = plots.classes;
      const steps = bins(BIN).map(([a, b]) => [a, b, CLASSES.map((name) => sum(a, b, (s) => s.classes[name]))]);
      const most = Math.max(0, ...steps.map(([, , counts]) => counts.reduce((a, b) => a + b, 0)));
      const y = frame(plot.svg, nice(most));
      for (const [a, b, counts] of steps) {
        let under = 0;
        counts.forEach((n, i) => {
          if (!n) return;
          const height = y(under) - y(under + n);
          plot.svg.append(make("rect", { class: `bar c-${CLASSES[i]}`, x: x(a) + 0.5, width: Math.max(1, x(b + 1) - x(a) - 1), y: y(under + n), height }));
          under += n;
        });
      }
      const totals = CLASSES.map((name, i) => [name, steps.reduce((all, [, , counts]) => all + counts[i], 0)]).filter(([, n]) => n);
      legend(plot, totals.map(([name, n]) => [`c-${name}`, `${name} ${n.toLocaleString()}`]));
      tell(plot, totals.length ? `Conflicts in five minutes: ${totals.map(([name, n]) => `${n} ${name}`).join(", ")}` : "No conflict in five minutes");
      const met = totals.map(([name]) => name);
      numbers(plot, ["Until", ...met], steps.filter(([, , counts]) => counts.some(Boolean)).map(([, b, counts]) => [time(b), ...met.map((name) => counts[CLASSES.indexOf(name)])]));
    }
    {
      const plot = plots.latency;
      let most = 0;
      for (const second of seconds.values()) most = Math.max(most, second.ms.p99 || 0);
      const y = frame(plot.svg, nice(most), duration);
      for (const name of ["p50", "p95", "p99"]) line(plot.svg, y, (second) => second.ms[name], name, true);
      legend(plot, [["p50", "half (p50)"], ["p95", "95 % (p95)"], ["p99", "99 % (p99)"]]);
      const last = [...seconds.values()].filter((s) => s.writes).sort((a, b) => b.at - a.at).slice(0, 30);
      tell(plot, last.length ? `In the last second with writes, half took at most ${number(last[0].ms.p50)} ms, 95 % ${number(last[0].ms.p95)} ms, 99 % ${number(last[0].ms.p99)} ms` : "No write in five minutes");
      numbers(plot, ["Second", "p50 ms", "p95 ms", "p99 ms"], last.map((s) => [time(s.at), number(s.ms.p50), number(s.ms.p95), number(s.ms.p99)]));
    }
    {
      const plot = plots.guarantees;
      const counts = ["A", "B", "C", "D"].map((name) => [name, sum(from, now, (s) => s.guarantees[name])]);
      const all = counts.reduce((n, [, count]) => n + count, 0);
      const parts = [];
      let at = LEFT;
      const wide = W - LEFT - RIGHT;
      if (!all) parts.push(make("text", { class: "axis", x: LEFT, y: H / 2 }, "no writes in five minutes"));
      for (const [name, n] of counts) {
        if (!n) continue;
        const width = (n / all) * wide;
        parts.push(make("rect", { class: `mix mix-${name}`, x: at, width: Math.max(1, width - 2), y: 60, height: 56, rx: 4 }));
        if (width > 34) parts.push(make("text", { class: `mix-word on-${name}`, x: at + width / 2, y: 94, "text-anchor": "middle" }, name));
        at += width;
      }
      plot.svg.replaceChildren(...parts);
      const share = (n) => (all ? `${number((n / all) * 100)} %` : "–");
      legend(plot, counts.filter(([, n]) => n).map(([name, n]) => [`mix-${name}`, `${name} ${share(n)}`]));
      tell(plot, all ? `Guarantees: ${counts.filter(([, n]) => n).map(([name, n]) => `${name} ${share(n)}`).join(", ")}` : "No writes in five minutes");
      numbers(plot, ["Guarantee", "Writes", "Share"], counts.map(([name, n]) => [name, n.toLocaleString(), share(n)]));
    }

    const figure = (name, text, care) => {
      const box = document.querySelector(`[data-figure="${name}"]`), dd = box.querySelector("dd");
      if (dd.textContent !== text) dd.textContent = text;
      box.classList.toggle("care", !!care);
    };
    figure("rate", number(sum(now - 4, now, (s) => s.writes) / 5));
    figure("conflicts", sum(from, now, (s) => CLASSES.reduce((n, name) => n + (s.classes[name] || 0), 0)).toLocaleString());
    const last = [...seconds.values()].filter((s) => s.writes).sort((a, b) => b.at - a.at)[0];
    figure("p95", last ? duration(last.ms.p95) : "–");
    if (!gauges) return;
    figure("running", number(gauges.running));
    figure("doubts", number(gauges.doubts), gauges.doubts > 0);
    const body = document.querySelector("[data-lanes]");
    const rows = gauges.lanes.map(({ lane, writes }) => {
      const tr = document.createElement("tr"), name = document.createElement("td"), count = document.createElement("td");
      const code = document.createElement("code");
      code.textContent = lane;
      name.append(code);
      count.className = "number";
      count.textContent = writes;
      tr.append(name, count);
      return tr;
    });
    if (!rows.length) {
      const tr = document.createElement("tr"), td = document.createElement("td");
      td.colSpan = 2; td.textContent = "No lane is busy.";
      tr.append(td); rows.push(tr);
    }
    body.replaceChildren(...rows);
  };
  new ResizeObserver(([entry]) => {
    W = Math.max(160, Math.round(entry.contentRect.width));
    for (const plot of Object.values(plots)) plot.svg.setAttribute("viewBox", `0 0 ${W} ${H}`);
    ask();
  }).observe(plots.writes.svg);
  const ask = () => { if (!asked && !paused) { asked = true; requestAnimationFrame(draw); } };

  const state = document.querySelector("[data-live-state]");
  const say = (text) => { if (state.textContent !== text) state.textContent = text; };
  const source = new EventSource("/api/live");
  source.addEventListener("open", () => { if (!paused) say("Following."); });
  source.addEventListener("error", () => say("The connection is lost; trying again …"));
  source.addEventListener("history", (event) => {
    const told = JSON.parse(event.data);
    now = told.now;
    for (const second of told.entries) seconds.set(second.at, second);
    ask();
  });
  source.addEventListener("now", (event) => { gauges = JSON.parse(event.data); ask(); });
  source.addEventListener("second", (event) => {
    const told = JSON.parse(event.data);
    now = told.at;
    seconds.set(told.at, told);
    gauges = told.now;
    ask();
  });
  addEventListener("pagehide", () => source.close());

  const pause = document.querySelector("[data-live-pause]");
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    say(paused ? "Paused." : "Following.");
    ask();
  });
  for (const plot of Object.values(plots)) plot.details.addEventListener("toggle", ask);
}
