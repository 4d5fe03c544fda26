"""Beliefs: which regime a strategy takes to be live at each step, beside the regime that is."""

from collections.abc import Iterable

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from plasticity.core.predictors import BELIEF
from plasticity.plots.over_time import POINTS, ribbons, spans
from plasticity.plots.style import COLOURS, LINE, PAPER, WIDTH, blank, key, key_height, style

COLUMNS = ("step", "regime", "shift")
"""Of a step table, what is needed beside its beliefs."""
LEAST = 0.05
"""What is never believed more than that is drawn, and has no name in the legend."""


def columns(names: Iterable[str]) -> list[str]:
    """The columns of beliefs among those of a step table, the pretrained network's first; none: it has none."""
    return [name for name in names if name.startswith(BELIEF)]


def windows(table: pl.DataFrame) -> pl.DataFrame:
    """What is drawn of a step table with `COLUMNS` and beliefs: means over windows, `POINTS` of them at most."""
    width = -(-len(table) // POINTS)
    means = pl.col(columns(table.columns)).mean()
    every = table.group_by(pl.col("step") // width, maintain_order=True)
    found = every.agg(
        pl.col("step").first().alias("from"), pl.first("regime"), pl.any("shift"), means
    )
    return found.drop("step").rename({"from": "step"})


@style()
def beliefs(table: pl.DataFrame, title: str = "", ax: Axes | None = None) -> Axes:
    """Stacked areas that fill the height: the probability of the pretrained network, and of each expert of a regime.

    Of a long stream, means over windows.

    Args:
        table: the step table of one seed, with `COLUMNS` and its beliefs.
        title: above it.
        ax: where; None: on a figure of its own.
    """
    drawn = windows(table)
    shares = drawn.select(columns(drawn.columns)).to_numpy().T
    names = ["pretrained", *(f"expert {i}" for i in range(1, len(shares)))]
    shown = [i for i, share in enumerate(shares) if share.max(initial=0.0) > LEAST]
    ax = ax or blank(WIDTH, 150 + key_height([names[i] for i in shown], WIDTH - 80))
    colours = [LINE, *(COLOURS[i % len(COLOURS)] for i in range(len(shares) - 1))]
    edges, last = np.append(drawn["step"], table["step"][-1] + 1), shares[:, -1:]
    areas = ax.stackplot(
        edges, np.hstack([shares, last]), colors=colours, step="post", edgecolor=PAPER, linewidth=0
    )
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0, 1)
    ax.set_yticks([0, 0.5, 1])
    ax.set_xlabel("stream step")
    ax.set_ylabel("probability")
    live = spans(table)
    ribbons(ax, {"": live})
    if title:
        ax.set_title(title, pad=20)
    key(ax, {names[i]: areas[i] for i in shown})
    means = np.nan_to_num(shares.mean(1))
    told = "; ".join(f"{names[i]} {means[i]:.2f}" for i in shown)
    ax.set_label(f"which regime {title} takes to be live over {len(live)} visits, means: {told}")
    return ax
