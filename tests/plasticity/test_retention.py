"""Formulas on matrices small enough to do by hand; ideal observers played as learners."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from plasticity.bracket import PREDICTORS, Bracket
from plasticity.metrics.plasticity import recovery_skill50
from plasticity.metrics.retention import (
    Visit,
    bwt_gem2017,
    forgetting_chaudhry2018,
    skill,
    task_matrix,
    visits,
)
from plasticity.metrics.summary import summarise
from streams import Markov, Recurring

# Accuracy of the reference's worked example (pure positive transfer), as bits e = -R.
POSITIVE = -np.array([[0.60, 0.15, 0.10], [0.70, 0.80, 0.12], [0.80, 0.85, 0.95]])


def test_forgetting_and_bwt_equal_the_published_worked_example() -> None:
    """Chaudhry, Renate and continuum give -0.075 on this matrix; GEM's BWT is 0.125."""
    assert forgetting_chaudhry2018(POSITIVE) == pytest.approx(-0.075)
    assert bwt_gem2017(POSITIVE) == pytest.approx(0.125)


def test_forgetting_is_none_where_a_visit_was_never_probed() -> None:
    e = POSITIVE.copy()
    e[1, 0] = np.nan
    assert forgetting_chaudhry2018(e) is None and bwt_gem2017(e) is None


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
    np.testing.assert_array_equal(task_matrix(probes, found), expected)
    assert forgetting_chaudhry2018(task_matrix(probes, found)) == pytest.approx(
        ((0.3 - 0.1) + (0.4 - 0.2)) / 2
    )


def test_recovery_counts_steps_to_half_the_gap() -> None:
    kl = {"model": [1.0] * 10 + [0.1] * 10, "amnesic": [0.6] * 20, "continual": [0.0] * 20}
    # trailing mean of 5 reaches .3 when 4 of its 5 steps are at .1: steps 10..13, so after 14
    assert recovery_skill50(table(kl), Visit(0, 0, 20, 0)) == 14
    kl["model"] = [1.0] * 20
    assert recovery_skill50(table(kl), Visit(0, 0, 20, 0)) is None


def test_ideal_observers_played_as_learners_score_as_they_must() -> None:
    """amnesic: skill 0; continual: skill 1; to 1e-9. From real observers on a real stream."""
    stream = Recurring([Markov(3, 0.5)], regimes=2, period=10, steps=40, batch=4, time=8, probe=4)
    bracket, rows = Bracket(stream), []
    for step in range(len(stream)):
        batch, groups = stream[step], stream.groups(step)
        truth = bracket.predict(batch, groups)
        bracket.absorb(batch, groups)
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
