"""The plasticity testbed: continual learning at test time, in bits from the truth.

Everything a plugin author needs is here, and `load`, which reads what runs have stored. A name is imported when it
is first used, so that `import plasticity` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # X as X: what is exported, to a type checker of strangers (PEP 484)
    from plasticity.config.plugins import discover as discover
    from plasticity.config.recipe import Recipe as Recipe
    from plasticity.config.recipe import recipe as recipe
    from plasticity.core.bounded import Count as Count
    from plasticity.core.bounded import Fraction as Fraction
    from plasticity.core.bounded import Natural as Natural
    from plasticity.core.bounded import NonNegative as NonNegative
    from plasticity.core.bounded import Positive as Positive
    from plasticity.core.detector import Detector as Detector
    from plasticity.core.errors import did_you_mean as did_you_mean
    from plasticity.core.errors import reason as reason
    from plasticity.core.learner import Learner as Learner
    from plasticity.core.learner import Prediction as Prediction
    from plasticity.core.learner import Spec as Spec
    from plasticity.core.logger import Logger as Logger
    from plasticity.core.network import Network as Network
    from plasticity.core.optimizer import Optimizer as Optimizer
    from plasticity.core.strategy import Rehearsal as Rehearsal
    from plasticity.core.strategy import Strategy as Strategy
    from plasticity.core.stream import BATCH as BATCH
    from plasticity.core.stream import EPISODE as EPISODE
    from plasticity.core.stream import LATENT as LATENT
    from plasticity.core.stream import PROBE as PROBE
    from plasticity.core.stream import PROBED as PROBED
    from plasticity.core.stream import SCHEDULE as SCHEDULE
    from plasticity.core.stream import Belief as Belief
    from plasticity.core.stream import Group as Group
    from plasticity.core.stream import Hold as Hold
    from plasticity.core.stream import Stream as Stream
    from plasticity.core.tunnel import IGNORE_INDEX as IGNORE_INDEX
    from plasticity.core.tunnel import AnswerKey as AnswerKey
    from plasticity.core.tunnel import Batch as Batch
    from plasticity.core.tunnel import Hypotheses as Hypotheses
    from plasticity.core.tunnel import InputEvidence as InputEvidence
    from plasticity.core.tunnel import Latents as Latents
    from plasticity.core.tunnel import Observer as Observer
    from plasticity.core.tunnel import Probabilities as Probabilities
    from plasticity.core.tunnel import Symbols as Symbols
    from plasticity.core.tunnel import Tunnel as Tunnel
    from plasticity.core.updates import Updates as Updates
    from plasticity.launch.experiment import Experiment as Experiment
    from plasticity.launch.in_python import run as run
    from plasticity.metrics.formula import Entry as Entry
    from plasticity.metrics.formula import formula as formula
    from plasticity.metrics.gravity import LawChange as LawChange
    from plasticity.metrics.gravity import law_change as law_change
    from plasticity.metrics.regret import code_length as code_length
    from plasticity.metrics.visits import probed as probed
    from plasticity.nn.averaged_adam import AveragedAdam as AveragedAdam
    from plasticity.nn.belief import even_belief as even_belief
    from plasticity.nn.belief import sequence_evidence as sequence_evidence
    from plasticity.nn.belief import shared_belief as shared_belief
    from plasticity.nn.hidden_units import HiddenUnits as HiddenUnits
    from plasticity.nn.hidden_units import activations as activations
    from plasticity.nn.hidden_units import dormancy as dormancy
    from plasticity.nn.hidden_units import hidden_units as hidden_units
    from plasticity.nn.linear_inputs import LinearMap as LinearMap
    from plasticity.nn.linear_inputs import linear_maps as linear_maps
    from plasticity.nn.low_rank import Adapted as Adapted
    from plasticity.nn.low_rank import LowRank as LowRank
    from plasticity.nn.low_rank import add_adapters as add_adapters
    from plasticity.nn.parameters import gradient_vector as gradient_vector
    from plasticity.nn.parameters import logits_with as logits_with
    from plasticity.nn.parameters import tensors_to_vector as tensors_to_vector
    from plasticity.nn.parameters import vector_to_tensors as vector_to_tensors
    from plasticity.nn.readout_filters import ReadoutFilters as ReadoutFilters
    from plasticity.nn.readout_filters import conditioned as conditioned
    from plasticity.nn.reservoir import CAPACITY as CAPACITY
    from plasticity.nn.reservoir import Reservoir as Reservoir
    from plasticity.observers.conjugate import DirichletObserver as DirichletObserver
    from plasticity.observers.conjugate import Draws as Draws
    from plasticity.observers.conjugate import Explanation as Explanation
    from plasticity.observers.conjugate import FiniteObserver as FiniteObserver
    from plasticity.observers.conjugate import Format as Format
    from plasticity.observers.conjugate import FormattedObserver as FormattedObserver
    from plasticity.observers.conjugate import KnownObserver as KnownObserver
    from plasticity.observers.conjugate import RecallObserver as RecallObserver
    from plasticity.observers.conjugate import chain as chain
    from plasticity.observers.conjugate import log as log
    from plasticity.observers.conjugate import normalise as normalise
    from plasticity.observers.episodes import memory_cap as memory_cap
    from plasticity.results.load import load as load
    from plasticity.results.table import Table as Table

_HOMES = {
    "config.plugins": "discover",
    "config.recipe": "Recipe recipe",
    "core.bounded": "Count Fraction Natural NonNegative Positive",
    "core.detector": "Detector",
    "core.errors": "did_you_mean reason",
    "core.learner": "Learner Prediction Spec",
    "core.logger": "Logger",
    "core.network": "Network",
    "core.optimizer": "Optimizer",
    "core.strategy": "Rehearsal Strategy",
    "core.stream": "BATCH EPISODE LATENT PROBE PROBED SCHEDULE Belief Group Hold Stream",
    "core.tunnel": "IGNORE_INDEX AnswerKey Batch Hypotheses InputEvidence Latents Observer Probabilities Symbols "
    "Tunnel",
    "core.updates": "Updates",
    "launch.experiment": "Experiment",
    "launch.in_python": "run",
    "metrics.formula": "Entry formula",
    "metrics.gravity": "LawChange law_change",
    "metrics.regret": "code_length",
    "metrics.visits": "probed",
    "nn.averaged_adam": "AveragedAdam",
    "nn.belief": "even_belief sequence_evidence shared_belief",
    "nn.hidden_units": "HiddenUnits activations dormancy hidden_units",
    "nn.linear_inputs": "LinearMap linear_maps",
    "nn.low_rank": "Adapted LowRank add_adapters",
    "nn.parameters": "gradient_vector logits_with tensors_to_vector vector_to_tensors",
    "nn.readout_filters": "ReadoutFilters conditioned",
    "nn.reservoir": "CAPACITY Reservoir",
    "observers.conjugate": "DirichletObserver Draws Explanation FiniteObserver Format FormattedObserver "
    "KnownObserver RecallObserver chain log normalise",
    "observers.episodes": "memory_cap",
    "results.load": "load",
    "results.table": "Table",
}
"""Module -> the names that it gives to the package. Neither a module nor a folder here is called like one of them."""
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Import the module that a name comes from (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
