"""Pictures that wandb is given at the end of a cell: skill bars, the probes as a heat map, the frontier."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
from matplotlib.axes import Axes

from plasticity.core.predictors import SHARES
from plasticity.metrics.frontier import points
from plasticity.metrics.visits import probed
from plasticity.plots.frontiers import frontier
from plasticity.plots.heat_maps import Heat, heat_map
from plasticity.plots.skill_bars import bars
from plasticity.plots.vector import standalone
from plasticity.results.store import Cell

SKILLS = {
    "whole stream": "skill",
    "first visits": "skill/first_visits",
    "returns": "skill/returns",
    "switching observer": "skill/switching",
}
"""Title of a bar -> formula id."""


def drawn(cell: Cell, summary: Mapping[str, Any]) -> dict[str, Any]:
    """`pictures/<name>` -> media of wandb, each an SVG that holds its data.

    Args:
        cell: whose probes and frontier are drawn; there is no frontier where none was recorded.
        summary: its final numbers.
    """
    import wandb

    return {
        f"pictures/{name}": wandb.Html(standalone(ax, name.replace("_", " "), data), inject=False)
        for name, ax, data in _pictures(cell, summary)
    }


def _pictures(
    cell: Cell, summary: Mapping[str, Any]
) -> Iterator[tuple[str, Axes, pl.DataFrame | None]]:
    skills = {title: summary.get(key) for title, key in SKILLS.items()}
    each = {title: [] if value is None else [float(value)] for title, value in skills.items()}
    frame = pl.DataFrame([(k, v) for k, v in skills.items()], ["of", "skill"], orient="row")
    yield "skill_bars", bars(each), frame
    held = probed(cell.probes.read())
    heat = Heat(held.at, held.regimes, held.bits)
    yield "probe_map", heat_map(heat, title=cell.name), heat.data
    known = points(cell.steps.read(), cell.probes.read(), cell.frontier.read())
    if known is not None:
        curve = known.curve.mean(0)
        data = pl.DataFrame({"share": SHARES, "live": curve[0], "fresh": curve[1]})
        yield "frontier", frontier({cell.label: [known.place]}, curve, SHARES), data
