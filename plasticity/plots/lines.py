"""Lines: curves with 95 % intervals over seeds, and the regimes behind them."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float, Num
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import MaxNLocator, NullLocator
from scipy.special import stdtrit

from plasticity.plots.style import SHADE, SOFT, Look, Pixels, blank, key, key_height, looks, style

FLOOR = 1e-4
"""The bottom of a logarithmic scale, in bits."""
POINTS = 240
"""Points of a thinned curve, at most."""


class Curve(NamedTuple):
    """A line, its 95 % interval where several seeds were averaged, and its look."""

    x: Num[np.ndarray, " points"]
    y: Float[np.ndarray, " points"]
    half: Float[np.ndarray, " points"] | None = None
    """Half the width of the interval, in the unit of y; NaN where there is one seed."""
    look: Look | None = None
    """None: that of its title."""


class Span(NamedTuple):
    """Steps in which one regime is live."""

    start: int
    stop: int
    letter: str


def averaged(
    x: Num[np.ndarray, " points"],
    each: Sequence[Float[np.ndarray, " points"]],
    look: Look | None = None,
) -> Curve:
    """The mean over seeds, with its 95 % interval by Student's t; what is not finite is left out.

    Args:
        x: where the points are.
        each: the values of every seed.
        look: of the line.
    """
    values = np.stack([np.asarray(v, float) for v in each])
    values[~np.isfinite(values)] = np.nan
    n = (~np.isnan(values)).sum(0)
    sums = np.nansum(values, axis=0)
    mean = np.divide(sums, n, out=np.full(len(sums), np.nan), where=n > 0)
    if len(values) < 2:
        return Curve(x, mean, None, look)
    square = np.nansum((values - mean) ** 2, axis=0)
    variance = np.divide(square, n - 1, out=np.full(len(sums), np.nan), where=n > 1)
    half = stdtrit(np.maximum(n - 1, 1), 0.975) * np.sqrt(variance / np.maximum(n, 1))
    return Curve(x, mean, half, look)


def points_frame(drawn: Mapping[str, Curve], along: str, up: str = "value") -> pl.DataFrame:
    """What some curves draw: one row per point, `title`, and the two names that are given.

    Args:
        drawn: title -> curve.
        along: what x is.
        up: what y is.
    """
    rows = [
        (t, x, y) for t, c in drawn.items() for x, y in zip(c.x.tolist(), c.y.tolist(), strict=True)
    ]
    return pl.DataFrame(rows, ["title", along, up], orient="row")


def thinned(curve: Curve) -> Curve:
    """The curve as a screen shows it: of many points the least and the greatest of each short stretch, and both ends.

    Args:
        curve: of any number of points; at most `POINTS` come back.
    """
    n = len(curve.y)
    if n <= POINTS:
        return curve
    keep = {0, n - 1}
    for part in np.array_split(np.arange(n), POINTS // 2 - 1):
        known = part[np.isfinite(curve.y[part])]
        ends = (
            (known[curve.y[known].argmin()], known[curve.y[known].argmax()])
            if len(known)
            else part[:1]
        )
        keep |= {int(i) for i in ends}
    at = sorted(keep)
    half = None if curve.half is None else curve.half[at]
    return Curve(curve.x[at], curve.y[at], half, curve.look)


@style()
def curves(
    drawn: Mapping[str, Curve],
    along: str,
    up: str,
    spans: Sequence[Span] = (),
    log: bool = False,
    legend: bool = True,
    size: tuple[Pixels, Pixels] = (360, 250),
    ax: Axes | None = None,
) -> Axes:
    """A line per title with the band of its interval, and the spans of regimes in shades behind them.

    Args:
        drawn: title -> curve.
        along: what x is, with its unit.
        up: what y is, with its unit.
        spans: of regimes; every other one is shaded.
        log: whether y is logarithmic, on which all below 0.0001 is at the bottom.
        legend: whether to say below which line is whose.
        size: of its own figure, in pixels.
        ax: where; None: on a figure of its own.
    """
    room = max(key_height(drawn, size[0]) - 40, 0) if legend else 0
    ax = ax or blank(size[0], size[1] + room)
    own, handles = looks(title for title, c in drawn.items() if c.look is None), {}
    for title, curve in drawn.items():
        look = curve.look or own[title]
        x, y = np.asarray(curve.x, float), np.asarray(curve.y, float)
        half = np.zeros(len(y)) if curve.half is None else curve.half
        below, above = y - half, y + half
        if log:
            y, below, above = (np.maximum(v, FLOOR) for v in (y, below, above))
        if curve.half is not None:
            ax.fill_between(x, below, above, color=look.colour, alpha=0.11, linewidth=0)
        (handles[title],) = ax.plot(x, y, **look.line())
    _scale(ax, drawn, log)
    regimes(ax, spans)
    ax.set_xlabel(along)
    ax.set_ylabel(up)
    if legend:
        key(ax, dict[str, Artist](handles))
    ends = (f"{title} ends at {_last(curve):z.3g}" for title, curve in drawn.items())
    ax.set_label(f"{up} over {along}: {'; '.join(ends)}")
    return ax


def regimes(ax: Axes, spans: Sequence[Span]) -> None:
    """Every other span shaded, each with its letter where there is room."""
    first, last = ax.get_xlim()
    for nth, span in enumerate(spans):
        a, b = max(span.start, first), min(span.stop, last)
        if nth % 2 == 0 and b > a:
            ax.axvspan(a, b, color=SHADE, linewidth=0, zorder=0)
        if b - a > 0.012 * len(span.letter) * (last - first):
            place = {"xycoords": ("data", "axes fraction"), "va": "top", "ha": "center"}
            ax.annotate(span.letter, ((a + b) / 2, 0.985), color=SOFT, size=9.5, **place)
    ax.set_xlim(first, last)


def numbered(axis: Axis) -> None:
    """Of a logarithmic axis: its numbers written out, powers of ten alone."""
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_locator(NullLocator())


def _scale(ax: Axes, drawn: Mapping[str, Curve], log: bool) -> None:
    """Both axes as wide as the curves; y from 0 unless all lies far from it."""
    places = [float(v) for curve in drawn.values() for v in curve.x]
    if places:
        ax.set_xlim(min(places), max(max(places), min(places) + 1e-9))
    values = [float(v) for curve in drawn.values() for v in curve.y if math.isfinite(v)]
    if log:
        ax.set_yscale("log")
        numbered(ax.yaxis)
        ax.set_ylim(FLOOR, 1.2 * max(1.0, *values, 1.0))
        return
    low, high = min(values, default=0.0), max(values, default=1.0)
    low = min(low, 0.0) if low < 0.5 * high else low
    low = 0.0 if abs(low) < 1e-9 else low
    room = 0.08 * (high - low) or 0.5
    ax.set_ylim(low if low == 0 else low - room, high + room)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _last(curve: Curve) -> float:
    finite = curve.y[np.isfinite(curve.y)] if len(curve.y) else curve.y
    return float(finite[-1]) if len(finite) else math.nan
