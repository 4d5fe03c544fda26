"""Host of Avalanche's plugins: which are admitted, and what isolates them. Imports none of it."""

import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity.core.errors import did_you_mean
from plasticity.core.learner import Learner
from plasticity.core.tunnel import IGNORE_INDEX

Allowed = Literal[
    "AGEMPlugin",
    "EWCPlugin",
    "FromScratchTrainingPlugin",
    "GEMPlugin",
    "MASPlugin",
    "RWalkPlugin",
    "ReplayPlugin",
]
ALLOWED: dict[str, dict[str, Any]] = {
    "AGEMPlugin": {"patterns_per_experience": 256, "sample_size": 256},
    "EWCPlugin": {"ewc_lambda": 0.4},
    "FromScratchTrainingPlugin": {},
    "GEMPlugin": {"patterns_per_experience": 256, "memory_strength": 0.5},
    "MASPlugin": {},
    "RWalkPlugin": {},
    "ReplayPlugin": {"storage_policy": "ExperienceBalancedBuffer"},
}
"""What may be hosted, and values of arguments that Avalanche has no default for, or none that YAML can hold."""
REFUSED = {
    "BiCPlugin": "it asks torch's MultiStepLR for `verbose`, which is gone",
    "CWRStarPlugin": "it consolidates the head class by class, and a sequence has no class here",
    "DER": "it is a strategy that replaces the training epoch, and no plugin",
    "ExpertGateStrategy": "it is no plugin; and it asks torch's MultiStepLR for `verbose`, which is gone",
    "GDumbPlugin": "it replaces the model and the data before training, and balances classes, which sequences lack",
    "GSS_greedyPlugin": "it casts symbols to real numbers",
    "LFLPlugin": "it needs one of Avalanche's own models, with get_features",
    "LwFPlugin": "it gathers an experience's labels in a set, and fails where a label is a sequence",
    "MIRPlugin": "it needs one class per sequence, and never replays where classes recur",
    "RARPlugin": "it keeps iterators, which no checkpoint can hold",
    "SynapticIntelligencePlugin": "on a CPU it does nothing and does not say so: the old weights that it keeps "
    "are views of the live ones, so that every importance is 0",
}
SILENT = {
    "batch_size": "the stream makes the batches",
    "task_balanced_dataloader": "no task is told from another here",
}
"""Arguments that would do nothing."""
POLICIES = ("ExperienceBalancedBuffer", "ReservoirSamplingBuffer")


def admitted(plugin: str) -> None:
    """Nothing happens if this plugin may be hosted.

    Raises:
        ValueError: it may not; the message says why.
    """
    if plugin in REFUSED:
        raise ValueError(f"plugin: {plugin} cannot be hosted: {REFUSED[plugin]}")
    if plugin not in ALLOWED:
        near = did_you_mean(plugin, [*ALLOWED, *REFUSED])
        raise ValueError(
            f"plugin: nobody has tried to host {plugin!r}.{near} Known: {', '.join(ALLOWED)}"
        )


def completed(plugin: str, given: Mapping[str, Any], takes: Sequence[str]) -> dict[str, Any]:
    """The arguments of a plugin, ours filled in.

    Args:
        plugin: name of its class.
        given: by the user.
        takes: parameters of its constructor.

    Raises:
        ValueError: one is unknown to it, or would do nothing.
    """
    names = [name for name in takes if name not in SILENT]
    for name in given:
        if name in takes and name in SILENT:
            raise ValueError(f"arguments: {name} would do nothing: {SILENT[name]}")
        if name not in takes:
            near = did_you_mean(name, names)
            known = f"{plugin} takes: {', '.join(names) or 'nothing'}"
            raise ValueError(f"arguments: unknown key {name!r}.{near} {known}")
    whole = ALLOWED[plugin] | dict(given)
    policy = whole.get("storage_policy", POLICIES[0])
    if policy not in POLICIES:
        raise ValueError(
            f"arguments: storage_policy: expected {' or '.join(POLICIES)}, got {policy!r}"
        )
    return whole


class Criterion(nn.Module):
    """Mean log loss per asked position, in nats: what a strategy of Avalanche must be given, too."""

    reduction = "mean"

    def forward(
        self, logits: Float[Tensor, "batch time symbols"], targets: Int[Tensor, "batch time"]
    ) -> Float[Tensor, ""]:
        """Targets that are IGNORE_INDEX do not count."""
        loss = nn.functional.cross_entropy
        return loss(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE_INDEX)


class Host:
    """What a plugin takes for its strategy: our learner, under Avalanche's names.

    Args:
        clock: Avalanche's counter of iterations and experiences.
    """

    learner: Learner
    train_mb_size: int
    mbatch: list[Tensor]
    """Inputs, targets, and task labels that are all 0: which regime is live is hidden."""
    mb_output: Tensor
    loss: Tensor
    model = property(lambda self: self.learner.network)
    optimizer = property(lambda self: self.learner.optimizer)
    device = property(lambda self: self.learner.device.type)
    """A string: Avalanche's guards compare it with "cuda", which a torch.device never equals."""
    mb_x = property(lambda self: self.mbatch[0])
    mb_y = property(lambda self: self.mbatch[1])
    mb_task_id = property(lambda self: self.mbatch[2])

    def __init__(self, clock: Any):
        self.clock, self._criterion = clock, Criterion()
        self.experience: Any = None
        self.adapted_dataset: Any = None
        self.dataloader: Any = None
        self.is_training, self.train_epochs, self.evaluator = True, 1, None

    def criterion(self) -> Float[Tensor, ""]:
        """Loss on the batch."""
        return self._criterion(self.mb_output, self.mb_y)


@contextmanager
def fenced(seed: int) -> Iterator[None]:
    """Global chance starts at the seed, and is afterwards as before: Python's, NumPy's and torch's.

    So are the filters of warnings. Warnings of deprecation are dropped, all others are passed on.
    """
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    try:
        with warnings.catch_warnings(record=True) as told:
            yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
    for each in told:
        if not issubclass(each.category, DeprecationWarning):
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)


class Fresh:
    """An iterator over the first items of ever fresh passes: it has no place that must be saved.

    Args:
        loader: what is passed over.
    """

    def __init__(self, loader: Any):
        self.loader = loader

    def __next__(self) -> Any:
        """The first item of a pass."""
        return next(iter(self.loader))


def own_rows(tree: Any, compact: Callable[[Any], Any]) -> Any:
    """A copy of what a plugin holds, in which a dataset is the rows that it still has, and a tensor its values.

    Args:
        tree: of mappings, lists and objects; what is there twice comes back twice.
        compact: from a dataset to one of its own rows; of anything else: None.
    """
    copies = dict[int, Any]()

    def look(value: Any, seen: set[int]) -> None:
        if id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, Tensor):
            copies[id(value)] = value.detach().clone()
        elif isinstance(value, Mapping | list | tuple | set):
            for each in value.values() if isinstance(value, Mapping) else value:
                look(each, seen)
        elif (rows := compact(value)) is not None:
            copies[id(value)] = rows
        elif hasattr(value, "__dict__"):
            look(vars(value), seen)

    look(tree, set())
    return deepcopy(tree, copies)
