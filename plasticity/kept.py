"""Kept: an experiment's networks and learners: pretrained, as they begin, and as they were at a last checkpoint."""

from collections.abc import Sequence
from typing import NamedTuple

import pytorch_lightning as pl
import torch

from plasticity import metrics
from plasticity.experiment import Contender, Experiment
from plasticity.forward import Forward
from plasticity.learner import Learner, Spec
from plasticity.network import Network
from plasticity.pretrain import fresh_network, gap, pretrained
from plasticity.recipes import Recipe
from plasticity.store import Cell
from plasticity.strategy import Strategy
from plasticity.stream import Stream
from plasticity.tunnel import Observer


class Left(NamedTuple):
    """A learner and the continual observer, as a checkpoint has them."""

    network: Network
    """What answers now, adapters and all."""
    step: int
    regime: int
    """The one that was live."""
    known: Observer | None
    """What could be known of this regime by then; None: the prior."""


def at_first(
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
    network.load_state_dict(weights)
    return network, gap(record)


def learner(
    experiment: Experiment, stream: Stream, network: Network, strategy: Recipe[Strategy]
) -> Learner:
    """Who learns from the stream, as the experiment has it; not attached yet.

    Args:
        experiment: whose optimizer, detector and updates.
        stream: its world, under the learner's own seed.
        network: whose weights move.
        strategy: what moves them.
    """
    return Learner(
        network,
        strategy.build(),
        experiment.optimizer.build(),
        Spec.of(stream),
        metrics.standard(),
        stream.seed,
        experiment.announce_shifts and experiment.detector is None,
        experiment.detector and experiment.detector.build(),
        experiment.updates,
        torch.from_numpy(stream.asked),
        stream.accepts,
    )


def at_last(experiment: Experiment, cell: Cell, contender: Contender) -> Left:
    """What the checkpoint of a cell holds.

    Args:
        experiment: what it is a cell of.
        cell: one that has a checkpoint.
        contender: the network and the strategy of the cell.
    """
    saved = torch.load(cell.checkpoint, map_location="cpu", weights_only=False)
    stream = experiment.stream.build(seed=cell.seed)
    network = fresh_network(contender.network, Spec.of(stream), cell.seed)
    made = learner(experiment, stream, network, contender.strategy)
    made.setup("fit")  # adapters come with it
    made.load_state_dict(saved["state_dict"])
    forward = Forward(stream, experiment.stretch)
    forward.load_state_dict(saved[Forward.__qualname__])
    last = cell.steps.read(["step", "regime"])[-1]
    regime = int(last["regime"][0])
    return Left(network, int(last["step"][0]) + 1, regime, forward.bracket.known(regime))
