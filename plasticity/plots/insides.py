"""Insides: what heads look at, and numbers of a network beside what they would be for other reasons."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from plasticity.plots.matrices import PROBABILITY
from plasticity.plots.style import COLOURS, INK, LINE, SOFT, blank, key, style

CELL = 5.0
"""Side of a weight, in pixels."""
MARKS = {
    "value": {"marker": "o", "color": COLOURS[0], "s": 42},
    "initial": {"marker": "o", "facecolors": "none", "edgecolors": SOFT, "s": 34},
    "chance": {"marker": "|", "color": SOFT, "s": 60},
    "control": {"marker": "D", "facecolors": "none", "edgecolors": COLOURS[1], "s": 26},
    "baseline": {"marker": "x", "color": INK, "s": 28},
}
"""How each kind of number is drawn; the network's own last, on top."""


@style()
def attention_maps(
    weights: Float[np.ndarray, "heads time time"], title: str = "", ax: Axes | None = None
) -> Axes:
    """The attention of every head of a layer in one episode, side by side: row t is what position t reads.

    Args:
        weights: rows sum to 1.
        title: of the layer.
        ax: where; None: on a figure of its own.
    """
    heads, time, _ = weights.shape
    apart = time + 2
    image = np.full((time, apart * heads - 2), np.nan)
    for nth, each in enumerate(weights):
        shown = np.where(np.tri(time, dtype=bool), each, np.nan)
        image[:, nth * apart : nth * apart + time] = shown
    ax = ax or blank(70 + CELL * image.shape[1], 70 + CELL * time)
    ax.imshow(image, cmap=PROBABILITY, vmin=0, vmax=1, interpolation="none")
    middles = [nth * apart + (time - 1) / 2 for nth in range(heads)]
    ax.set_xticks(middles, [f"head {nth}" for nth in range(heads)])
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("reads position (0 to " + f"{time - 1})")
    ax.set_ylabel("position")
    ax.set_title(title, loc="left")
    ax.set_label(f"attention of {heads} heads of {title or 'a layer'} in one episode")
    return ax


@style()
def beside(
    rows: Sequence[str],
    numbers: Mapping[str, Sequence[float]],
    along: str,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """A line per row with the network's number on it, and what it would be for other reasons.

    Args:
        rows: what each is of.
        numbers: a key of MARKS -> a number per row; NaN is left out.
        along: what they are, with the unit.
        title: of the picture.
        ax: where; None: on a figure of its own.
    """
    ax = ax or blank(420, 80 + 19 * len(rows))
    at, handles = np.arange(len(rows)), {}
    for kind in reversed(MARKS):
        values = np.asarray(numbers.get(kind, [np.nan] * len(rows)), float)
        known = np.isfinite(values)
        if known.any():
            handles[kind] = ax.scatter(values[known], at[known], zorder=3, **MARKS[kind])
    ax.axvline(0, color=LINE, linewidth=1, zorder=1)
    ax.set_yticks(at, [*rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.grid(True, axis="y")
    ax.set_xlabel(along)
    ax.set_title(title, loc="left")
    key(ax, dict(reversed(handles.items())), below=40)
    own = numbers.get("value", [])
    shown = "; ".join(f"{row} {value:.3g}" for row, value in zip(rows, own, strict=False))
    ax.set_label(f"{title or along}: {shown}")
    return ax
