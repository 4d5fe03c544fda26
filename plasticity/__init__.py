"""The plasticity testbed: continual learning at test time, in bits from the truth.

Everything a plugin author needs is here, and `load`, which reads what runs have stored. A name is imported when it
is first used, so that `import plasticity` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plasticity.detector import Detector
    from plasticity.experiment import Experiment
    from plasticity.hidden_units import Units, activations, dormancy, units
    from plasticity.learner import Learner, Spec
    from plasticity.linear_maps import Map, maps
    from plasticity.low_rank import Adapted, LowRank, adapt
    from plasticity.memory import Reservoir
    from plasticity.metric import Metric
    from plasticity.network import Network
    from plasticity.optimizer import Optimizer
    from plasticity.other_weights import elsewhere
    from plasticity.quantities import Count, Fraction, Natural, NonNegative, Positive
    from plasticity.recipes import Recipe, recipe
    from plasticity.results import load
    from plasticity.rows import gradient, shaped
    from plasticity.strategy import Rehearsal, Strategy
    from plasticity.stream import Stream
    from plasticity.tunnel import (
        UNASKED,
        Batch,
        Latents,
        Observer,
        Probabilities,
        Shown,
        Symbols,
        Tunnel,
    )
    from plasticity.updates import Updates

_HOMES = {
    "detector": "Detector",
    "other_weights": "elsewhere",
    "experiment": "Experiment",
    "learner": "Learner Spec",
    "low_rank": "Adapted LowRank adapt",
    "linear_maps": "Map maps",
    "memory": "Reservoir",
    "metric": "Metric",
    "network": "Network",
    "optimizer": "Optimizer",
    "quantities": "Count Fraction Natural NonNegative Positive",
    "recipes": "Recipe recipe",
    "results": "load",
    "rows": "gradient shaped",
    "strategy": "Rehearsal Strategy",
    "stream": "Stream",
    "tunnel": "UNASKED Batch Latents Observer Probabilities Shown Symbols Tunnel",
    "hidden_units": "Units activations dormancy units",
    "updates": "Updates",
}
"""Module -> the names that it gives to the package. Neither a module nor a folder here is called like one of them."""
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "UNASKED",
    "Adapted",
    "Batch",
    "Count",
    "Detector",
    "Experiment",
    "Fraction",
    "Latents",
    "Learner",
    "LowRank",
    "Map",
    "Metric",
    "Natural",
    "Network",
    "NonNegative",
    "Observer",
    "Optimizer",
    "Positive",
    "Probabilities",
    "Recipe",
    "Rehearsal",
    "Reservoir",
    "Shown",
    "Spec",
    "Strategy",
    "Stream",
    "Symbols",
    "Tunnel",
    "Units",
    "Updates",
    "activations",
    "adapt",
    "dormancy",
    "elsewhere",
    "gradient",
    "load",
    "maps",
    "recipe",
    "shaped",
    "units",
]


def __getattr__(name: str) -> Any:
    """Import the module that a name comes from (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
