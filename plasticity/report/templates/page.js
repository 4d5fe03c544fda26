// Bits over time: one uPlot per run, with intervals and regimes; then what can be saved, and light or dark.
const redraws = [];
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Regimes: every other one shaded, from `top` on and so high.
function shade(u, spans, top, height) {
  const { ctx } = u;
  ctx.save();
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
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
      ctx.fillText(span.letter, (from + to) / 2, top + Math.min(height, 16 * devicePixelRatio) / 2);
    }
  }
  ctx.restore();
}

// Behind the curves where all seeds agree; else a ribbon above them for each seed.
const RIBBON = 15;

function regimes(u, { spans, ribbons }) {
  const { ctx } = u, { left, top, height } = u.bbox;
  shade(u, spans, top, height);
  for (const [row, { name, spans }] of ribbons.entries()) {
    const at = top - (ribbons.length - row) * RIBBON * devicePixelRatio, high = (RIBBON - 1) * devicePixelRatio;
    shade(u, spans, at, high);
    ctx.save();
    ctx.font = `${10 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "right";
    ctx.fillStyle = css("--soft");
    ctx.fillText(name, left - 6 * devicePixelRatio, at + high / 2);
    ctx.restore();
  }
}

function plot(run, place) {
  if (!run.series.length) return;
  const data = [], series = [], bands = [];  // a line, and where it has an interval its ends behind it
  for (const s of run.series) {
    const colour = s.colour ?? (() => css("--ink"));
    data.push([s.x, s.y]);
    series.push({
      label: s.name,
      width: s.width,
      stroke: colour,
      dash: s.dash ?? undefined,
      points: { show: false },
      spanGaps: true,
      value: (u, v) => (v == null ? "" : v.toFixed(3)),
    });
    if (!s.low) continue;
    for (const end of ["low", "high"]) {
      data.push([s.x, s[end]]);
      series.push({ label: `${s.name}, ${end}`, class: "band", width: 0, points: { show: false }, spanGaps: true });
    }
    bands.push({
      series: [series.length, series.length - 1],
      fill: s.colour ? `${s.colour}20` : () => `${css("--ink")}14`,
    });
  }
  const axis = { stroke: () => css("--soft"), grid: { stroke: () => css("--line"), width: 0.5 }, ticks: { show: false } };
  const wide = () => place.parentElement.clientWidth;  // an empty place has none
  const size = () => ({ width: wide(), height: Math.min(380, Math.max(240, wide() * 0.42)) });
  const range = (u) => {  // of the lines in sight; intervals may leave it
    const [first, last] = u.series[0].idxs ?? [0, 0];
    const seen = u.series.flatMap((s, i) => (i && s.show && s.class !== "band" ? u.data[i].slice(first, last + 1) : []));
    const values = seen.filter((v) => v != null);
    return [Math.min(0, ...values), 1.15 * Math.max(0, ...values) || 1];
  };
  const last = (u) => u.setLegend({ idx: u.data[0].length - 1 });  // where no pointer is, the end
  const u = new uPlot({
    ...size(),
    padding: [8 + RIBBON * run.ribbons.length, 8, 0, 0],
    cursor: { drag: { x: true, y: true, uni: 40 } },
    scales: { x: { time: false }, y: { range } },
    axes: [{ ...axis, label: "stream step", labelSize: 22 }, { ...axis, label: "bits per position", labelSize: 22 }],
    series: [{ label: "step", value: (u, v) => (v == null ? "" : v.toFixed(0)) }, ...series],
    bands,
    hooks: {
      drawClear: [(u) => regimes(u, run)],
      ready: [last],
      setCursor: [(u) => u.cursor.idx == null && last(u)],
      setSeries: [(u, i, { show }) => {  // an interval goes with its line
        const band = bands.find((b) => b.series[1] === i + 1);
        if (show != null && band) for (const end of band.series) if (u.series[end].show !== show) u.setSeries(end, { show });
      }],
    },
  }, uPlot.join(data.map(([x, y]) => [x, y])), place);
  new ResizeObserver(() => u.width !== wide() && u.setSize(size())).observe(place.parentElement);
  redraws.push(() => u.redraw());
  const lines = Object.fromEntries(run.series.map((s) => [s.name, s]));
  for (const row of place.querySelectorAll(".u-series")) {
    const head = row.querySelector("th"), marker = row.querySelector(".u-marker");
    const line = lines[head.querySelector(".u-label").textContent];
    if (!line || row.classList.contains("band")) { marker?.remove(); continue; }
    const { colour, dash, width } = line;
    const look = `stroke="${colour ?? "currentColor"}" stroke-width="${width}" stroke-dasharray="${dash ?? ""}"`;
    marker.outerHTML = `<svg class="key" viewBox="0 0 28 8" aria-hidden="true"><line x1="0" x2="28" y1="4" y2="4" ${look}/></svg>`;
    head.tabIndex = 0;
    head.setAttribute("role", "button");
    head.addEventListener("keydown", (e) => (e.key === "Enter" || e.key === " ") && (e.preventDefault(), head.click()));
  }
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// A picture as a file that stands alone: light.
function alone(svg) {
  const copy = svg.cloneNode(true), { width, height } = svg.viewBox.baseVal;
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.removeAttribute("style");
  copy.insertAdjacentHTML("afterbegin", "<style>*{stroke-linejoin: round; stroke-linecap: butt}</style>");
  return new XMLSerializer().serializeToString(copy).replace(/var\(--(\w+)\)/g, (_, name) => palette[name]);
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
  offer(svg.closest(".wide"), svg.dataset.name, [["svg", "image/svg+xml", () => alone(svg)], ["csv", "text/csv", data]]);
}
for (const table of document.querySelectorAll("table[data-csv]")) {
  offer(table.parentElement, table.dataset.name, [["csv", "text/csv", () => table.dataset.csv]]);
}

// A click on a title sorts strategies and baselines, each among themselves; a second one the other way round.
function sortable(table) {
  const [heads, body] = [[...table.tHead.rows[0].cells], table.tBodies[0]];
  for (const [column, head] of heads.entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const rows = [...body.rows], text = (row) => row.cells[column].textContent;
      const number = (row) => parseFloat(text(row).replace(/,/g, ""));  // the mean, where an interval follows
      const numeric = rows.some((row) => !Number.isNaN(number(row))), last = (row) => numeric && Number.isNaN(number(row));
      const down = head.getAttribute("aria-sort") !== "descending";
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => (down ? 1 : -1) * (numeric ? number(b) - number(a) : text(b).localeCompare(text(a)));
      const group = (row) => 2 * row.classList.contains("baseline") + last(row);
      body.append(...rows.sort((a, b) => group(a) - group(b) || order(a, b) || 0));
    };
  }
}
for (const table of document.querySelectorAll("table[data-csv]")) sortable(table);

const system = matchMedia("(prefers-color-scheme: dark)"), root = document.documentElement;
const redraw = () => redraws.forEach((draw) => draw());
system.addEventListener("change", redraw);
document.getElementById("theme").onclick = () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  root.dataset.theme = dark ? "light" : "dark";
  redraw();
};

for (const place of document.querySelectorAll(".plot")) plot(JSON.parse(place.nextElementSibling.textContent), place);
