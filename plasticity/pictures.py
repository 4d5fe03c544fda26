"""Pictures: bars and heat maps as SVG."""

import html
import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from plasticity.metrics.summary import interval

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#a6761d", "#7570b3"]
"""Of the strategies, in order: Okabe & Ito 2008, and two more; told apart by the colour-blind."""
COLUMNS = 80
"""Columns of a heat map, at most."""
SEQUENTIAL = ["#fcfdbf", "#febb81", "#f8765c", "#d3436e", "#982d80", "#5f187f", "#221150"]
"""Magma, light to dark: few bits to many."""


class Heat(NamedTuple):
    """Bits on every regime's probe."""

    steps: Int[np.ndarray, " checkpoints"]
    regimes: Int[np.ndarray, " regimes"]
    bits: Float[np.ndarray, "checkpoints regimes"]


def letter(regime: int) -> str:
    """A, B, ..., Z, then numbers."""
    return chr(ord("A") + regime) if regime < 26 else str(regime)


def bars(values: Mapping[str, Sequence[float]]) -> str:
    """One bar per title from 0 to the mean, a dot per seed, and the 95 % interval; 0 and 1 are marked."""
    drawn = {name: v for name, v in values.items() if v}
    if not drawn:
        return "<p>Skill is undefined: the two ideals differ by under 0.01 bit, or nothing was scored.</p>"
    halves = {name: interval(v) or 0.0 for name, v in drawn.items()}
    means = {name: float(np.mean(v)) for name, v in drawn.items()}
    least = min(
        min(*v, means[name] - halves[name]) if len(v) > 1 else v[0] for name, v in drawn.items()
    )
    low = max(-1.5, min(-0.1, least))
    high, left, width, line = 1.1, 190, 800, 34

    def x(value: float) -> float:
        return left + (min(max(value, low), high) - low) / (high - low) * (width - left - 90)

    bottom = 24 + line * len(values)
    out = [f'<svg class=bars viewBox="0 0 {width} {bottom + 24}" role=img>']
    for mark, text in ((0.0, "0: best frozen model"), (1.0, "1: ideal continual learner")):
        out.append(f"<line class=mark x1={x(mark):.1f} x2={x(mark):.1f} y1=18 y2={bottom} />")
        out.append(f"<text class=tick x={x(mark):.1f} y=12 text-anchor=middle>{text}</text>")
    for mark in np.arange(np.ceil(low * 4) / 4, 1.01, 0.25).tolist():
        out.append(
            f"<text class=tick x={x(mark):.1f} y={bottom + 16} text-anchor=middle>{mark + 0.0:.2f}</text>"
        )
    for i, name in enumerate(values):
        middle = 24 + line * i + line / 2
        out.append(
            f"<text x={left - 10} y={middle + 5:.1f} text-anchor=end>{html.escape(name)}</text>"
        )
        if name not in drawn:
            out.append(f"<text class=tick x={x(0.0) + 6:.1f} y={middle + 5:.1f}>undefined</text>")
            continue
        mean, half, colour = means[name], halves[name], COLOURS[i % len(COLOURS)]
        a, b = sorted((x(0.0), x(mean)))
        out.append(
            f'<rect x={a:.1f} y={middle - 9:.1f} width={max(b - a, 1):.1f} height=18 fill="{colour}" opacity=.75 />'
        )
        if half:
            out.append(
                f"<line class=whisker x1={x(mean - half):.1f} x2={x(mean + half):.1f} y1={middle} y2={middle} />"
            )
            out += [
                f"<circle class=dot cx={x(v):.1f} cy={middle:.1f} r=2.5 />" for v in drawn[name]
            ]
        edge = max(b, x(mean + half), *(x(v) for v in drawn[name]))
        out.append(f"<text x={edge + 8:.1f} y={middle + 5:.1f}>{mean:.2f}</text>")
    return "".join([*out, "</svg>"])


