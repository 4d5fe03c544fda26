"""Gradual slides and Cyclic goes round: their weights, their boundaries and what is drawn."""

from typing import Any

import numpy as np
import pytest

from streams.schedules.gradual import Cyclic, Gradual
from streams.schedules.recurring import Recurring
from streams.tunnels.markov import Markov
from streams.tunnels.recall import Recall
from streams.tunnels.urn import Urn

TUNNELS = [Markov(2, 0.5)]


@pytest.mark.parametrize("slide", [1, 2, 5, 6, 10])
@pytest.mark.parametrize("regimes", [None, 2])
def test_the_weight_slides_linearly_around_each_boundary(slide: int, regimes: int | None) -> None:
    """At the middle of each step, read off the polygon that is flat between slides."""
    world = Gradual(TUNNELS, regimes, period=10, slide=slide, steps=40, batch=2, time=2, probe=1)
    for step in range(40):
        edges = [e for b in (10, 20, 30) for e in (b - slide / 2, b + slide / 2)]
        level = np.interp(step + 0.5, edges, [0, 1, 1, 2, 2, 3])  # which visit, in between too
        wanted = np.zeros(4)
        for visit in range(4):
            wanted[visit % (regimes or 4)] += max(0.0, 1 - abs(level - visit))
        law = world.prior(step, None)
        np.testing.assert_allclose([law.get(r, 0.0) for r in range(4)], wanted, atol=1e-12)
        assert world.shifts(step) == (step in (10, 20, 30))


def test_a_shift_is_where_the_larger_weight_changes() -> None:
    world = Gradual(TUNNELS, 3, period=10, slide=7, steps=None, batch=2, time=2, probe=1)
    largest = [max(law, key=law.__getitem__) for law in (world.prior(s, None) for s in range(100))]
    assert [world.shifts(s) for s in range(1, 100)] == [
        a != b for a, b in zip(largest, largest[1:], strict=False)
    ]
    alone = Gradual(TUNNELS, 1, period=10, slide=7, steps=None, batch=2, time=2, probe=1)
    assert alone.prior(10, None) == {0: 1.0} and not alone.shifts(10)


def test_a_slide_of_one_step_is_none() -> None:
    args: dict[str, Any] = {
        "regimes": 3,
        "period": 5,
        "steps": 30,
        "batch": 2,
        "time": 2,
        "probe": 1,
    }
    slid, whole = Gradual(TUNNELS, slide=1, **args), Recurring(TUNNELS, **args)
    for step in range(30):
        assert set(slid.live(step)) == set(whole.live(step))
        assert slid.shifts(step) == whole.shifts(step)


def test_a_regime_is_over_when_it_has_slid_out() -> None:
    for slide in range(1, 11):
        world = Gradual(TUNNELS, None, period=10, slide=slide, steps=60, batch=2, time=2, probe=1)
        for regime in range(5):
            weighs = [s for s in range(60) if world.prior(s, None).get(regime, 0.0) > 0]
            assert [s for s in range(60) if world.retired(regime, s)][0] == weighs[-1]


def test_a_slide_over_more_than_two_regimes_is_refused() -> None:
    with pytest.raises(ValueError, match="slide: expected at most the period, 10 steps, got 11"):
        Gradual(TUNNELS, period=10, slide=11)


@pytest.mark.parametrize("kind", [Gradual, Cyclic])
def test_tunnels_that_ask_differently_cannot_be_mixed(kind: type[Gradual] | type[Cyclic]) -> None:
    recall = Recall(keys=2, values=2, pairs=1, queries=1)
    urn = Urn([1.0] * recall.vocab)
    with pytest.raises(ValueError, match=r"alphabets differ|mixes tunnels which ask"):
        kind([urn, recall])


def test_proportions_go_round_a_circle() -> None:
    """The weight of a regime is a tent of half-width `period` around its own moment, on the circle."""
    world = Cyclic(TUNNELS, 3, period=4, steps=None, batch=2, time=2, probe=1)
    for step in range(50):
        law = world.prior(step, None)
        for regime in range(3):
            away = abs((step - 4 * regime + 6) % 12 - 6)  # steps, the short way round
            assert law.get(regime, 0.0) == pytest.approx(max(0.0, 1 - away / 4))
        assert not world.shifts(step)
    assert not any(world.retired(regime, 49) for regime in range(3))
    assert Cyclic(TUNNELS, 1, period=4).prior(3, None) == {0: 1.0}


@pytest.mark.parametrize(
    "world",
    [
        Gradual(TUNNELS, 3, period=8, slide=6, steps=None, batch=4000, time=2, probe=1),
        Cyclic(TUNNELS, 3, period=8, steps=None, batch=4000, time=2, probe=1),
    ],
)
def test_each_sequence_draws_by_the_law(world: Gradual | Cyclic) -> None:
    """Frequencies in batches of 4,000, within 5 standard errors."""
    for step in range(30):
        live, law = world.live(step), world.prior(step, None)
        for regime in range(3):
            p = law.get(regime, 0.0)
            assert abs((live == regime).mean() - p) <= 5 * np.sqrt(p * (1 - p) / 4000)
