"""Avalanche: its plugins as our strategies, our streams as its benchmarks.

The only file that imports `avalanche` (0.6, the extra `[avalanche]`), and only when it is used: the import takes
seconds, writes ~/.avalanche/config.json and replaces `torch.utils.data.Dataset.__add__`.
"""

import importlib
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset, default_collate

from plasticity.core.bounded import Count, Positive
from plasticity.core.errors import reason
from plasticity.core.learner import Learner
from plasticity.core.strategy import Strategy
from plasticity.core.stream import Stream
from plasticity.core.tunnel import IGNORE_INDEX, AnswerKey, Batch
from plasticity.integrations.avalanche_host import (
    Allowed,
    Criterion,
    Fresh,
    Host,
    admitted,
    completed,
    fenced,
    own_rows,
)
from plasticity.nn.reservoir import Reservoir

__all__ = ["AvalanchePlugin", "Criterion", "to_avalanche"]

BEGIN = ("before_training", "before_training_exp", "before_training_epoch")
PREDICTED = ("before_training_iteration", "before_forward", "after_forward")
LOSS = "before_backward"
BACKWARD = ("after_backward", "before_update")
UPDATED = ("after_update", "after_training_iteration")
END = ("after_training_epoch", "after_training_exp", "after_training")
REHEARSAL = "rehearsal"
EVENTS = (*BEGIN, *PREDICTED, LOSS, *BACKWARD, *UPDATED, *END, REHEARSAL)
STAND_IN = -1
"""Task label of the rows that a replaying loader mixes with the memory's, and we drop."""


