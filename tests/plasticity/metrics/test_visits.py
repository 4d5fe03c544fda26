"""Visits, matrices and skill on tables small enough to do by hand; ideal observers played as learners."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from plasticity.core.predictors import PREDICTORS
from plasticity.metrics.recovery import recovery_skill50
from plasticity.metrics.skill import skill, skills
from plasticity.metrics.summary import summarise
from plasticity.metrics.transfer import forgetting_chaudhry2018
from plasticity.metrics.visits import (
    Visit,
    by_visit,
    final,
    learned,
    phase,
    probed,
    task_matrix,
    tasks,
    untouched,
    visits,
    window,
)
from plasticity.observers.reference import ReferencePredictors
from streams import Markov, Recurring


def table(
    kl: dict[str, list[float]], shifts: Sequence[int] = (), regime: list[int] | None = None
) -> pl.DataFrame:
    n = len(next(iter(kl.values())))
    columns = {f"kl/{k}": v for k, v in kl.items()}
    shift = [i in shifts for i in range(n)]
    return pl.DataFrame(
        {"step": list(range(n)), "regime": regime or [0] * n, "shift": shift} | columns
    )


def test_skill_divides_means_not_ratios() -> None:
    steps = table({"model": [1.0, 0.2], "amnesic": [0.5, 0.5], "continual": [0.4, 0.0]})
    assert skill(steps) == pytest.approx((0.5 - 0.6) / (0.5 - 0.2))


def test_skills_are_those_of_each_visit() -> None:
    kl = {"model": [0.3] * 2 + [0.1] * 3, "amnesic": [0.5] * 5, "continual": [0.5] * 2 + [0.0] * 3}
    steps = table(kl, shifts=[2], regime=[0, 0, 1, 1, 1])
    assert skills(steps, visits(steps)) == [None, pytest.approx(0.8)]


def test_skill_is_undefined_where_the_ideals_agree() -> None:
    steps = table({"model": [1.0], "amnesic": [0.5], "continual": [0.491]})
    assert skill(steps) is None
    steps = table({"model": [1.0], "amnesic": [0.5], "continual": [0.489]})
    assert skill(steps) == pytest.approx((0.5 - 1.0) / (0.5 - 0.489))


def test_visits_and_the_task_matrix() -> None:
    steps = table({"model": [0.0] * 6}, shifts=[2, 4], regime=[0, 0, 1, 1, 0, 0])
    found = visits(steps)
    assert found == [Visit(0, 0, 2, 0), Visit(1, 2, 4, 0), Visit(0, 4, 6, 1)]
    at = [0, 2, 4, 6]
    probes = pl.DataFrame(
        {
            "step": np.repeat(at, 2),
            "regime": [0, 1] * 4,
            "kl/model": [9.0, 9.0, 0.1, 0.9, 0.5, 0.2, 0.3, 0.4],
        }
    )
    expected = [[0.1, 0.9, 0.1], [0.5, 0.2, 0.5], [0.3, 0.4, 0.3]]
    held = probed(probes)
    np.testing.assert_array_equal(task_matrix(held, found), expected)
    np.testing.assert_array_equal(learned(held, found), np.diag(expected))
    np.testing.assert_array_equal(final(held, found), expected[-1])
    np.testing.assert_array_equal(untouched(held, found), [9.0, 9.0, 9.0])
    assert forgetting_chaudhry2018(task_matrix(held, found)) == pytest.approx(
        ((0.3 - 0.1) + (0.4 - 0.2)) / 2
    )


def test_regimes_that_are_not_probed_and_fresh_latents_have_no_task() -> None:
    """Three regimes, of which 0 and 2 are probed, and fresh latents beside them; in any order of rows."""
    steps = table({"model": [0.0] * 8}, shifts=[2, 4, 6], regime=[0, 0, 1, 1, 2, 2, 0, 0])
    found = visits(steps)
    rows = [(at, r, 10.0 * at + r) for at in (0, 2, 4, 6, 8) for r in (0, 2)]
    rows += [(at, -1, np.nan) for at in (0, 3, 8)]
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    probes = pl.DataFrame(shuffled, schema=["step", "regime", "kl/model"], orient="row")
    held = probed(probes)
    assert held.at.tolist() == [0, 2, 4, 6, 8] and held.regimes.tolist() == [0, 2]
    assert [v.start for v in tasks(held, found)] == [0, 4, 6]
    expected = [[20, 22, 20], [60, 62, 60], [80, 82, 80]]
    np.testing.assert_array_equal(task_matrix(held, found), expected)
    none = probed(probes.filter(pl.col("regime") < 0))
    assert task_matrix(none, found).shape == (0, 0) and len(final(none, found)) == 0


def test_a_visit_into_which_no_probe_falls_is_no_task() -> None:
    found = visits(table({"model": [0.0] * 6}, shifts=[2, 4], regime=[0, 0, 1, 1, 0, 0]))
    probes = pl.DataFrame({"step": [2, 2, 6, 6], "regime": [0, 1] * 2, "kl/model": [1.0, 2, 3, 4]})
    held = probed(probes)
    e = task_matrix(held, found)
    counted = [v.start for v in tasks(held, found)]
    assert counted == [0, 4], "what is probed at the shift is the visit that ended"
    assert e.tolist() == [[1, 1], [3, 3]] and learned(held, found).tolist() == [1, 3]
    assert np.isnan(untouched(held, found)).all()


def test_cutting_a_table_equals_asking_every_row() -> None:
    """On a table whose first steps are missing, and whose visits are of any length."""
    rng = np.random.default_rng(0)
    shifts = np.sort(rng.choice(np.arange(1, 200), 40, replace=False)).tolist()
    regime = rng.integers(5, size=41)[np.searchsorted(shifts, np.arange(200), "right")].tolist()
    kl = {name: rng.random(200).tolist() for name in ("model", "amnesic", "continual")}
    steps = table(kl, shifts, regime).slice(7)
    found = visits(steps)
    for k, visit in enumerate(found):
        assert visit.nth == sum(v.regime == visit.regime for v in found[:k])
        inside = steps.filter(pl.col("step").is_between(visit.start, visit.stop - 1))
        assert window(steps, visit.start, visit.stop).equals(inside)
        piece = by_visit(steps, found, steps["kl/model"].to_numpy())[k]
        assert piece.tolist() == inside["kl/model"].to_list()
    for returns in (False, True):
        for opening in (None, 3):
            spans = [v for v in found if (v.nth > 0) == returns]
            wanted = [s for v in spans for s in range(v.start, v.stop)[:opening]]
            assert phase(steps, found, returns, opening)["step"].to_list() == wanted


def test_recovery_counts_steps_to_half_the_gap() -> None:
    kl = {"model": [1.0] * 10 + [0.1] * 10, "amnesic": [0.6] * 20, "continual": [0.0] * 20}
    # trailing mean of 5 reaches .3 when 4 of its 5 steps are at .1: steps 10..13, so after 14
    assert recovery_skill50(table(kl), Visit(0, 0, 20, 0)) == 14
    kl["model"] = [1.0] * 20
    assert recovery_skill50(table(kl), Visit(0, 0, 20, 0)) is None


def test_ideal_observers_played_as_learners_score_as_they_must() -> None:
    """amnesic: skill 0; continual: skill 1; to 1e-9. From real observers on a real stream."""
    stream = Recurring([Markov(3, 0.5)], regimes=2, period=10, steps=40, batch=4, time=8, probe=4)
    bracket, rows = ReferencePredictors(stream), []
    for step in range(len(stream)):
        (batch, key), groups = stream.keyed(step), stream.groups(step)
        truth = bracket.predict(batch, key, groups)
        bracket.absorb(batch, key, groups, step)
        p = truth[0]
        with np.errstate(divide="ignore"):
            rows.append([np.where(p > 0, p * np.log2(p / q), 0).sum(-1).mean() for q in truth])
    values: dict[str, list[float]] = dict(zip(PREDICTORS, np.array(rows).T.tolist(), strict=True))
    steps = table(values | {"model": values["amnesic"]}, shifts=[10, 20, 30])
    assert skill(steps, "amnesic") == pytest.approx(0, abs=1e-9)
    assert skill(steps, "continual") == pytest.approx(1, abs=1e-9)
    assert values["informed"] == [0.0] * 40
    better = ["continual", "amnesic", "memoryless", "position"]
    means = [np.mean(values[name]) for name in better]
    assert means[0] < means[1] < means[2]
    # by hand: the mean over the stream of log2(3) - H(informed)
    assert np.mean(values["uniform"]) > means[1]


def test_summary_of_a_single_short_visit_has_none_not_nan() -> None:
    names = ("model", *PREDICTORS)
    columns = {
        f"{metric}/{name}": [0.5, 0.4]
        for metric in (
            "kl",
            "kl_continual",
            "kl_amnesic",
            "kl_realised",
            "tv",
            "entropy_error_amnesic",
        )
        for name in names
    }
    steps = pl.DataFrame({"step": [0, 1], "regime": [0, 0], "shift": [False, False]} | columns)
    probes = pl.DataFrame({"step": [0, 2], "regime": [0, 0], "kl/model": [0.5, 0.4]})
    summary = summarise(steps, probes)
    assert summary["skill"] is None and summary["forgetting/chaudhry2018"] is None
    assert summary["kl_return/model"] is None
    assert summary["recovery/skill50"] is None, "there is no half of a gap that is not there"
    apart = steps.with_columns(
        pl.lit(0.1).alias("kl/continual"), pl.Series("kl/amnesic", [0.9, 0.9])
    )
    met = summarise(apart, probes)
    assert met["recovery/skill50"] == 2 and met["recovery/never"] == 1, "shorter than five steps"
    assert summary["excess_loss/informed"] == 0.0
