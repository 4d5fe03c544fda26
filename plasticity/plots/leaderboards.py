"""Leaderboards: skill in every block, and which mean ranks can be told apart."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb

from plasticity.plots.style import INK, WIDTH, Look, blank, looks, style

DIVERGING = LinearSegmentedColormap.from_list(
    "skill", [(*to_rgb("#d55e00"), 0.75), (0.5, 0.5, 0.5, 0.0), (*to_rgb("#0072b2"), 0.75)]
)
"""Orange: worse than never to learn; blue: carries over. Told apart by the colour-blind, and clear at 0."""


@style()
def skill_by_block(
    means: Mapping[str, Sequence[float]], blocks: Sequence[str], ax: Axes | None = None
) -> Axes:
    """A row per strategy, a column per block, its skill in it in words and in colour.

    Args:
        means: strategy -> skill in each block, the mean over its seeds; NaN: undefined, minus infinity: diverged.
        blocks: what each is called.
        ax: where; None: on a figure of its own.
    """
    values = np.array([*means.values()], float).reshape(len(means), len(blocks))
    ax = ax or blank(max(WIDTH, 150 + 74 * len(blocks)), 120 + 26 * len(means))
    clipped = np.where(np.isnan(values), np.nan, np.clip(values, -1, 1))
    ax.imshow(clipped, cmap=DIVERGING, vmin=-1, vmax=1, aspect="auto", interpolation="none")
    for (row, column), value in np.ndenumerate(values):
        words = f"{value:z.2f}"
        if not np.isfinite(value):
            words = "undefined" if np.isnan(value) else "diverged"
        ax.text(column, row, words, ha="center", va="center", size=10)
    ax.set_yticks(range(len(means)), [*means])
    ax.set_xticks(range(len(blocks)), blocks, rotation=30, ha="left", rotation_mode="anchor")
    ax.tick_params(length=0, labelcolor=INK, top=False, labeltop=True, labelbottom=False)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("skill (0: best frozen model, 1: ideal continual learner)")
    rows = (f"{s} {', '.join(f'{v:z.2f}' for v in row)}" for s, row in means.items())
    ax.set_label(f"skill in {', '.join(blocks)}: {'; '.join(rows)}")
    return ax


@style()
def critical_differences(
    ranks: Mapping[str, float],
    ties: Sequence[Sequence[str]],
    drawn: Mapping[str, Look] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Mean ranks on a line, 1 (the best) at the left; a bar joins those that are not told apart (Demšar 2006).

    Args:
        ranks: strategy -> its mean rank over blocks.
        ties: groups of strategies that no test tells apart.
        drawn: strategy -> its look; None: that of its spelling.
        ax: where; None: on a figure of its own.
    """
    drawn, order = drawn or looks(ranks), sorted(ranks, key=lambda s: ranks[s])
    shown = [group for group in ties if len(group) > 1]
    ax = ax or blank(WIDTH, 70 + 22 * len(order) + 14 * len(shown))
    below = len(order) + 0.7  # where the bars are, so that no line crosses a name
    bottom = below + 0.7 * len(shown)
    for row, strategy in enumerate(order):
        place, look = ranks[strategy], drawn[strategy]
        ax.plot([place, place], [row + 1, bottom], color=look.colour, linewidth=1)
        ax.plot([place], [row + 1], marker="o", color=look.colour, markersize=7)
        words = f"{strategy}  {place:.2f}"
        beside = {"xytext": (9, 0), "textcoords": "offset points", "va": "center"}
        ax.annotate(words, (place, row + 1), **beside)
    for nth, group in enumerate(shown):
        ends = [f([ranks[s] for s in group]) for f in (min, max)]
        height = below + 0.7 * nth + 0.35
        ax.plot(ends, [height] * 2, color=INK, linewidth=4, solid_capstyle="round")
    ax.set_xlim(0.8, max(len(order), *ranks.values()) + 0.2)
    ax.set_ylim(bottom + 0.1, 0.3)
    ax.set_yticks([])
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("mean rank by skill (1 is best); a bar joins what no test tells apart")
    told = "; ".join(f"{s} {ranks[s]:.2f}" for s in order)
    joined = "; ".join(" and ".join(group) for group in shown)
    ax.set_label(f"mean ranks: {told}. Not told apart: {joined or 'none'}")
    return ax
