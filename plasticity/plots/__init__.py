"""Pictures, in matplotlib: each takes data and an optional `ax` and returns the Axes; for page, notebook, paper, wandb.

    from plasticity import load, plots

    table = load("runs/quickstart/*").summary
    skills = {label: list(rows["skill"]) for (label,), rows in table.group_by("label", maintain_order=True)}
    plots.bars(skills).figure.savefig("skill.pdf")

A picture is drawn in a style context of ours: no pyplot, and the global rcParams stay as they are.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # X as X: what is exported, to a type checker of strangers (PEP 484)
    from plasticity.plots.belief_areas import beliefs as beliefs
    from plasticity.plots.frontiers import frontier as frontier
    from plasticity.plots.heat_maps import Heat as Heat
    from plasticity.plots.heat_maps import heat_map as heat_map
    from plasticity.plots.insides import attention_maps as attention_maps
    from plasticity.plots.insides import beside as beside
    from plasticity.plots.leaderboards import critical_differences as critical_differences
    from plasticity.plots.leaderboards import skill_by_block as skill_by_block
    from plasticity.plots.lines import Curve as Curve
    from plasticity.plots.lines import Span as Span
    from plasticity.plots.lines import averaged as averaged
    from plasticity.plots.lines import curves as curves
    from plasticity.plots.matrices import distance_moved as distance_moved
    from plasticity.plots.matrices import probability_rows as probability_rows
    from plasticity.plots.over_time import bits_over_time as bits_over_time
    from plasticity.plots.over_time import windowed as windowed
    from plasticity.plots.proposals import bits_by_draws as bits_by_draws
    from plasticity.plots.skill_bars import bars as bars
    from plasticity.plots.style import Look as Look
    from plasticity.plots.style import looks as looks
    from plasticity.plots.vector import inline as inline
    from plasticity.plots.vector import standalone as standalone
    from plasticity.plots.worlds import anomalies_needed as anomalies_needed
    from plasticity.plots.worlds import conversation_start as conversation_start
    from plasticity.plots.worlds import ladder_rung as ladder_rung
    from plasticity.plots.worlds import law_odds as law_odds

_HOMES = {
    "belief_areas": "beliefs",
    "frontiers": "frontier",
    "heat_maps": "Heat heat_map",
    "insides": "attention_maps beside",
    "leaderboards": "critical_differences skill_by_block",
    "lines": "Curve Span averaged curves",
    "matrices": "distance_moved probability_rows",
    "over_time": "bits_over_time windowed",
    "proposals": "bits_by_draws",
    "skill_bars": "bars",
    "style": "Look looks",
    "vector": "inline standalone",
    "worlds": "anomalies_needed conversation_start ladder_rung law_odds",
}
"""Module -> the names that it gives to the package; imported when first used, for matplotlib takes a while."""
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Import the module that a name comes from (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
