"""Restoring: networks and learners of an experiment, pretrained, at the beginning, or from a checkpoint."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch

from plasticity.config.recipe import Recipe
from plasticity.core.learner import Spec
from plasticity.core.network import Network
from plasticity.core.strategy import Strategy
from plasticity.core.stream import Stream
from plasticity.core.tunnel import Observer
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential
from plasticity.engine.pretrain import gap, pretrained
from plasticity.engine.pretrain_key import WEIGHTS, fresh_network
from plasticity.engine.trainer import SealedCheckpoints, read_checkpoint
from plasticity.launch.experiment import CellSpec, Experiment
from plasticity.results.sealed import Damaged
from plasticity.results.shapes import fitting
from plasticity.results.store import OVER, Cell


class Restored(NamedTuple):
    """A learner and the continual observer, as a checkpoint has them."""

    learner: OnlineLearner
    """Its strategy answers now, adapters and all."""
    step: int
    regime: int
    """The one that was live."""
    known: Observer | None
    """What could be known of this regime by then; None: the prior."""


def pretrained_network(
    experiment: Experiment,
    recipe: Recipe[Network],
    seed: int,
    callbacks: Sequence[pl.Callback] = (),
) -> tuple[Network, float | None]:
    """The network that the deploy phase of this seed begins with: pretrained, now if it never was.

    Args:
        experiment: whose pretraining.
        recipe: which of its networks.
        seed: of the run.
        callbacks: of Lightning, while it is pretrained.

    Returns:
        (network, its distance from the amnesic observer in bits; None: it is not pretrained).
    """
    key = experiment.pretraining(recipe, seed)
    network = fresh_network(recipe, key.spec, seed)
    if not key.plan.steps:
        return network, None
    weights, record = pretrained(key, experiment.pretrained, callbacks)
    with (
        record.remedied(),
        fitting(record.path / WEIGHTS, f"the weights of this {recipe.cls.__name__}"),
    ):
        network.load_state_dict(weights)
    return network, gap(record)


def loop(
    experiment: Experiment, stream: Stream, network: Network, strategy: Recipe[Strategy]
) -> Prequential:
    """The loop with the learner in it, as the experiment has them; the strategy is not attached yet.

    Args:
        experiment: whose optimizer, detector and updates.
        stream: its world, under the learner's own seed.
        network: whose weights move.
        strategy: what moves them.
    """
    learner = OnlineLearner(
        network,
        strategy.build(),
        experiment.optimizer.build(),
        Spec.of(stream),
        stream.seed,
        experiment.updates,
        torch.from_numpy(stream.asked),
        stream.is_correct,
    )
    detector = experiment.detector and experiment.detector.build()
    return Prequential(learner, experiment.announce_shifts and detector is None, detector)


def check(cell: Cell, stretch: int, steps: int | None, resumable: bool) -> SealedCheckpoints:
    """Let a cell begin where its checkpoint lies, or anew where there is none from which it could go on.

    Args:
        cell: begun.
        stretch: steps between checkpoints.
        steps: of the stream; None: without end.
        resumable: whether a checkpoint holds all that its strategy remembers.

    Returns:
        what reads the checkpoint for `fit`; its bytes have been read by now.

    Raises:
        Damaged: the checkpoint, or the record of a step before it, is missing or not as it was written.
    """
    if not (resumable and cell.checkpoint.exists()):
        cell.start_over()
        return SealedCheckpoints(cell)
    saved = read_checkpoint(cell)
    done = learned(saved, stretch, steps)
    if cell.recorded()[:done] != list(range(done)):
        text = (
            f"the checkpoint has learned from {done} steps, and not all of them are in this table"
        )
        raise Damaged(cell.steps.folder, text, OVER.format(cell.path))
    return SealedCheckpoints(cell, saved)


def learned(saved: Mapping[str, Any], stretch: int, steps: int | None) -> int:
    """How many steps a checkpoint has learned from.

    Args:
        saved: of `read_checkpoint`.
        stretch: steps between checkpoints.
        steps: of the stream; None: without end.
    """
    done = (saved["epoch"] + 1) * stretch
    return min(done, steps or done)


def from_checkpoint(experiment: Experiment, cell: Cell, contender: CellSpec) -> Restored:
    """What the checkpoint of a cell holds.

    Args:
        experiment: what it is a cell of.
        cell: one that has a checkpoint.
        contender: the network and the strategy of the cell.

    Raises:
        Damaged: the checkpoint, or a table, is not as it was written.
    """
    saved = read_checkpoint(cell)
    stream = experiment.stream.build(seed=cell.seed)
    network = fresh_network(contender.network, Spec.of(stream), cell.seed)
    module = loop(experiment, stream, network, contender.strategy)
    module.learner.attach()  # adapters come with it
    data = StreamDataModule(stream, experiment.stretch)
    done = learned(saved, experiment.stretch, stream.steps)
    with cell.remedied(), fitting(cell.checkpoint, "the state of this learner"):
        module.load_state_dict(saved["state_dict"])
        data.load_state_dict(saved[StreamDataModule.__qualname__])
        regime = int(cell.steps.read(["regime"])["regime"][done - 1])
        return Restored(module.learner, done, regime, data.reference.known(regime))
