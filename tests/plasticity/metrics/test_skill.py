"""Skill, gain, and the trend of skill on tables small enough to do by hand."""

import numpy as np
import polars as pl
import pytest

from plasticity.metrics.skill import gain, skill, skill_trend
from plasticity.metrics.visits import visits


def table(model: np.ndarray, amnesic: np.ndarray, length: int) -> pl.DataFrame:
    """Visits of equal length; the continual observer is at 0."""
    step = np.arange(len(model))
    head = {"step": step, "regime": step // length, "shift": (step % length == 0) & (step > 0)}
    bits = {"kl/model": model, "kl/amnesic": amnesic, "kl/continual": np.zeros(len(model))}
    return pl.DataFrame(head | bits)


def test_a_visit_in_which_little_could_be_carried_over_hardly_counts() -> None:
    """Skill rises by .01 a visit, but for two visits whose ideals differ by .011 bit, where it is noise: -8 and 6."""
    gap = np.array([1.0, 1.0, 0.011, 1.0, 1.0, 1.0, 0.011, 1.0])
    wanted = 0.5 + 0.01 * np.arange(8)
    each = np.where(gap < 0.1, [0, 0, -8, 0, 0, 0, 6, 0], wanted)
    steps = table(np.repeat(gap - each * gap, 10), np.repeat(gap, 10), 10)
    slope, low, high = (float(end or 0) for end in skill_trend(steps, visits(steps)))
    plain = 100 * np.polyfit(np.arange(8), each, 1)[0]
    assert plain > 50, "every visit alike: nonsense"
    assert slope == pytest.approx(1, abs=0.1)
    assert low < slope < high


def test_weighing_by_the_gap_fits_the_bits_of_the_numerator() -> None:
    rng = np.random.default_rng(0)
    gap, noise = rng.uniform(0.02, 1, 9), 0.05 * rng.normal(size=9)
    carried = gap * (0.3 + 0.02 * np.arange(9)) + noise
    steps = table(np.repeat(gap - carried, 10), np.repeat(gap, 10), 10)
    design = np.stack([gap, gap * np.arange(9)], 1)
    _, slope = np.linalg.lstsq(design, carried, rcond=None)[0]
    assert skill_trend(steps, visits(steps))[0] == pytest.approx(100 * slope)


def test_the_interval_of_the_trend_holds_the_true_slope_in_95_of_100_worlds() -> None:
    """The numerator is as noisy in every visit, what could be carried over is not the same in any two."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(500):
        gap = rng.uniform(0.02, 1, 8)
        bits = gap * (1 - 0.3 - 0.05 * np.arange(8)) + 0.05 * rng.normal(size=8)
        steps = table(np.repeat(bits, 2), np.repeat(gap, 2), 2)
        _, low, high = skill_trend(steps, visits(steps))
        hits += low is not None and high is not None and low <= 5 <= high
    assert abs(hits / 500 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 500)


def test_gain_counts_from_where_the_network_starts() -> None:
    """A network .4 bits above the amnesic bound of 1: half-way to the continual observer is skill .3, gain .5."""
    steps = table(np.full(20, 0.7), np.ones(20), 10)
    assert skill(steps) == pytest.approx(0.3)
    assert gain(steps, np.full(20, 1.4)) == pytest.approx(0.5)
    assert gain(steps, np.ones(20)) == skill(steps), "on the bound it is the skill"
    assert gain(steps, np.full(20, 0.7)) == 0, "never to learn gains nothing"
    assert gain(steps, None) is gain(steps, np.full(20, 0.009)) is None
