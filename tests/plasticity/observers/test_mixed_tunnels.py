"""Tunnels that ask at different positions in one stream: every strategy goes through, and learns from no other."""

from pathlib import Path

import numpy as np
import pytest
import torch

import strategies
from plasticity import AnswerKey, Batch, Recipe, Strategy, discover
from plasticity.checks.chance import difference
from plasticity.core.learner import Spec
from plasticity.core.optimizer import AdamW
from plasticity.core.tunnel import IGNORE_INDEX
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential
from plasticity.engine.trainer import fit
from plasticity.networks import MLP
from plasticity.results.store import Cell
from streams import Bijection, Markov, Padded, Recurring

from ...sizes import subjects

STRATEGIES = subjects(discover(strategies.__name__), Strategy)
STEPS = 12


class Mixed(Recurring):
    """A chain and a bijection by turns, in one alphabet; `junk` stands in the answer key where nothing is asked."""

    def __init__(self, junk: int | None = None):
        tunnels = [
            Padded(Markov(3, 0.5), vocab=9, symbols=4, length=6),
            Padded(Bijection(4, 3), vocab=9, symbols=4, length=5),
        ]
        super().__init__(tunnels, 2, 4, STEPS, batch=2, time=7, probe=2)
        self.junk = junk

    def keyed(self, step: int) -> tuple[Batch, AnswerKey]:
        batch, key = super().keyed(step)
        if self.junk is None:
            return batch, key
        return batch, key._replace(drawn=key.drawn.where(batch.asked, self.junk))


@pytest.fixture(autouse=True)
def _small_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plasticity.observers.reference.SAMPLE", 512)  # they are not looked at


def walked(strategy: Recipe[Strategy], world: Mixed, cell: Cell, scored: bool) -> Prequential:
    torch.manual_seed(0)
    network = MLP(world.vocab, world.symbols, width=8, depth=1)
    asked = torch.from_numpy(world.asked)
    made = OnlineLearner(network, strategy.build(), AdamW(0.01), Spec.of(world), asked=asked)
    loop = Prequential(made)
    fit(cell, loop, StreamDataModule(world, STEPS, score_steps=scored), TrainerConfig(threads=1))
    return loop


@pytest.mark.parametrize("subject", STRATEGIES, ids=lambda subject: subject.cls.__name__)
def test_every_strategy_walks_through_finite_and_what_is_not_asked_is_no_matter(
    subject: Recipe[Strategy], tmp_path: Path
) -> None:
    cell = Cell(tmp_path / "honest")
    one = walked(subject, Mixed(), cell, scored=True)
    steps = cell.steps.read()
    scores = steps.select([c for c in steps.columns if c.endswith("/model")]).to_numpy()
    assert scores.shape == (STEPS, 6) and np.isfinite(scores).all()
    assert all(torch.isfinite(value).all() for value in one.state_dict().values())

    other = walked(subject, Mixed(junk=3), Cell(tmp_path / "junk"), scored=False)
    assert not difference(one.state_dict(), other.state_dict())
    torch.manual_seed(0)
    start = MLP(9, 4, width=8, depth=1)(Mixed()[0].inputs)
    said = one.learner.strategy.predict(one.learner, Mixed()[0])
    same = torch.allclose(said.softmax(-1), start.softmax(-1), rtol=0, atol=1e-6)
    assert same == (subject.cls in (strategies.Frozen, strategies.MemoryInContext))


def test_each_tunnel_asks_where_it_asks() -> None:
    world = Mixed()
    chain, pairs = world[0].asked.tolist(), world[4].asked.tolist()
    assert chain == [True] * 6 + [False]
    assert pairs == [True, False, True, False, True, False, False]
    assert world.asked.tolist() == chain
    for batch in (world[0], world[4], *world.probes()):
        assert ((batch.targets == IGNORE_INDEX) == ~batch.asked).all()
