"""Passes through networks, counted while strategies whose cost is known by their law learn."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch

from plasticity import Recipe, Strategy, recipe
from plasticity.core.learner import Spec
from plasticity.core.optimizer import AdamW
from plasticity.core.updates import Updates
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.passes import Passes
from plasticity.engine.prequential import Prequential
from plasticity.engine.pretrain_key import fresh_network
from plasticity.engine.trainer import fit
from plasticity.networks import MLP
from plasticity.results.store import Cell
from strategies import EvidenceMixture, Finetune, Frozen, LwF, Replay
from streams import Markov, Recurring

from ...strategies import tiny

STEPS, BATCH, TIME = 8, 4, 6


def walked(folder: Path, strategy: Recipe[Strategy], updates: Updates | None = None) -> list[float]:
    """Forward and backward passes of a run without a shift, for each that a prediction takes; stretches of 4 steps."""
    world = Recurring([Markov(3)], 2, period=STEPS, steps=STEPS, batch=BATCH, time=TIME, probe=2)
    spec = Spec(world.vocab, world.symbols, BATCH, TIME)
    network = fresh_network(recipe(MLP, width=8, depth=1), spec, 0)
    learner = OnlineLearner(network, strategy.build(), AdamW(1e-3), spec, updates=updates)
    cell = Cell(folder)
    fit(cell, Prequential(learner), StreamDataModule(world, 4), TrainerConfig(threads=1))
    timing = cell.timing.read()
    assert len(timing) == 2
    return [float(timing[k].sum()) / (STEPS * BATCH * TIME) for k in ("forward", "backward")]


@pytest.mark.parametrize(
    ("strategy", "updates", "forward", "backward"),
    [
        (recipe(Frozen), None, 1, 0),
        (recipe(Finetune), None, 1, 1),
        (recipe(Finetune), Updates(steps=3), 3, 3),  # the first pass is the prediction
        (recipe(Finetune), Updates(per="chunk", chunk=2), 2, 2),  # 2, 4 and 6 of 6 symbols
        (
            recipe(Replay, capacity=100),
            None,
            1 + 7 / 8,
            1 + 7 / 8,
        ),  # nothing is remembered at first
        (recipe(LwF), None, 1, 1),  # no shift, no teacher yet
    ],
)
def test_known_costs(
    tmp_path: Path,
    strategy: Recipe[Strategy],
    updates: Updates | None,
    forward: float,
    backward: float,
) -> None:
    assert walked(tmp_path, strategy, updates) == pytest.approx([forward, backward])


def test_a_mixture_pays_for_every_expert(tmp_path: Path) -> None:
    """The base, an average and the weights answer; a settled expert takes at most one step on each batch."""
    few = {"experts": 1, "unsettled": 0, "floor": 0.0, "share": 0.0}
    forward, backward = walked(tmp_path, recipe(EvidenceMixture, **few))
    assert 1 < backward + 1 < forward <= 3 + 1
    assert backward <= 1


def test_what_a_copy_of_the_network_says_counts_and_what_comes_after_does_not() -> None:
    made, data = tiny.learner(Strategy()), tiny.batch(0)
    counted = Passes(made)
    copied = deepcopy(made.network)
    logits = made.network(data.inputs)
    torch.autograd.grad(logits.sum(), [*made.network.parameters()], retain_graph=True)
    logits.sum().backward()
    with torch.no_grad():
        copied(data.inputs[:1])
        made.network.eager(data.inputs[:2])
    size = data.inputs.numel()
    assert counted.stop() == (size + size // 4 + size // 2, 2 * size)
    made.network(data.inputs)
    assert counted.stop() == (size + size // 4 + size // 2, 2 * size)
