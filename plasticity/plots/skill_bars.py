"""Skill bars: a mean over seeds, its 95 % interval, and every seed."""

import math
from collections.abc import Mapping, Sequence
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes

from plasticity.metrics.summary import interval, spread
from plasticity.plots.style import INK, LINE, PAPER, SOFT, WIDTH, Look, blank, looks, style

SKILL = {0.0: "0: best frozen model", 1.0: "1: ideal continual learner"}
WITHIN = (-1.5, 1.5)
"""What is drawn of a scale on which 1 is as good as can be."""
CHARACTERS = 28
"""Of a line of a title; it has two at most."""
ROW, MOST = 34, 4
"""Height of a bar with what is around it, in pixels; numbers of clipped dots that are written out."""


@style()
def bars(
    values: Mapping[str, Sequence[float]],
    drawn: Mapping[str, Look] | None = None,
    marks: Mapping[float, str] = SKILL,
    along: str = "skill (share of the gap between the two ideals)",
    within: tuple[float, float] = WITHIN,
    digits: int = 2,
    missing: str = "undefined",
    ax: Axes | None = None,
) -> Axes:
    """One bar per title from 0 to the mean, the largest first, the 95 % interval, and a dot per seed.

    What lies beyond the scale ends in an arrow at its edge, and its numbers stand beside it.

    Args:
        values: title -> one number per seed; none: undefined.
        drawn: title -> its look; None: that of its spelling.
        marks: places to mark with words; the scale reaches them.
        along: what the numbers are, with their unit.
        within: ends of the scale, at most.
        digits: of the numbers beside the bars.
        missing: what to write where there is no number.
        ax: where; None: on a figure of its own.
    """
    drawn = drawn or looks(values)
    means = {title: float(np.mean(v)) for title, v in values.items() if v}
    order = sorted(values, key=lambda title: -means.get(title, -math.inf))
    ax = ax or blank(WIDTH, 66 + ROW * max(len(order), 1))
    low, high = _ends(values, marks, within)
    ax.set_xlim(low, high)
    ax.set_ylim(len(order) - 0.4, -0.6)
    for mark, words in marks.items():
        ax.axvline(mark, color=SOFT, linewidth=1, linestyle=(0, (3, 3)), zorder=0.5)
        side = "center" if len(marks) < 2 else ("right" if mark == min(marks) else "left")
        place = {"xy": (mark, 1), "xytext": (0, 5), "textcoords": "offset points", "ha": side}
        ax.annotate(words, **place, xycoords=("data", "axes fraction"), color=SOFT, size=10.5)
    for row, title in enumerate(order):
        shown = missing
        if title in means:
            shown = spread(values[title], digits).replace("±", " ± ")
            _bar(ax, row, values[title], drawn[title], digits)
        beside = {"xytext": (8, 0), "textcoords": "offset points", "va": "center"}
        ax.annotate(shown, (1, row), xycoords=("axes fraction", "data"), **beside)
    ax.set_yticks(range(len(order)), ["\n".join(wrap(title, CHARACTERS)[:2]) for title in order])
    ax.tick_params(axis="y", length=0, labelsize=11.5, labelcolor=INK, pad=9)
    ax.tick_params(axis="x", length=3)
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(along)
    ends = "; ".join(f"{t} {spread(values[t], digits)}" for t in order if t in means)
    ax.set_label(f"{along}: {ends or missing}")
    return ax


def _ends(
    values: Mapping[str, Sequence[float]], marks: Mapping[float, str], within: tuple[float, float]
) -> tuple[float, float]:
    """Of the scale: all marks, dots and intervals, as far as they are within."""
    every = [*marks, *(v for each in values.values() for v in each if math.isfinite(v))]
    for each in values.values():
        half = interval(each) or 0.0 if each else 0.0
        every += [float(np.mean(each)) + sign * half for sign in (-1, 1) if each]
    kept = [min(max(v, within[0]), within[1]) for v in every if math.isfinite(v)]
    low, high = min(kept, default=0.0), max(kept, default=1.0)
    room = 0.03 * max(high - low, 1e-9)
    return low - room, high + room


def _bar(ax: Axes, row: int, values: Sequence[float], look: Look, digits: int) -> None:
    """A bar, its interval, its dots, and what of them lies beyond the scale."""
    low, high = ax.get_xlim()
    mean, half = float(np.mean(values)), interval(values) or 0.0
    edge = PAPER if look.hatch else look.colour
    fill = {"facecolor": (look.colour, 0.75), "edgecolor": edge, "hatch": look.hatch}
    ax.barh(row, mean, height=0.52, linewidth=1, **fill)
    if half:
        ax.plot([mean - half, mean + half], [row, row], color=INK, linewidth=1.8)
    apart = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else np.zeros(1)
    inside = [(v, row + dy) for v, dy in zip(values, apart, strict=True) if low <= v <= high]
    face = {"facecolor": PAPER, "edgecolor": INK, "linewidth": 1, "zorder": 4}
    if inside and len(values) > 1:
        ax.scatter(*zip(*inside, strict=True), s=17, **face)
    for edge, sign, marker in ((low, -1, "<"), (high, 1, ">")):
        beyond = [v for v in values if sign * v > sign * edge]
        clipped = sign * mean > sign * edge
        if beyond or clipped or sign * (mean + sign * half) > sign * edge:
            arrow = {"marker": marker, "s": 52, "color": INK, "zorder": 5, "clip_on": False}
            ax.scatter([edge], [row], **arrow)
        told = [f"mean {mean:z,.{digits}f}"] if clipped else []
        if beyond and len(values) > 1:
            numbers = ", ".join(f"{v:z,.{digits}f}" for v in sorted(beyond)[:MOST])
            more = f" and {len(beyond) - MOST} more" if len(beyond) > MOST else ""
            told.append(f"seed{'s' * (len(beyond) > 1)} at {numbers}{more}")
        if told:
            side = "left" if sign < 0 else "right"
            place = {"xytext": (-9 * sign, -12), "textcoords": "offset points"}
            box = {"boxstyle": "square,pad=0.1", "facecolor": PAPER, "edgecolor": LINE, "lw": 0.5}
            ax.annotate(
                "; ".join(told), (edge, row), **place, ha=side, va="center", size=9, bbox=box
            )
