"""Pictures: bars and lines as SVG."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from plasticity.metrics.summary import interval, spread
from plasticity.plots.svg import Number, colour, dash, key, key_rows, picture, tag, text

SKILL = {0.0: "0: best frozen model", 1.0: "1: ideal continual learner"}
UNDEFINED = "<p>Undefined: the two ideals differ by under 0.01 bit, or nothing was scored.</p>"
FLOOR = 1e-4
"""The bottom of a logarithmic scale, in bits."""


class Curve(NamedTuple):
    """A line of a chart, and how it looks: a strategy's has the colour and the dashes of its number."""

    x: Sequence[float]
    y: Sequence[float]
    look: Mapping[str, object]


class Span(NamedTuple):
    """Steps in which one regime is live."""

    start: int
    stop: int
    letter: str


IDEALS: dict[str, dict[str, object]] = {
    "amnesic": {"class_": "ideal", "stroke_dasharray": "8 5"},
    "continual": {"class_": "ideal", "stroke_dasharray": "2 3"},
    "informed": {"class_": "ideal", "stroke_width": 3},
}
"""How the lines of the observers look."""
BASELINE: dict[str, object] = {"class_": "baseline", "stroke_dasharray": "4 4"}


def strategy(index: int) -> dict[str, object]:
    """How the line of the strategy with this number looks."""
    return {"class_": "line", "stroke": colour(index), "stroke_dasharray": dash(index)}


def letter(regime: int) -> str:
    """A, B, ..., Z, then numbers."""
    return chr(ord("A") + regime) if regime < 26 else str(regime)


def bars(
    values: Mapping[str, Sequence[float]],
    name: str = "skill",
    marks: Mapping[float, str] = SKILL,
    digits: int = 2,
    missing: str = "undefined",
    colours: Mapping[str, int] | None = None,
) -> str:
    """One bar per title from 0 to the mean, the largest first, a dot per seed, and the 95 % interval.

    Args:
        values: title -> one number per seed.
        name: of what is drawn.
        marks: places to mark with words; the scale reaches them.
        digits: of the numbers beside the bars.
        missing: what to write where there is no number.
        colours: title -> number of its colour; None: in order.
    """
    drawn = {title: v for title, v in values.items() if v}
    if not drawn:
        return UNDEFINED
    means = {title: float(np.mean(v)) for title, v in drawn.items()}
    halves = {title: interval(v) or 0.0 for title, v in drawn.items()}
    every = [*marks, *(v for each in drawn.values() for v in each)]
    size = max(max(every) - min(every), 1e-9)
    ends = [means[t] + sign * min(halves[t], size) for t in drawn for sign in (-1, 1)]
    low, high = min(*every, *ends), max(*every, *ends)
    if set(marks) == set(SKILL):
        low = max(low, -1.5)
    low, high = low - 0.03 * (high - low), high + 0.03 * (high - low)
    width, line = 800, 34
    left = 20 + max(90, min(260, 8 * max(map(len, values))))

    def x(value: Number) -> float:
        return left + (min(max(value, low), high) - low) / (high - low) * (width - left - 110)

    bottom = 24 + line * len(values)
    out = []
    for mark, words in marks.items():
        out.append(tag("line", class_="mark", x1=x(mark), x2=x(mark), y1=18, y2=bottom))
        out.append(text(x(mark), 12, words, "middle"))
    for mark in _ticks(low, high):
        out.append(text(x(mark), bottom + 16, f"{mark:g}", "middle"))
    numbers = colours or {title: i for i, title in enumerate(values)}
    for row, title in enumerate(sorted(values, key=lambda t: -means.get(t, -math.inf))):
        middle = 24 + line * row + line / 2
        out.append(text(left - 10, middle + 5, title, "end", None))
        if title not in drawn:
            out.append(text(x(0.0) + 6, middle + 5, missing))
            continue
        mean, half = means[title], halves[title]
        a, b = sorted((x(0.0), x(mean)))
        hue = colour(numbers[title])
        look = {"height": 18, "fill": hue, "fill_opacity": ".7", "stroke": hue}
        out.append(tag("rect", x=a, y=middle - 9, width=max(b - a, 1.0), **look))
        if half:
            whisker = {"x1": x(mean - half), "x2": x(mean + half), "y1": middle, "y2": middle}
            out.append(tag("line", class_="whisker", **whisker))
            out += [tag("circle", class_="dot", cx=x(v), cy=middle, r="2.5") for v in drawn[title]]
        edge = max(b, x(mean + half), *(x(v) for v in drawn[title]))
        shown = spread(drawn[title], digits).replace("±", " ± ")
        out.append(text(edge + 8, middle + 5, shown, class_="value"))
    label = f"{name}: " + "; ".join(f"{t} {spread(v, digits)}" for t, v in drawn.items())
    rows = [(t, i, v) for t, each in drawn.items() for i, v in enumerate(each)]
    data = pl.DataFrame(rows, ["title", "nth", name], orient="row")
    return picture(name, label, (width, bottom + 24), out, data)


