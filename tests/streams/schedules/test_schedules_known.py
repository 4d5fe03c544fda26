"""Nested, Compositional, Adversarial and FromFile: what is live when, found by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from plasticity import Spec
from plasticity.core.optimizer import AdamW
from plasticity.core.predictors import CONTINUAL, INFORMED, SWITCHING
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential
from plasticity.engine.trainer import fit
from plasticity.networks import LSTM
from plasticity.observers.reference import ReferencePredictors
from plasticity.results.store import Cell
from plasticity.results.table import Table
from strategies import Finetune
from streams.schedules.adversarial import Adversarial
from streams.schedules.compositional import Compositional
from streams.schedules.from_file import FromFile
from streams.schedules.nested import Nested
from streams.tunnels.bijection import Bijection
from streams.tunnels.binding import Binding
from streams.tunnels.markov import Markov

from ..exact import faced

TUNNELS = [Markov(3, 0.5)]
SMALL: dict[str, Any] = {"batch": 2, "time": 4, "probe": 2}


def lived(world, steps: int) -> list[int]:
    return [int(world.live(step)[0]) for step in range(steps)]


def test_fast_shifts_lie_inside_slow_ones() -> None:
    world = Nested(TUNNELS, groups=2, members=3, slow=6, fast=2, steps=None, **SMALL)
    group = [0, 0, 1, 1, 2, 2]
    assert lived(world, 18) == [*group, *(3 + r for r in group), *group]
    uneven = Nested(TUNNELS, groups=2, members=3, slow=4, fast=2, steps=None, **SMALL)
    assert lived(uneven, 12) == [0, 0, 1, 1, 5, 5, 3, 3, 1, 1, 2, 2]
    with pytest.raises(ValueError, match="slow: expected a multiple of fast, 4 steps, got 6"):
        Nested(TUNNELS, slow=6, fast=4)


@pytest.mark.parametrize("order", ["cyclic", "random"])
def test_every_shift_draws_one_part_anew(order) -> None:
    """Against a walk that changes one row at a time."""
    world = Compositional(TUNNELS, 2, order, steps=None, **SMALL)
    latents = [world.latent(regime)[0] for regime in range(30)]
    changed = []
    for regime in range(1, 30):
        parent = world.parent(regime)
        assert parent is not None and parent[0] == regime - 1
        differs = np.flatnonzero((latents[regime] != latents[regime - 1]).any(1))
        assert differs.tolist() == list(parent[1])
        changed += parent[1]
    rows = {row.tobytes() for latent in latents for row in latent}
    assert len(rows) == 3 + 29  # nothing is drawn twice
    rounds = [changed[i : i + 3] for i in range(0, 27, 3)]
    assert all(sorted(turn) == [0, 1, 2] for turn in rounds)
    assert all(turn == [0, 1, 2] for turn in rounds) == (order == "cyclic")
    assert world.parent(0) is None and world.parent(-1) is None
    assert lived(world, 7) == [0, 0, 1, 1, 2, 2, 3]


def test_the_continual_observer_keeps_the_parts_that_stay() -> None:
    """Counts of transitions by hand: at each shift the row that is drawn anew forgets; the prior is 1/2."""
    world = Compositional(TUNNELS, 3, "random", steps=24, **SMALL)
    reference, counts = ReferencePredictors(world), np.full((3, 3), 0.5)
    for step in range(24):
        if step and step % 3 == 0:
            counts[world.part(step // 3)] = 0.5
        now = faced(world, step)
        batch, truth = now[0], reference.predict(*now)
        assert np.array_equal(truth[SWITCHING], truth[INFORMED])
        for row, (x, y) in enumerate(zip(batch.inputs.numpy(), batch.targets.numpy(), strict=True)):
            so_far = counts.copy()
            for t, (here, there) in enumerate(zip(x, y, strict=True)):
                wanted = so_far[here] / so_far[here].sum()
                np.testing.assert_allclose(truth[CONTINUAL, row, t], wanted, atol=1e-12)
                so_far[here, there] += 1
        np.add.at(counts, (batch.inputs.numpy(), batch.targets.numpy()), 1.0)
        reference.absorb(*now)


def test_a_latent_without_parts_is_refused() -> None:
    assert Compositional([Binding(3, 2)], time=3).latent(4).shape == (1, 3)
    with pytest.raises(ValueError, match="independent parts, as Markov.* have, got Bijection"):
        Compositional([Bijection(4, 3)], time=5)
    with pytest.raises(
        ValueError, match="expected one, whose latent changes in part, got Markov, Markov"
    ):
        Compositional(TUNNELS * 2)


def test_the_adversary_goes_where_the_learner_is_worst() -> None:
    world = Adversarial(TUNNELS, regimes=3, period=4, steps=None, **SMALL)
    with pytest.raises(
        ValueError, match="visit 0 has no regime yet: Adversarial goes by the learner"
    ):
        world.live(0)
    world.on_probe(0, {0: 0.1, 1: 0.5, 2: 0.3, -1: 9.0})
    assert lived(world, 4) == [1] * 4
    past = lived(world, 4)
    world.on_probe(
        4, {0: 0.1, 1: 0.9, 2: 0.3, -1: 9.0}
    )  # 1 is still the worst, and was just visited
    assert lived(world, 8) == past + [2] * 4
    world.on_probe(6, {0: 0.7, 1: 0.2, 2: 0.3, -1: 9.0})  # in the midst of a visit: the next one
    assert lived(world, 12) == past + [2] * 4 + [0] * 4
    world.on_probe(12, {0: 0.2, 1: float("nan"), 2: 0.3, -1: 9.0})
    assert lived(world, 16)[12:] == [1] * 4
    again = Adversarial(TUNNELS, regimes=3, period=4, steps=None, **SMALL)
    again.notes = list(world.notes)  # as a checkpoint has them
    assert lived(again, 40) == lived(world, 40)
    assert world.prior(3, None) is None


@pytest.mark.parametrize("stretch", [1, 3, 4, 5, 25])
def test_any_period_goes_with_any_stretch(stretch: int) -> None:
    """Each visit is to the worst at the last probe before it, or the second worst; the past never changes."""
    world = Adversarial(TUNNELS, regimes=4, period=4, steps=None, **SMALL)
    rng, past, latest = np.random.default_rng(0), list[int](), np.zeros(4)
    for step in range(100):
        if step % stretch == 0:
            latest = rng.random(4)
            world.on_probe(step, dict(enumerate(latest.tolist())))
            assert lived(world, step) == past
        regime = int(world.live(step)[0])
        if step % 4 == 0:
            best = [r for r in np.argsort(-latest) if not past or r != past[-1]]
            assert regime == best[0]
        else:
            assert regime == past[-1]
        past.append(regime)


def test_an_adversary_of_one_and_of_too_many() -> None:
    alone = Adversarial(TUNNELS, regimes=1, period=2, steps=None, **SMALL)
    alone.on_probe(0, {0: 0.4, -1: 1.0})
    assert lived(alone, 9) == [0] * 9
    with pytest.raises(
        ValueError, match="regimes: expected at most 16, since no more are probed, got 17"
    ):
        Adversarial(TUNNELS, regimes=17)


def test_training_tells_the_adversary_and_a_resumed_one_meets_the_same_world(
    tmp_path: Path,
) -> None:
    """Every visit of the record is to the worst regime of the last probes recorded before it, or the second worst."""

    def trained(cell: Cell, steps: int) -> None:
        stream = Adversarial(TUNNELS, regimes=3, period=4, steps=steps, **SMALL)
        torch.manual_seed(0)
        network = LSTM(vocab=3, symbols=3, width=4)
        learner = OnlineLearner(network, Finetune(), AdamW(lr=0.03), Spec.of(stream))
        data = StreamDataModule(stream, stretch=3)
        fit(cell, Prequential(learner), data, TrainerConfig(threads=1))

    whole, cut = Cell(tmp_path / "whole"), Cell(tmp_path / "cut")
    trained(whole, 24)
    trained(cut, 12)
    trained(cut, 24)
    live = whole.steps.read()["regime"].to_list()
    assert live == cut.steps.read()["regime"].to_list()
    probes = whole.probes.read().filter(pl.col("regime") >= 0)
    for start in range(0, 24, 4):
        last = probes.filter(pl.col("step") == start - start % 3).sort("kl/model", descending=True)
        left = [r for r in last["regime"].to_list() if not start or r != live[start - 1]]
        assert live[start : start + 4] == left[:1] * 4


@pytest.mark.parametrize(
    "text",
    [
        "0\n0\n2\n2\n2\n1\n",
        "regime\n0\n0\n2\n2\n2\n1\n",
        "0,2\n2,3\n1,1\n",
        "# by hand\nRegime, steps\n0, 2  # two\n\n2, 3\n1, 1",
        "0\t2\n2\t3\n1\t1\n",
        "regime;steps\r\n0;2\r\n2;3\r\n1;1\r\n",
    ],
)
def test_a_text_lists_regimes(text: str, tmp_path: Path) -> None:
    file = tmp_path / "regimes.txt"
    file.write_bytes(text.encode())
    world = FromFile(TUNNELS, str(file), **SMALL)
    assert len(world) == 6 and world.regimes == 3
    assert lived(world, 6) == [0, 0, 2, 2, 2, 1]
    assert [step for step in range(6) if world.shifts(step)] == [2, 5]
    assert [[world.retired(r, step) for step in range(6)].index(True) for r in range(3)] == [
        1,
        5,
        4,
    ]
    assert len(FromFile(TUNNELS, str(file), steps=4, **SMALL)) == 4
    with pytest.raises(
        ValueError, match="steps: expected at most the 6 that .*regimes.txt lists, got 7"
    ):
        FromFile(TUNNELS, str(file), steps=7)
    with pytest.raises(IndexError, match="step 6: .*regimes.txt lists 6 steps"):
        world.live(6)


def test_a_run_lists_regimes(tmp_path: Path) -> None:
    record = Table(tmp_path / "steps")
    record.write(0, {"step": np.arange(3), "regime": np.array([0, 0, 1], np.int32)})
    record.write(1, {"step": np.arange(3, 5), "regime": np.array([1, 0], np.int32)})
    assert lived(FromFile(TUNNELS, str(record.folder), **SMALL), 5) == [0, 0, 1, 1, 0]
    record.write(2, {"step": np.array([7]), "regime": np.array([1], np.int32)})
    with pytest.raises(ValueError, match="steps: row 5: expected step 5 .* got step 7"):
        FromFile(TUNNELS, str(record.folder))
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "0.parquet")
    with pytest.raises(ValueError, match="expected parquet parts with step and regime"):
        FromFile(TUNNELS, str(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0\n1\nx\n", ":3: expected regime in whole numbers of 0 or more, got 'x'"),
        ("0\n-1\n", ":2: expected regime in whole numbers of 0 or more, got '-1'"),
        ("0,1\n1\n", ":2: expected regime, steps in whole numbers of 0 or more, got '1'"),
        ("regime,steps\n0,0\n", ":2: expected 1 step or more, got 0"),
        (
            "regime,step\n0,1\n",
            r":1: expected regime, or regime, steps, got regime, step. Did you mean 'steps'",
        ),
        ("0,1,2\n", ":1: expected regime, steps in whole numbers of 0 or more, got '0,1,2'"),
        ("# nothing\n", ": expected the regime of at least one step, got none"),
    ],
)
def test_a_bad_line_is_named(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "regimes.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match="regimes.csv" + message):
        FromFile(TUNNELS, str(file))


def test_a_file_that_is_not_there_is_named_with_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "regimes.csv").write_text("0\n")
    with pytest.raises(
        ValueError, match=r"file: there is no file .*regime.csv. Did you mean 'regimes.csv'"
    ):
        FromFile(TUNNELS, str(tmp_path / "regime.csv"))
