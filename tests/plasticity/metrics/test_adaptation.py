"""Costs of adapting on curves whose law is known, and trends against SciPy's own."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from scipy import stats

from plasticity.metrics import adaptation, regret
from plasticity.metrics.recovery import condition_trends, in_context
from plasticity.metrics.trend import POINTS, Trend, least_squares, theil_sen
from plasticity.metrics.visits import visits


def world(
    regimes: Sequence[int], model: np.ndarray, amnesic: float = 1.0, continual: float = 0.0
) -> pl.DataFrame:
    """Visits of equal length; the ideals are constant."""
    n, length = len(model), len(model) // len(regimes)
    step = np.arange(n)
    return pl.DataFrame(
        {
            "step": step,
            "regime": np.repeat(regimes, length),
            "shift": (step % length == 0) & (step > 0),
            "kl/model": model,
            "kl/amnesic": np.full(n, amnesic),
            "kl/continual": np.full(n, continual),
            "kl/informed": np.zeros(n),
        }
    )


def decay(half: float, length: int, start: float = 1.0) -> np.ndarray:
    """An exponential that halves in `half` steps."""
    return start * 0.5 ** (np.arange(length) / half)


def test_least_squares_equals_scipys_line() -> None:
    rng = np.random.default_rng(0)
    x, y = np.sort(rng.random(30)), rng.random(30)
    line = stats.linregress(x, y)
    half = stats.t.ppf(0.975, 28) * line.stderr  # pyright: ignore[reportAttributeAccessIssue] scipy's stub lacks it
    slope = line.slope  # pyright: ignore[reportAttributeAccessIssue] scipy's stub lacks it
    assert least_squares(x, y) == pytest.approx((slope, slope - half, slope + half))
    assert least_squares(x[:2], y[:2]) is None
    y[3] = np.nan
    assert least_squares(x, y) is theil_sen(x, y) is None


def test_a_weight_of_k_is_k_points() -> None:
    """The slope is that of the repeated points; the interval has the degrees of freedom of the points there are."""
    rng = np.random.default_rng(0)
    x, y, weights = np.arange(8.0), rng.random(8), rng.integers(1, 5, 8)
    found = least_squares(x, y, weights.astype(float))
    slope, _ = np.polyfit(np.repeat(x, weights), np.repeat(y, weights), 1)
    (_, _), covariance = np.polyfit(x, y, 1, w=np.sqrt(weights), cov=True)
    half = stats.t.ppf(0.975, 6) * np.sqrt(covariance[0, 0])
    assert found == pytest.approx((slope, slope - half, slope + half))


def test_the_interval_holds_the_true_slope_in_95_of_100_worlds() -> None:
    rng, x = np.random.default_rng(0), np.arange(6.0)
    lines = [least_squares(x, 0.5 * x + rng.normal(size=6)) for _ in range(2000)]
    hit = np.mean([line is not None and line.low <= 0.5 <= line.high for line in lines])
    assert abs(hit - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 2000)


def test_theil_sen_equals_scipys_and_shrugs_at_one_odd_visit() -> None:
    rng, x = np.random.default_rng(0), np.arange(40.0)
    y = 0.1 * x + rng.normal(size=40)
    assert theil_sen(x, y) == pytest.approx(stats.theilslopes(y, x)[0])
    straight = 0.1 * x
    straight[-1] = 1e6
    assert theil_sen(x, straight) == pytest.approx(0.1)
    assert (least_squares(x, straight) or Trend(0, 0, 0)).slope > 100
    many = np.arange(2 * POINTS + 1.0)
    assert theil_sen(many, 0.1 * many) == pytest.approx(0.1)


def test_a_learner_that_takes_longer_every_visit_has_a_positive_trend() -> None:
    """Visit k costs .1 + .02 k bits over the continual observer, who is at .3."""
    model = np.repeat(0.4 + 0.02 * np.arange(6), 10)
    steps = world(range(6), model, continual=0.3)
    costs = adaptation.costs(steps, visits(steps))
    np.testing.assert_allclose(costs, 0.1 + 0.02 * np.arange(6))
    line = least_squares(np.arange(6.0), costs)
    assert line is not None and line == pytest.approx((0.02, 0.02, 0.02))


def test_switch_regret_is_the_area_after_each_shift() -> None:
    model = np.concatenate([np.full(10, 9.0), decay(3, 10), decay(2, 10)])
    steps = world([0, 1, 0], model, continual=0.1)
    found = visits(steps)
    area = np.mean([decay(3, 10).sum(), decay(2, 10).sum()])
    assert adaptation.switch_regret(steps, found, "informed") == pytest.approx(area)
    assert adaptation.switch_regret(steps, found, "continual") == pytest.approx(area - 1)
    assert adaptation.switch_regret(steps[:10], found[:1], "informed") is None


def test_half_life_is_exact_for_an_exponential() -> None:
    for half in (2, 7, 12):
        # the eps is for a mean that is exactly half
        assert adaptation.half_life(decay(half - 1e-9, 40)) == half
    assert adaptation.half_life(decay(40, 40)) is None
    assert adaptation.half_life(np.ones(3)) is None


def test_half_lives_count_a_visit_that_never_halves_by_its_length() -> None:
    model = np.concatenate([np.ones(20), decay(4 - 1e-9, 20), np.ones(20), np.full(20, 1e-3)])
    steps = world([0, 1, 2, 3], model)
    assert adaptation.half_lives(steps, visits(steps)) == (pytest.approx((4 + 20) / 2), 1)


def test_relearning_in_half_the_steps_saves_half() -> None:
    """The bar is .5, half of the amnesic bits; a step function meets it when 5 of 5 steps are below, or enough."""

    def learns(at: int) -> list[float]:
        return [0.6] * at + [0.4] * (40 - at)  # the trailing mean is .5 or less at 3 of 5 below

    steps = world([0, 1, 0, 1], np.array(learns(17) + learns(27) + learns(7) + learns(12)))
    found = visits(steps)
    assert adaptation.relearning_ratio(steps, found) == pytest.approx((10 + 15) / (20 + 30))
    assert adaptation.relearning_ratio(steps, found[:2]) is None
    never = world([0, 0], np.array(learns(17) + learns(40)))
    assert adaptation.relearning_ratio(never, visits(never)) == pytest.approx(40 / 20)
    known = world([0, 0], np.array(learns(17) * 2), amnesic=0.001)
    assert adaptation.relearning_ratio(known, visits(known)) is None


def test_interval_regret_equals_trying_every_window() -> None:
    bits = np.random.default_rng(0).random(80)
    tried = max(bits[i : i + 50].sum() for i in range(31))
    assert regret.interval_regret(bits) == pytest.approx(tried)
    assert regret.interval_regret(bits[:49]) is None
    assert regret.interval_regret(bits[:50]) == pytest.approx(bits[:50].sum())


def test_fading_loss_equals_its_recursion() -> None:
    bits = np.random.default_rng(0).random(300)
    total = weight = 0.0
    for value in bits:
        total, weight = value + 0.99 * total, 1 + 0.99 * weight
    assert regret.fading_loss(bits) == pytest.approx(total / weight)
    assert regret.fading_loss(np.full(10, 0.3)) == pytest.approx(0.3)


def test_the_learning_curve_area_is_the_mean_over_shots_and_visits() -> None:
    model = np.random.default_rng(0).random(80)
    steps = world([0, 1, 0, 2], model)
    for first, starts in ((False, (0, 20, 40, 60)), (True, (0, 20, 60))):
        table = [[model[start + b] for start in starts] for b in range(11)]
        area = np.mean([np.mean(row) for row in table])
        found = adaptation.lca_agem2019(steps, visits(steps), first=first)
        assert found == pytest.approx(area)
    assert adaptation.lca_agem2019(steps, visits(steps), beta=20) is None


def test_in_context_damage_is_read_from_fresh_latents_alone() -> None:
    probes = pl.DataFrame(
        {
            "step": [0, 0, 0, 9, 9, 9],
            "regime": [0, -1, -2, 0, -1, -2],
            "kl_amnesic/model": [9.0, 0.1, 0.3, 9.0, 0.5, 0.9],
        }
    )
    assert in_context(probes) == pytest.approx((0.2, 0.7))
    assert in_context(probes.filter(pl.col("regime") >= 0)) is None


def test_trends_of_a_condition_table() -> None:
    table = pl.DataFrame(
        {
            "step": [300, 0, 100, 200],
            "dormant/tau0.025": [0.4, 0.1, 0.2, 0.3],
            "rank/x": [None, 5.0, float("nan"), 7.0],
            "note": ["a", "b", "c", "d"],
        }
    )
    found = condition_trends(table, None)
    assert found == {
        "dormant/tau0.025/mean": pytest.approx(0.25),
        "dormant/tau0.025/first": 0.1,
        "dormant/tau0.025/last": 0.4,
        "dormant/tau0.025/slope": pytest.approx(1.0),
        "rank/x/mean": 6.0,
        "rank/x/first": 5.0,
        "rank/x/last": 7.0,
        "rank/x/slope": None,
    }
    assert condition_trends(pl.DataFrame(), None) == {}
