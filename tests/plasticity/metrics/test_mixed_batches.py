"""A visit belongs to the regime of larger weight by the schedule's law, whichever happen to be most in a batch."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
import torch

from plasticity import Stream
from plasticity.checks.world import loop
from plasticity.config.recipe import recipe
from plasticity.core.predictors import PREDICTORS
from plasticity.core.strategy import Strategy
from plasticity.engine.prequential import ScoredBatch
from plasticity.metrics.summary import summarise
from plasticity.metrics.visits import visits
from streams import Cyclic, Gradual, Markov

PERIOD, STEPS = 12, 72


def gradual(seed: int, slide: int = 8) -> Gradual:
    return Gradual([Markov(3, 0.5)], 3, PERIOD, slide, STEPS, batch=8, time=6, probe=2, seed=seed)


def met(world: Stream, steps: int = STEPS) -> pl.DataFrame:
    """The step table that the loop leaves behind; whoever learns there, and whatever the observers say."""
    subject, chunk = loop(recipe(Strategy)), list[ScoredBatch]()
    subject.setup("fit")
    subject.configure_optimizers()
    for step in range(steps):
        batch, key = world.keyed(step)
        said = torch.full((len(PREDICTORS), world.batch, int(batch.asked.sum()), 3), 1 / 3)
        chunk.append(ScoredBatch(step, world.shifts(step), batch, key, said.double()))
    subject.training_step(chunk)
    names = ("step", "regime", "shift", "answers")
    return pl.DataFrame({name: [getattr(r, name) for r in subject.records] for name in names})


def law(step: int, slide: int) -> dict[int, float]:
    """The weights at the middle of a step, read off the polygon that is flat between slides."""
    boundaries = range(PERIOD, STEPS, PERIOD)
    edges = [edge for b in boundaries for edge in (b - slide / 2, b + slide / 2)]
    level = np.interp(step + 0.5, edges, [v + u for v in range(len(boundaries)) for u in (0, 1)])
    weights = dict.fromkeys(range(3), 0.0)
    for visit in range(STEPS // PERIOD):
        weights[visit % 3] += max(0.0, 1 - abs(float(level) - visit))
    return weights


def larger(weights: dict[int, float]) -> int:
    first, second, _ = sorted(weights, key=lambda regime: -weights[regime])
    assert weights[first] > weights[second] + 1e-9, "no two weigh the same at any step"
    return first


@pytest.mark.parametrize("seed", range(20))
def test_every_visit_carries_the_regime_of_larger_weight(seed: int) -> None:
    """120 visits in all. By the mode of the first batch a good part of them carried another (see the log)."""
    table = met(gradual(seed))
    wanted = [larger(law(step, 8)) for step in range(STEPS)]
    assert table["regime"].to_list() == wanted
    found = visits(table)
    assert [(v.regime, v.start, v.stop, v.nth) for v in found] == [
        (k % 3, PERIOD * k, PERIOD * (k + 1), k // 3) for k in range(6)
    ]


@pytest.mark.parametrize("slide", [1, 2, 5, 8, 11, 12])
def test_at_the_crossing_the_new_regime_is_live_from_the_boundary_on(slide: int) -> None:
    world = gradual(3, slide)
    for step in (s for b in range(PERIOD, STEPS, PERIOD) for s in (b - 1, b)):
        assert world.keyed(step)[1].live == larger(law(step, slide)) == step // PERIOD % 3


def test_of_two_that_weigh_the_same_the_one_that_was_live_still_is() -> None:
    """Where proportions go round a circle, half-way between two regimes; with 2 after 1, and 0 after 2."""
    world = Cyclic([Markov(3, 0.5)], 3, period=4, steps=48, batch=8, time=2, probe=1)
    for step in range(48):
        whole, rest = divmod(step, 4)
        assert world.keyed(step)[1].live == (whole + (rest > 2)) % 3


def test_an_older_table_is_read_right() -> None:
    """There each row has the most frequent regime of its batch: another one at some steps, and often at the first."""
    wrong = 0
    for seed in range(20):
        world = gradual(seed)
        rows = [int(np.bincount(world.live(step)).argmax()) for step in range(STEPS)]
        old = met(world).with_columns(pl.Series("regime", rows))
        wrong += sum(rows[PERIOD * k] != k % 3 for k in range(6))
        assert [v.regime for v in visits(old)] == [k % 3 for k in range(6)]
    assert wrong > 20


def test_answers_are_counted_at_every_step() -> None:
    assert met(gradual(0))["answers"].to_list() == [8 * 6] * STEPS


def test_numbers_of_a_mixed_world_are_those_of_its_law() -> None:
    """Bits of a learner who knows a regime while it is the larger, and forgets it when it is not."""
    table = met(gradual(1))
    at = np.arange(0, STEPS + 1, 4)

    def bits(step: int, regime: int) -> float:
        live = 2 if step == 0 else larger(law(step - 1, 8))
        return 0.1 if regime == live else 2.0 + regime

    rows = [(s, r, bits(s, r)) for s in at.tolist() for r in range(3)]
    probes = pl.DataFrame(rows, ["step", "regime", "kl/model"], orient="row")
    names: Sequence[str] = ("amnesic", "continual", "informed", "model")
    made = {f"{m}/{w}": np.ones(STEPS) for m in ("kl", "kl_realised") for w in names}
    found = summarise(table.with_columns(**made), probes)
    tasks = [0, 1, 2, 0, 1, 2]
    assert found["la/mer2019"] == pytest.approx(0.1)
    forgotten = [0.0 if r == 2 else 2.0 + r - 0.1 for r in tasks[:-1]]
    assert found["forgetting/chaudhry2018"] == pytest.approx(np.mean(forgotten))
    assert found["stability_gap/delange2023"] == pytest.approx(
        np.mean([2.0 + r - 0.1 for r in tasks[:-1]])
    )