class AvalanchePlugin(Strategy):
    """An unmodified plugin of Avalanche in our loop.

    An experience is the span between two shifts. Its sequences are learned from as they come; a uniform sample
    of them is the dataset that the plugin is given when it ends. Callbacks of an iteration surround each update:
    those up to `before_backward` run after the prediction, and what the plugin adds to the loss is our `penalty`.
    The criterion is the mean log loss per asked position, and every task label 0.

    The stream brings the batches. A plugin that installs a loader (Replay) gives what is remembered of a minibatch:
    at each update the first one of a fresh epoch, without the rows that stand in for new data. Loss: the mean
    over both. A-GEM's reference batch is the first of a fresh epoch over its memory, too. So there is no
    iterator to keep. At a shift what the plugin holds is copied, so that its memory holds its own rows only, and not
    the experiences that they are from. It holds objects, and a checkpoint is data: a cell that is cut off starts over.

    Definitions are Avalanche's: EWC squares the gradient of a minibatch's mean, so that what its strength means
    depends on the size of a batch; MAS takes the output's norm over time; RWalk needs `delta_t` updates in every
    experience, or divides 0 by 0. EWC (unless `mode: online`), A-GEM and GEM keep something of every experience:
    memory and the time of a step grow with the shifts, and the kit's check of bounded memory fails them; A-GEM
    stops after `sample_size` shifts. Replay keeps a group of each (`storage_policy: ReservoirSamplingBuffer`: none),
    and a shift takes ever longer. Cost per step: ours and the plugin's.

    Args:
        plugin: class of avalanche.training.plugins: AGEMPlugin, EWCPlugin, FromScratchTrainingPlugin, GEMPlugin,
            MASPlugin, RWalkPlugin or ReplayPlugin.
        arguments: of its constructor; a storage_policy by name. Where Avalanche has no default it is ours:
            ewc_lambda 0.4, patterns_per_experience 256, sample_size 256, memory_strength 0.5.
        samples: sequences of an experience that the plugin is given at most.
        lr: learning rate; null: the experiment's optimizer decides.

    Raises:
        ValueError: Avalanche is not installed; or the plugin, or an argument, cannot be hosted.
    """

    needs_shifts = True
    resumable = False

    def __init__(
        self,
        plugin: Allowed | str,
        arguments: Mapping[str, bool | int | float | str] | None = None,
        samples: Count = 256,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.plugin, self.arguments, self.samples = plugin, arguments, samples
        self.guest = _made(plugin, arguments or {})
        self.clock = _library("avalanche.training.plugins.clock").Clock()
        self.remembered = vars(self.guest)  # in plain sight of whoever weighs what a strategy holds
        self.host, self.begun = Host(self.clock), False
        core = _library("avalanche.core")
        self.heard = {e for e in EVENTS if _overrides(type(self.guest), e, core)}

    def attach(self, learner: Learner) -> None:
        """Allocate the sample of the experience."""
        self.host.learner = learner
        self.host.train_mb_size = learner.spec.batch if learner.updates.per == "batch" else 1
        self.recent = Reservoir(self.samples, learner.spec.time)

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
        """What the plugin adds: a penalty; or what turns the loss into the mean over new and remembered."""
        host, added = self.host, 0.0
        if not self.begun:
            self._begin(learner)
        targets = batch.targets.where(batch.asked, IGNORE_INDEX)
        host.mbatch = [batch.inputs, targets, torch.zeros(len(targets), dtype=torch.int64)]
        host.mb_output = logits
        self._fire(learner, *PREDICTED)
        if host.dataloader is not None:
            with self._hosting(learner, REHEARSAL):
                x, y, label = next(iter(host.dataloader))
            x, y = x[label != STAND_IN], y[label != STAND_IN]
            new, old = int((targets != IGNORE_INDEX).sum()), int((y != IGNORE_INDEX).sum())
            loss = learner.strategy.loss(learner, batch, logits)
            added = old / (new + old) * (host._criterion(learner.network(x), y) - loss)
        if LOSS in self.heard:
            with torch.no_grad():  # never 0, which Avalanche takes for a loss that is not there
                loss = learner.strategy.loss(learner, batch, logits).clamp_min(1e-30)
            host.loss = loss.clone()
            self._fire(learner, LOSS)
            added = added + (host.loss - loss)
        return added

    def project_gradients(self, learner: Learner) -> None:
        """The plugin may edit the gradients."""
        self._fire(learner, *BACKWARD)

    def after_step(self, learner: Learner) -> None:
        """The plugin may edit the weights, and the clock counts."""
        self._fire(learner, *UPDATED)

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Keep a uniform sample of the experience."""
        self.recent.add(batch, self.rng(learner))

    def on_shift(self, learner: Learner) -> None:
        """The experience ends and the next begins; nothing happens to one without a whole episode.

        Raises:
            ArithmeticError: the plugin divided by 0.
        """
        held, host = len(self.recent), self.host
        if not held or not self.begun:
            return
        x, y = self.recent.inputs[:held].clone(), self.recent.targets[:held]
        y, label = torch.where(learner.asked, y, IGNORE_INDEX), torch.zeros(held, dtype=torch.int64)
        kind = _library("avalanche.benchmarks.scenarios.dataset_scenario").DatasetExperience
        number, updates = self.clock.train_exp_counter, self.clock.train_exp_iterations
        host.experience = kind(dataset=_dataset(x, y, label), current_experience=number)
        self._fire(learner, *END)
        host.experience = None
        sound = all(p.isfinite().all() for p in learner.network.parameters())
        for name, values in self.remembered.items() if sound else ():
            for value in values.values() if isinstance(values, dict) else ():
                if not torch.as_tensor(getattr(value, "data", 0.0)).isfinite().all():
                    raise ArithmeticError(
                        f"{self.plugin}: {name} is not finite after an experience of {updates} updates"
                        "; RWalkPlugin needs `delta_t` updates in each"
                    )
        first = slice(host.train_mb_size)
        self._begin(learner, _dataset(x[first], y[first], label[first] + STAND_IN))
        self.recent.clear()
        self._let_go()

    def _let_go(self) -> None:
        """Of the experiences; what is remembered holds its own rows only."""
        guest = {k: v for k, v in self.remembered.items() if k != "buffer_dliter"}
        guest, self.host.dataloader = own_rows((guest, self.host.dataloader), _compact)
        self.remembered.update(guest)
        if "buffer_dataloader" in guest:
            self.remembered["buffer_dliter"] = Fresh(guest["buffer_dataloader"])

    def _begin(self, learner: Learner, stand_in: Any = None) -> None:
        """An experience begins; what it brings is not known yet."""
        self.host.adapted_dataset, self.host.dataloader, self.begun = stand_in, None, True
        self._fire(learner, *BEGIN)
        self.host.adapted_dataset = None

    def _fire(self, learner: Learner, *events: str) -> None:
        for event in events:
            if event in self.heard:
                with self._hosting(learner, event):
                    getattr(self.guest, event)(self.host)
            getattr(self.clock, event)(self.host)

    @contextmanager
    def _hosting(self, learner: Learner, event: str) -> Iterator[None]:
        """Chance is this update's own; training mode and parameter groups are afterwards as before."""
        network, training = learner.network, learner.network.training
        groups = [(group, group["params"]) for group in learner.optimizer.param_groups]
        with fenced(int(torch.randint(2**31, (), generator=self.rng(learner, event)))):
            yield
        if network.training != training:
            network.train(training)
        for group, params in groups:
            group["params"] = params


def to_avalanche(stream: Stream, tell_regimes: bool = False) -> Any:
    """The stream as a benchmark of Avalanche.

    An experience of train_stream is the span between two shifts, one of test_stream a probe. A sequence is
    (inputs, targets, task label), the first two of shape (time,). Targets are integers, IGNORE_INDEX where nothing is
    asked: train with `Criterion()`. All of it is made at once, and held.

    Args:
        stream: the world.
        tell_regimes: whether the task label is the regime; otherwise it is 0.

    Raises:
        ValueError: Avalanche is not installed.
        TypeError: the stream is endless.
    """
    kit = _library("avalanche.benchmarks.scenarios")

    def made(keyed: list[tuple[Batch, AnswerKey]]) -> Any:
        x, y = (torch.cat([getattr(b, k) for b, _ in keyed]) for k in ("inputs", "targets"))
        return _dataset(x, y, torch.cat([key.regime for _, key in keyed]) * tell_regimes)

    spans: list[list[tuple[Batch, AnswerKey]]] = []
    for step in range(len(stream)):
        if not step or stream.shifts(step):
            spans.append([])
        spans[-1].append(stream.keyed(step))
    probes = [made([probe]) for probe in stream.keyed_probes()]
    whole = kit.benchmark_from_datasets(train=[made(span) for span in spans], test=probes)
    return kit.with_task_labels(whole)


def _library(module: str) -> Any:
    """A module of Avalanche's; what it and its dependencies deprecate is their affair.

    Raises:
        ValueError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        text = "Avalanche is needed: pip install 'plasticity-testbed[avalanche]'"
        raise ValueError(f"{text} ({reason(error)})") from error


def _made(plugin: str, arguments: Mapping[str, Any]) -> Any:
    """The plugin itself.

    Raises:
        ValueError: it, or one of the arguments, cannot be hosted; or Avalanche is not installed.
    """
    admitted(plugin)
    cls = getattr(_library("avalanche.training.plugins"), plugin)
    takes = inspect.signature(cls).parameters
    given = completed(plugin, arguments, list(takes))
    try:
        if "storage_policy" in given:
            policy = getattr(_library("avalanche.training.storage_policy"), given["storage_policy"])
            size = given.get("mem_size", takes["mem_size"].default)
            given["storage_policy"] = policy(max_size=size)
        return cls(**given)
    except (AssertionError, TypeError, ValueError) as error:
        raise ValueError(f"arguments: {plugin} refuses them: {reason(error)}") from error


def _overrides(cls: type, event: str, core: Any) -> bool:
    """Whether a plugin does something at an event."""
    idle = [getattr(base, event, None) for base in (core.BaseSGDPlugin, core.SupervisedPlugin)]
    return getattr(cls, event, None) not in idle


def _dataset(*columns: Tensor) -> Any:
    """Avalanche's dataset of (inputs, targets, task label)."""
    utils = _library("avalanche.benchmarks.utils")
    if not columns:
        return utils.AvalancheDataset([])
    x, y, label = columns
    labels = utils.DataAttribute(label.tolist(), "targets_task_labels", use_in_getitem=True)
    return utils.AvalancheDataset([TensorDataset(x, y)], data_attributes=[labels])


def _compact(value: Any) -> Any:
    """Of a dataset, one of the rows that it still has; None of anything else."""
    if not isinstance(value, _library("avalanche.benchmarks.utils").AvalancheDataset):
        return None
    return _dataset(*(default_collate(list(value)) if len(value) else ()))
