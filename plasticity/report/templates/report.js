// Bits over time: one uPlot per run, regimes shaded and lettered; then what can be saved, and light or dark.
const redraws = [];
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function shade(u, spans) {
  const { ctx } = u, { top, height } = u.bbox;
  ctx.save();
  ctx.textAlign = "center";
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  for (const [visit, span] of spans.entries()) {
    const from = Math.max(u.valToPos(span.from, "x", true), u.bbox.left);
    const to = Math.min(u.valToPos(span.to, "x", true), u.bbox.left + u.bbox.width);
    if (to <= from) continue;
    if (visit % 2 === 0) {
      ctx.fillStyle = css("--shade");
      ctx.fillRect(from, top, to - from, height);
    }
    if (to - from > 12 * devicePixelRatio) {
      ctx.fillStyle = css("--soft");
      ctx.fillText(span.letter, (from + to) / 2, top + 14 * devicePixelRatio);
    }
  }
  ctx.restore();
}

function plot(run, place) {
  if (!run.series || !run.series.length) return;
  const data = uPlot.join(run.series.map((s) => [s.x, s.y]));
  const series = run.series.map((s) => ({
    label: s.name,
    width: s.width,
    stroke: s.colour ?? (() => css("--ink")),
    dash: s.dash ?? undefined,
    points: { show: false },
    spanGaps: true,
    value: (u, v) => (v == null ? "" : v.toFixed(3)),
  }));
  const axis = { stroke: () => css("--soft"), grid: { stroke: () => css("--line"), width: 0.5 }, ticks: { show: false } };
  const size = () => ({ width: place.clientWidth, height: Math.min(380, Math.max(240, place.clientWidth * 0.42)) });
  const u = new uPlot({
    ...size(),
    scales: { x: { time: false }, y: { range: (u, low, high) => [0, high * 1.08] } },
    axes: [{ ...axis, label: "stream step", labelSize: 22 }, { ...axis, label: "bits per position", labelSize: 22 }],
    series: [{ label: "step", value: (u, v) => (v == null ? "" : v.toFixed(0)) }, ...series],
    hooks: { drawClear: [(u) => shade(u, run.spans)] },
  }, data, place);
  addEventListener("resize", () => u.setSize(size()));
  redraws.push(() => u.redraw());
  place.querySelectorAll(".u-marker").forEach((marker, i) => {
    if (i === 0) return marker.remove();  // of the step
    const { colour, dash, width } = run.series[i - 1];
    const look = `stroke="${colour ?? "currentColor"}" stroke-width="${width}" stroke-dasharray="${dash ?? ""}"`;
    marker.outerHTML = `<svg class="key" viewBox="0 0 28 8" aria-hidden="true"><line x1="0" x2="28" y1="4" y2="4" ${look}/></svg>`;
  });
  for (const row of place.querySelectorAll(".u-series > th")) {
    row.tabIndex = 0;
    row.setAttribute("role", "button");
    row.addEventListener("keydown", (e) => (e.key === "Enter" || e.key === " ") && (e.preventDefault(), row.click()));
  }
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// A picture as a file that stands alone: light, with its own style and background.
function alone(svg) {
  const copy = svg.cloneNode(true), { width, height } = svg.viewBox.baseVal;
  const style = document.getElementById("picture").textContent.replace(/var\(--(\w+)\)/g, (_, name) => palette[name]);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.insertAdjacentHTML("afterbegin", `<style>${style}</style><rect width="${width}" height="${height}" fill="${palette.paper}"/>`);
  return new XMLSerializer().serializeToString(copy);
}

function offer(after, name, files) {
  const place = document.createElement("p");
  place.className = "get";
  for (const [ending, type, text] of files) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = ending.toUpperCase();
    button.setAttribute("aria-label", `save ${name} as ${ending}`);
    button.onclick = () => save(`${name}.${ending}`.replace(/[^\w.-]+/g, "-"), type, text());
    place.append(button);
  }
  after.after(place);
}

for (const svg of document.querySelectorAll("svg.picture")) {
  const data = () => svg.querySelector("metadata").textContent;
  offer(svg, svg.dataset.name, [["svg", "image/svg+xml", () => alone(svg)], ["csv", "text/csv", data]]);
}
for (const table of document.querySelectorAll("table[data-csv]")) {
  offer(table.parentElement, table.dataset.name, [["csv", "text/csv", () => table.dataset.csv]]);
}

const system = matchMedia("(prefers-color-scheme: dark)"), root = document.documentElement;
const redraw = () => redraws.forEach((draw) => draw());
system.addEventListener("change", redraw);
document.getElementById("theme").onclick = () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  root.dataset.theme = dark ? "light" : "dark";
  redraw();
};

runs.forEach((run, i) => plot(run, document.getElementById(`plot${i}`)));
