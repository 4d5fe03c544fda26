"""Predictive matrices: rows of probabilities side by side, and how far evidence moves them."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb

from plasticity.plots.style import COLOURS, INK, SOFT, blank, style

PROBABILITY = LinearSegmentedColormap.from_list(
    "probability", [(*to_rgb(COLOURS[0]), alpha) for alpha in (0.0, 0.8)]
)
"""From clear to colour, so that it is light on light and dark on dark, with words on it either way."""
CELL, ROW = (16.0, 36.0), 20.0
"""Width of a cell, at least and at most, and its height, in pixels."""
WRITTEN = 28.0
"""Width from which a cell has its number in it."""
Rows = Float[np.ndarray, "prompts symbols"]


@style()
def probability_rows(
    matrices: Mapping[str, Rows],
    blocks: Sequence[Sequence[str]],
    symbols: Sequence[str],
    ax: Axes | None = None,
) -> Axes:
    """p(next symbol | prompt) by each matrix side by side, with the prompts written once; in hundredths.

    Args:
        matrices: title -> its rows, those of the first block first.
        blocks: the prompts in words, block by block; a gap stands between blocks.
        symbols: the next symbols in words.
        ax: where; None: on a figure of its own.
    """
    count, wide = len(symbols), min(max(CELL[0], 360 / len(symbols)), CELL[1])
    prompts = [prompt for block in blocks for prompt in block]
    at = np.array([2 * i + b for b, i in _numbered(blocks)])
    names, apart = max(map(len, symbols)), count + 1
    image = np.full((2 * len(prompts) + len(blocks) - 1, apart * len(matrices) - 1), np.nan)
    left, high = 7 * max(map(len, prompts)), 90 + 6 * names + ROW / 2 * len(image)
    ax = ax or blank(left + 40 + wide * image.shape[1], high)
    for nth, (title, rows) in enumerate(matrices.items()):
        start = nth * apart
        for half in (0, 1):
            image[at + half, start : start + count] = rows
        for (row, k), share in np.ndenumerate(rows):
            if wide >= WRITTEN and share >= 0.005:
                where = {"ha": "center", "va": "center", "size": 9.5}
                ax.text(start + k, float(at[row]) + 0.5, f"{100 * share:.0f}", **where)
        above = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
        place = (start + (count - 1) / 2, 1)
        ax.annotate(title, place, (0, 12 + 6.5 * names), **above, ha="center", va="bottom")
    ax.imshow(image, cmap=PROBABILITY, vmin=0, vmax=1, interpolation="none")
    ax.set_aspect("auto")
    heads = [nth * apart + k for nth in range(len(matrices)) for k in range(count)]
    turned = {"rotation": 90, "ha": "left", "va": "center", "rotation_mode": "anchor"}
    ax.set_xticks(heads, [*symbols] * len(matrices), **(turned if names > 2 else {}))
    ax.set_yticks(at + 0.5, prompts)
    ax.tick_params(length=0, labelcolor=INK, top=False, labeltop=True, labelbottom=False)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("next symbol; probability in hundredths")
    ax.set_ylabel("prompt")
    ax.set_label(f"what follows each of {len(prompts)} prompts by {', '.join(matrices)}")
    return ax


@style()
def distance_moved(
    exact: Float[np.ndarray, " pairs"],
    moved: Float[np.ndarray, " pairs"],
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """A dot per pair of prompts: how far Bayes' rule moves the row, and how far a matrix does, in total variation.

    Args:
        exact: by Bayes' rule.
        moved: by the matrix.
        title: of the matrix.
        ax: where; None: on a figure of its own.
    """
    ax = ax or blank(300, 300)
    ax.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (3, 3)))
    ax.scatter(exact, moved, s=16, color=COLOURS[0], alpha=0.35, linewidth=0)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_aspect("equal")
    ax.set_xlabel("moved by Bayes' rule (total variation)")
    ax.set_ylabel("moved by this matrix (total variation)")
    ax.set_title(title, loc="left")
    said, truth = (float(np.mean(v)) if len(v) else float("nan") for v in (moved, exact))
    ax.set_label(f"moves of {title}: {said:.3f} on average, {truth:.3f} by Bayes' rule")
    return ax


def _numbered(blocks: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """(block, number of the prompt over all blocks)."""
    return [(b, i) for i, b in enumerate(b for b, block in enumerate(blocks) for _ in block)]
