"""The plasticity testbed: continual learning at test time, in bits from the truth.

Everything a plugin author needs is here.
"""

from plasticity.detector import Detector
from plasticity.experiment import Experiment
from plasticity.learner import Learner, Spec
from plasticity.memory import Reservoir
from plasticity.metric import Metric
from plasticity.network import Network
from plasticity.optimizer import Optimizer
from plasticity.quantities import Count, Fraction, Natural, NonNegative, Positive
from plasticity.recipe import Recipe, recipe
from plasticity.strategy import Strategy
from plasticity.stream import Stream
from plasticity.tunnel import Batch, Latents, Observer, Probabilities, Symbols, Tunnel
from plasticity.updates import Updates

__all__ = [
    "Batch",
    "Count",
    "Detector",
    "Experiment",
    "Fraction",
    "Latents",
    "Learner",
    "Metric",
    "Natural",
    "Network",
    "NonNegative",
    "Observer",
    "Optimizer",
    "Positive",
    "Probabilities",
    "Recipe",
    "Reservoir",
    "Spec",
    "Strategy",
    "Stream",
    "Symbols",
    "Tunnel",
    "Updates",
    "recipe",
]
