"""Kept: networks as an experiment left them: pretrained, or as a learner was at its last checkpoint."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
import torch

from plasticity.experiment import Contender, Experiment
from plasticity.forward import Forward
from plasticity.learner import Learner, Spec
from plasticity.network import Network
from plasticity.pretrain import Key, fresh_network, pretrained
from plasticity.recipes import Recipe
from plasticity.store import Cell
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
) -> Network:
    """The network that the deploy phase of this seed begins with: pretrained, now if it never was.

    Args:
        experiment: whose pretraining.
        recipe: which of its networks.
        seed: of the run.
        callbacks: of Lightning, while it is pretrained.
    """
    spec, plan = _spec(experiment, seed), experiment.pretrain.of(recipe.cls)
    network = fresh_network(recipe, spec, seed)
    if plan.steps:
        key = Key(recipe, experiment.stream, plan, spec, plan.seeded(seed), experiment.hardware)
        weights, _ = pretrained(key, Path(experiment.out) / "pretrained", callbacks)
        network.load_state_dict(weights)
    return network


def at_last(experiment: Experiment, cell: Cell, contender: Contender) -> Left:
    """What the checkpoint of a cell holds.

    Args:
        experiment: what it is a cell of.
        cell: one that has a checkpoint.
        contender: the network and the strategy of the cell.
    """
    saved = torch.load(cell.checkpoint, map_location="cpu", weights_only=False)
    seed, strategy = cell.seed, contender.strategy.build()
    spec = _spec(experiment, seed)
    network, rule = fresh_network(contender.network, spec, seed), experiment.optimizer.build()
    stream = experiment.stream.build(seed=seed)
    asked = torch.from_numpy(stream.asked)
    learner = Learner(network, strategy, rule, spec, seed=seed, asked=asked)
    learner.setup("fit")  # adapters come with it
    learner.load_state_dict(saved["state_dict"])
    forward = Forward(stream, experiment.stretch)
    forward.load_state_dict(saved[Forward.__qualname__])
    last = cell.steps.read(["step", "regime"])[-1]
    regime = int(last["regime"][0])
    return Left(network, int(last["step"][0]) + 1, regime, forward.bracket.known(regime))


def _spec(experiment: Experiment, seed: int) -> Spec:
    stream = experiment.stream.build(seed=seed)
    return Spec(stream.vocab, stream.symbols, stream.batch, stream.time)