def lines(
    series: Mapping[str, tuple[Sequence[float], bool]],
    places: Sequence[float],
    along: str = "position",
    log: bool = True,
) -> str:
    """Curves over positions, steps or visits.

    Args:
        series: title -> (values, whether it is a baseline, which is dashed).
        places: where each value stands.
        along: what of.
        log: whether on a logarithmic scale, on which all below 0.0001 is at the bottom.
    """
    width, height, left, floor = 420, 216, 58, 1e-4
    values = [v for each, _ in series.values() for v in each if math.isfinite(v)]
    low, top = (floor, max(1.0, *values)) if log else _round_ends(values)

    def x(i: int) -> float:
        return left + (width - left - 10) * (i / max(len(places) - 1, 1))

    def y(value: float) -> float:
        share = (
            math.log(top / max(value, floor)) / math.log(top / floor)
            if log
            else (top - value) / (top - low)
        )
        return 10 + (height - 46) * share

    out = [f'<svg viewBox="0 0 {width} {height}" role=img>']
    marks = [10.0**power for power in range(-4, 1)] if log else np.linspace(low, top, 5).tolist()
    for mark in marks:
        at = y(mark)
        out.append(f"<line class=grid x1={left} x2={width - 10} y1={at:.1f} y2={at:.1f} />")
        out.append(
            f"<text class=tick x={left - 6} y={at + 4:.1f} text-anchor=end>{mark:.3g}</text>"
        )
    for i in sorted({0, len(places) // 2, len(places) - 1}):
        anchor = "end" if i and i == len(places) - 1 else "middle"
        out.append(
            f"<text class=tick x={x(i):.1f} y={height - 20} text-anchor={anchor}>{places[i]:.0f}</text>"
        )
    out.append(
        f"<text class=tick x={(left + width) / 2} y={height - 4} text-anchor=middle>{along}</text>"
    )
    colours = cycle(COLOURS)
    for name, (bits, baseline) in series.items():
        points = " ".join(f"{x(i):.1f},{y(b):.1f}" for i, b in enumerate(bits) if math.isfinite(b))
        look = "class=baseline" if baseline else f'stroke="{next(colours)}"'
        out.append(
            f'<polyline fill=none {look} points="{points}"><title>{html.escape(name)}</title></polyline>'
        )
    return "".join([*out, "</svg>"])


def _round_ends(values: Sequence[float]) -> tuple[float, float]:
    """Round numbers around the values, 0 among them unless they lie far from it."""
    low, top = min(values, default=0.0), max(values, default=0.0)
    low = min(low, 0.0) if low < 0.5 * top else low
    if top - low < 1e-9:
        return low, low + 1
    step = 10.0 ** math.floor(math.log10(top - low)) / 2
    return math.floor(low / step) * step, (math.floor(top / step) + 1) * step


def legend(names: Sequence[str], baselines: bool = False) -> str:
    """Which colour is whose."""
    keys = [
        f"<i style='background:{COLOURS[i % len(COLOURS)]}'></i><b>{html.escape(name)}</b>"
        for i, name in enumerate(names)
    ]
    return f"<p class=key>{''.join(keys)}{' dashed: baselines' * baselines}</p>"


def heats(maps: Mapping[str, Heat]) -> str:
    """One heat map per strategy, on one scale, which is drawn below them."""
    if not maps:
        return "<p>Nothing was probed yet.</p>"
    top = max(float(np.nanmax(heat.bits)) for heat in maps.values())
    figures = [
        f"<figure><figcaption>{html.escape(name)}</figcaption>{_heat(heat, top)}</figure>"
        for name, heat in maps.items()
    ]
    stops = "".join(f"<i style='background:{colour}'></i>" for colour in SEQUENTIAL)
    return f"<div class=heats>{''.join(figures)}</div><p class=scale>0 {stops} {top:.2f} bits</p>"


def _heat(heat: Heat, top: float) -> str:
    keep = np.unique(np.linspace(0, len(heat.steps) - 1, COLUMNS).round().astype(int))
    steps, bits = heat.steps[keep], heat.bits[keep]
    count, regimes = bits.shape
    names = [letter(regime) for regime in heat.regimes.tolist()]
    cell, high, left = 400 / count, 22, 16 + 10 * max(map(len, names))
    out = [f'<svg viewBox="0 0 {left + 404} {high * regimes + 20}" role=img>']
    for r in range(regimes):
        out.append(f"<text x={left - 8} y={high * r + 16} text-anchor=end>{names[r]}</text>")
        for c in range(count):
            out.append(
                f"<rect x={left + c * cell:.2f} y={high * r} width={cell + 0.3:.2f} height={high - 2} "
                f'fill="{_colour(bits[c, r] / top if top else 0)}"><title>{names[r]} at step {steps[c]}: '
                f"{bits[c, r]:.3f} bits</title></rect>"
            )
    for c in (0, count - 1):
        anchor = "start" if c == 0 else "end"
        at = left + (0 if c == 0 else 400)
        out.append(
            f"<text class=tick x={at} y={high * regimes + 14} text-anchor={anchor}>step {steps[c]}</text>"
        )
    return "".join([*out, "</svg>"])


def _colour(share: float) -> str:
    """Of a share of the scale, between its stops."""
    place = float(np.clip(share, 0, 1)) * (len(SEQUENTIAL) - 1)
    i = min(int(place), len(SEQUENTIAL) - 2)
    one, two = (np.array([int(c[k : k + 2], 16) for k in (1, 3, 5)]) for c in SEQUENTIAL[i : i + 2])
    mixed = (one + (two - one) * (place - i)).round().astype(int)
    return "#" + "".join(f"{v:02x}" for v in mixed)
