"""Tunnels that ask at different positions in one stream: what is not asked is never learned from."""

from pathlib import Path
from typing import Any

import pytest
import torch

import strategies
from plasticity import Strategy
from plasticity.core.learner import Spec
from plasticity.core.optimizer import AdamW
from plasticity.core.tunnel import Batch
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.learner import Learner
from plasticity.engine.trainer import fit
from plasticity.metrics import standard
from plasticity.networks import MLP
from plasticity.results.store import Cell
from streams import Bijection, Markov, Padded, Recurring

STRATEGIES: list[type[Strategy]] = [getattr(strategies, name) for name in strategies.__all__]
STEPS = 16


class Mixed(Recurring):
    """A chain and a bijection by turns, in one alphabet; `junk` stands where no target is asked."""

    def __init__(self, junk: int):
        tunnels = [
            Padded(Markov(3, 0.5), vocab=9, symbols=4, length=6),
            Padded(Bijection(4, 3), vocab=9, symbols=4, length=5),
        ]
        super().__init__(tunnels, 2, 4, STEPS, batch=2, time=7, probe=2)
        self.junk = junk

    def __getitem__(self, index: int) -> Batch:
        batch = super().__getitem__(index)
        return batch._replace(targets=torch.where(batch.asked, batch.targets, self.junk))


def learned(strategy: Strategy, junk: int, folder: Path) -> dict[str, Any]:
    torch.manual_seed(0)
    world = Mixed(junk)
    spec = Spec(world.vocab, world.symbols, world.batch, world.time)
    asked = torch.from_numpy(world.asked)
    network = MLP(world.vocab, world.symbols, width=8, depth=1)
    learner = Learner(network, strategy, AdamW(0.01), spec, standard(), asked=asked)
    fit(
        Cell(folder),
        learner,
        StreamDataModule(world, STEPS, score_steps=False),
        TrainerConfig(threads=1),
    )
    return learner.network.state_dict()


@pytest.mark.parametrize("kind", STRATEGIES, ids=lambda cls: cls.__name__)
def test_what_is_not_asked_is_not_learned_from(
    kind: type[Strategy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "plasticity.observers.reference.SAMPLE", 512
    )  # of baselines that are not looked at
    one, other = (learned(kind(), junk, tmp_path / str(junk)) for junk in (0, 3))
    assert all(torch.isfinite(value).all() for value in one.values())
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_each_tunnel_asks_where_it_asks() -> None:
    world = Mixed(0)
    chain, pairs = world[0].asked.tolist(), world[4].asked.tolist()
    assert chain == [True] * 6 + [False]
    assert pairs == [True, False, True, False, True, False, False]
    assert world.asked.tolist() == chain
