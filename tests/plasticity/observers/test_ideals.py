"""The ideal observers and the baselines, played as learners through the tables, score as they must."""

from collections.abc import Callable
from functools import cache

import numpy as np
import polars as pl
import pytest

from plasticity import Stream
from plasticity.core.predictors import PREDICTORS
from plasticity.metrics.skill import skill
from plasticity.metrics.summary import summarise
from plasticity.observers.reference import ReferencePredictors
from streams import Abrupt, Bijection, Hazard, Markov, Recurring


@pytest.fixture(autouse=True)
def _small_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "plasticity.observers.reference.SAMPLE", 512
    )  # their exactness is not what is tested


def played(make: Callable[[], Stream], who: str) -> pl.DataFrame:
    """The step table of a learner that says what this predictor says."""
    table = _played(make)
    same = {f"{column}/model": pl.col(f"{column}/{who}") for column in ("kl", "kl_realised")}
    return table.with_columns(**same)


@cache
def _played(make: Callable[[], Stream]) -> pl.DataFrame:
    """Of a learner that says nothing yet."""
    stream = make()
    reference, rows = ReferencePredictors(stream), []
    for step in range(len(stream)):
        (batch, key), groups = stream.keyed(step), stream.groups(step)
        truth = reference.predict(batch, key, groups, step)
        reference.absorb(batch, key, groups, step)
        with np.errstate(divide="ignore", invalid="ignore"):
            lost = np.where(truth[0] > 0, truth[0] * np.log2(truth[0] / truth), 0.0)
            hit = np.take_along_axis(
                truth, batch.targets.numpy()[:, batch.asked.numpy()][None, ..., None], -1
            )
            loss = -np.log2(hit[..., 0])
        rows.append((lost.sum(-1).mean((1, 2)), loss.mean((1, 2))))
    kl, loss = (np.array(each).T for each in zip(*rows, strict=True))
    values = {f"kl/{name}": column for name, column in zip(PREDICTORS, kl, strict=True)}
    values |= {f"kl_realised/{name}": column for name, column in zip(PREDICTORS, loss, strict=True)}
    for column in ("kl_continual", "kl_amnesic", "tv", "entropy_error_amnesic"):
        values[f"{column}/model"] = np.zeros(len(stream))
    return pl.DataFrame(
        {
            "step": np.arange(len(stream)),
            "regime": [int(stream.live(s)[0]) for s in range(len(stream))],
            "shift": [stream.shifts(s) for s in range(len(stream))],
            **values,
        }
    )


def hidden() -> Hazard:
    """Three chains that take turns at random, known long enough for the continual observer to be sure of them."""
    return Hazard([Markov(3, 0.5)], 3, hazard=0.1, steps=300, batch=2, time=6, probe=4, seed=1)


def recurring() -> Recurring:
    """Two chains by turns, as everybody knows."""
    return Recurring([Markov(3, 0.5)], 2, 10, 40, 4, 8)


def permutations() -> Abrupt:
    """Of 5, one after the other."""
    return Abrupt([Bijection(5, 4)], period=2, steps=6, batch=3, time=7, probe=4)


@pytest.mark.parametrize("make", [hidden, recurring])
def test_amnesic_scores_zero_and_continual_one(make) -> None:
    for who, expected in (("amnesic", 0.0), ("continual", 1.0)):
        assert skill(played(make, who)) == pytest.approx(expected, abs=1e-9)


def test_switching_lies_between_them_where_boundaries_are_hidden() -> None:
    """It knows every chain, so all that it loses is not to have noticed: between the ideals once chains are known."""
    table = played(hidden, "switching").tail(200)
    ranked = [table[f"kl/{who}"].to_numpy().mean() for who in ("continual", "switching", "amnesic")]
    assert sorted(ranked) == ranked
    assert 0.05 < (skill(table) or 0) < 0.95


def test_switching_is_the_informed_observer_where_the_schedule_is_known() -> None:
    table = played(recurring, "switching")
    assert table["kl/switching"].to_numpy().max() == 0.0
    summary = _summary(table)
    assert summary["not_noticed"] == 0.0 and summary["not_represented"] == summary["kl/model"]


def test_what_is_lost_splits_into_two_parts() -> None:
    """Of a learner that is the switching observer all is unnoticed; of the amnesic one the parts add up."""
    whole = _summary(played(hidden, "switching"))
    assert whole["not_noticed"] == whole["kl/model"] > 0.01 and whole["not_represented"] == 0.0
    amnesic = _summary(played(hidden, "amnesic"))
    assert amnesic["not_noticed"] == whole["not_noticed"] and amnesic["not_represented"] > 0.01
    total = amnesic["not_noticed"] + amnesic["not_represented"]
    assert total == pytest.approx(amnesic["kl/amnesic"], abs=1e-12)


def test_uniform_and_amnesic_are_worth_what_the_law_says() -> None:
    """A permutation of 5 leaves the informed observer no doubt: log2 5 bits, and log2 of the values that are left."""
    table = played(permutations, "uniform")
    np.testing.assert_allclose(table["kl/model"].to_numpy(), np.log2(5), atol=1e-12)
    expected = np.mean(np.log2([5, 4, 3, 2]))
    np.testing.assert_allclose(table["kl/amnesic"].to_numpy(), expected, atol=1e-12)


def _summary(steps: pl.DataFrame) -> dict:
    """With a probe table that says nothing."""
    probes = pl.DataFrame(
        {"step": [0, 300], "regime": [0, 0], "kl/model": [0.0, 0.0], "kl_amnesic/model": [0.0, 0.0]}
    )
    return summarise(steps, probes)
