"""The plasticity testbed: continual learning at test time, in bits from the truth.

Everything a plugin author needs is here.
"""

from plasticity.detector import Detector
from plasticity.elsewhere import elsewhere
from plasticity.experiment import Experiment
from plasticity.learner import Learner, Spec
from plasticity.low_rank import Adapted, LowRank, adapt
from plasticity.maps import Map, maps
from plasticity.memory import Reservoir
from plasticity.metric import Metric
from plasticity.network import Network
from plasticity.optimizer import Optimizer
from plasticity.quantities import Count, Fraction, Natural, NonNegative, Positive
from plasticity.recipe import Recipe, recipe
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
from plasticity.units import Units, activations, dormancy, units
from plasticity.updates import Updates

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
    "maps",
    "recipe",
    "shaped",
    "units",
]
