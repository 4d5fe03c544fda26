"""Every strategy on every network, through the real Trainer: finite, and what should move does move."""

from pathlib import Path

import numpy as np
import pytest
import torch

import strategies
from plasticity import Network, Strategy, Stream, networks
from plasticity.config.recipe import Recipe, parameters
from plasticity.core.learner import Spec
from plasticity.core.optimizer import AdamW
from plasticity.engine import scorer as metrics
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.learner import Learner
from plasticity.engine.trainer import fit
from plasticity.results.store import Cell
from streams import Markov, Recurring

STRATEGIES: list[type[Strategy]] = [getattr(strategies, name) for name in strategies.__all__]
NETWORKS: list[type[Network]] = [getattr(networks, name) for name in networks.__all__]
SMALL = {"width": 8, "depth": 1, "heads": 2, "hidden": 8, "state": 4}
"""Sizes that make a network tiny, where it has such an argument."""
STEPS = 20


def tiny_world() -> Stream:
    """Two regimes in turn, five steps a visit."""
    return Recurring([Markov(3, 0.5)], regimes=2, period=5, steps=STEPS, batch=2, time=6, probe=2)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda cls: cls.__name__)
def test_every_strategy_walks_with_every_network(
    strategy: type[Strategy], network: type[Network], tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    stream = tiny_world()
    spec = Spec(stream.vocab, stream.symbols, stream.batch, stream.time)
    sizes = {k: v for k, v in SMALL.items() if k in parameters(network)}
    net = Recipe(network, sizes).build(vocab=spec.vocab, symbols=spec.symbols)
    learner = Learner(net, strategy(), AdamW(lr=0.01), spec, metrics.standard())
    inputs = stream[0].inputs
    with torch.no_grad():
        before = net(inputs)
    cell = Cell(tmp_path)

    fit(cell, learner, StreamDataModule(stream, stretch=STEPS), TrainerConfig(threads=1))

    steps = cell.steps.read()
    scores = steps.select([c for c in steps.columns if "/" in c]).to_numpy()
    assert scores.shape[0] == STEPS and scores.shape[1] > 0
    assert np.isfinite(scores).all()
    assert all(torch.isfinite(v).all() for v in learner.state_dict().values())
    with torch.no_grad():
        after = net(inputs)
    assert torch.equal(before, after) == (strategy is strategies.Frozen)
