// Bits over time: one uPlot per run, regimes shaded and lettered.
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
  let strategy = 0;
  const series = run.series.map((s) => ({
    label: s.name,
    width: s.ideal ? 1.5 : 2,
    stroke: s.ideal ? () => css("--ink") : run.colours[strategy++ % run.colours.length],
    dash: s.name === "amnesic" ? [8, 5] : s.name === "continual" ? [2, 3] : undefined,
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
    legend: { markers: { dash: (u, i) => (run.series[i - 1].ideal ? "dashed" : "solid") } },
    series: [{ label: "step", value: (u, v) => (v == null ? "" : v.toFixed(0)) }, ...series],
    hooks: { drawClear: [(u) => shade(u, run.spans)] },
  }, data, place);
  addEventListener("resize", () => u.setSize(size()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => u.redraw());
}

runs.forEach((run, i) => plot(run, document.getElementById(`plot${i}`)));
