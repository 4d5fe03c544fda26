"""The plasticity testbed: continual learning at test time, in bits from the truth.

Everything a plugin author needs is here, and `load`, which reads what runs have stored. A name is imported when it
is first used, so that `import plasticity` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plasticity.config.plugins import discover
    from plasticity.config.recipe import Recipe, recipe
    from plasticity.core.bounded import Count, Fraction, Natural, NonNegative, Positive
    from plasticity.core.detector import Detector
    from plasticity.core.errors import did_you_mean, reason
    from plasticity.core.learner import Learner, Prediction, Spec
    from plasticity.core.logger import Logger
    from plasticity.core.network import Network
    from plasticity.core.optimizer import Optimizer
    from plasticity.core.strategy import Rehearsal, Strategy
    from plasticity.core.stream import (
        BATCH,
        EPISODE,
        LATENT,
        PROBE,
        PROBED,
        SCHEDULE,
        Belief,
        Group,
        Hold,
        Stream,
    )
    from plasticity.core.tunnel import (
        IGNORE_INDEX,
        AnswerKey,
        Batch,
        Hypotheses,
        InputEvidence,
        Latents,
        Observer,
        Probabilities,
        Symbols,
        Tunnel,
    )
    from plasticity.core.updates import Updates
    from plasticity.launch.experiment import Experiment
    from plasticity.launch.in_python import run
    from plasticity.metrics.formula import Entry, formula
    from plasticity.metrics.gravity import LawChange, law_change
    from plasticity.metrics.regret import code_length
    from plasticity.metrics.visits import probed
    from plasticity.nn.averaged_adam import AveragedAdam
    from plasticity.nn.belief import even_belief, sequence_evidence, shared_belief
    from plasticity.nn.hidden_units import HiddenUnits, activations, dormancy, hidden_units
    from plasticity.nn.linear_inputs import LinearMap, linear_maps
    from plasticity.nn.low_rank import Adapted, LowRank, add_adapters
    from plasticity.nn.parameters import (
        gradient_vector,
        logits_with,
        tensors_to_vector,
        vector_to_tensors,
    )
    from plasticity.nn.reservoir import CAPACITY, Reservoir
    from plasticity.observers.conjugate import (
        DirichletObserver,
        Draws,
        Explanation,
        FiniteObserver,
        Format,
        FormattedObserver,
        KnownObserver,
        RecallObserver,
        chain,
        log,
        normalise,
    )
    from plasticity.observers.episodes import memory_cap
    from plasticity.results.load import load
    from plasticity.results.table import Table

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