def lines(
    series: Mapping[str, tuple[Sequence[float], bool]],
    places: Sequence[float],
    along: str = "position",
    log: bool = True,
    name: str = "curves",
    keyed: bool = False,
    up: str = "bits",
) -> str:
    """Small curves over positions, steps or visits.

    Args:
        series: title -> (values, whether it is a baseline).
        places: where each value stands.
        along: what of.
        log: whether on a logarithmic scale, on which all below 0.0001 is at the bottom.
        name: of what is drawn.
        keyed: whether to say in it which line is whose.
        up: what the values are.
    """
    looks = (strategy(i) for i in range(len(series)))
    curves = {
        title: Curve(places, values, BASELINE if baseline else next(looks))
        for title, (values, baseline) in series.items()
    }
    return chart(curves, along, name, log=log, keyed=keyed, up=up)


def chart(
    curves: Mapping[str, Curve],
    along: str,
    name: str,
    spans: Sequence[Span] = (),
    size: tuple[Number, Number] = (420, 216),
    log: bool = False,
    keyed: bool = True,
    up: str = "bits",
) -> str:
    """Curves with two axes, the spans of the regimes behind them, and a key below; arguments as of `lines`."""
    (width, high), left = size, 58
    finite = [v for curve in curves.values() for v in curve.y if math.isfinite(v)]
    low, top = (FLOOR, max(1.0, *finite)) if log else _round_ends(finite)
    places = [v for curve in curves.values() for v in curve.x]
    first, last = min(places, default=0), max(places, default=1)

    def x(place: Number) -> float:
        return left + (width - left - 10) * (place - first) / max(last - first, 1e-9)

    def y(value: Number) -> float:
        share = math.log(top / max(value, FLOOR)) / math.log(top / FLOOR) if log else 0.0
        return 10 + (high - 46) * (share if log else (top - value) / (top - low))

    out = []
    for nth, span in enumerate(spans):
        a, b = x(max(span.start, first)), x(min(span.stop, last))
        if b - a > 1 and nth % 2 == 0:
            out.append(tag("rect", class_="shade", x=a, y=10, width=b - a, height=high - 46))
        if b - a > 12:
            out.append(text((a + b) / 2, 24, span.letter, "middle"))
    marks = [10.0**power for power in range(-4, 1)] if log else _ticks(low, top)
    for mark in marks:
        out.append(tag("line", class_="grid", x1=left, x2=width - 10, y1=y(mark), y2=y(mark)))
        out.append(text(left - 6, y(mark) + 4, f"{mark:.3g}", "end"))
    for share, anchor in ((0.0, "middle"), (0.5, "middle"), (1.0, "end")):
        place = first + share * (last - first)
        out.append(text(x(place), high - 20, f"{place:.0f}", anchor))
    out.append(text((left + width) / 2, high - 4, along, "middle"))
    turned = f"translate(12 {(high - 36) / 2:.0f}) rotate(-90)"
    out.append(tag("text", html.escape(up), class_="tick", text_anchor="middle", transform=turned))
    for title, curve in curves.items():
        points = zip(curve.x, curve.y, strict=True)
        shown = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points if math.isfinite(b))
        out.append(
            tag(
                "polyline",
                tag("title", html.escape(title)),
                points=shown,
                fill="none",
                **curve.look,
            )
        )
    looks = {title: curve.look for title, curve in curves.items()} if keyed else {}
    out.append(key(looks, 20, high + 14, width - 30))
    ends = (f"{t} ends at {c.y[-1]:.3g}" for t, c in curves.items() if len(c.y))
    rows = [(t, a, b) for t, c in curves.items() for a, b in zip(c.x, c.y, strict=True)]
    data = pl.DataFrame(rows, ["title", along, "value"], orient="row")
    label = f"{name} over {along}: {'; '.join(ends)}"
    return picture(name, label, (width, high + 17 * key_rows([*looks], width - 30) + 6), out, data)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from low to high, four to eight of them."""
    step = 10.0 ** math.floor(math.log10(high - low))
    step = next(s for s in (step, step / 2, step / 4, step / 5) if (high - low) / s >= 4)
    return [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _round_ends(values: Sequence[float]) -> tuple[float, float]:
    """Round numbers around the values, 0 among them unless they lie far from it."""
    low, top = min(values, default=0.0), max(values, default=0.0)
    low = min(low, 0.0) if low < 0.5 * top else low
    if top - low < 1e-9:
        return low, low + 1
    step = 10.0 ** math.floor(math.log10(top - low)) / 2
    return math.floor(low / step) * step, (math.floor(top / step) + 1) * step


def legend(names: Sequence[str], baselines: bool = False) -> str:
    """Which line is whose, for pictures that do not say it themselves."""
    keys = [
        f"<svg class=key viewBox='0 0 28 8' aria-hidden=true>"
        f"{tag('line', x1=0, x2=28, y1=4, y2=4, **strategy(i))}</svg><b>{html.escape(name)}</b>"
        for i, name in enumerate(names)
    ]
    return f"<p class=keys>{''.join(keys)}{' grey: baselines' * baselines}</p>"
