"""Hazard and Growing: what is drawn has the law that `prior` states."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from streams.schedules.random import BLOCK, Growing, Hazard
from streams.tunnels.markov import Markov

TUNNELS = [Markov(2, 0.5)]


def path(world: Hazard | Growing, first: int, steps: int) -> np.ndarray:
    return np.array(
        [world.schedule(s, np.random.default_rng())[0] for s in range(first, first + steps)]
    )


@pytest.mark.parametrize(("regimes", "hazard"), [(2, 0.5), (3, 0.2), (5, 0.05)])
@pytest.mark.parametrize("first", [0, 10**6])
def test_regimes_change_at_the_hazard_and_to_any_other_alike(
    regimes: int, hazard: float, first: int
) -> None:
    """Changes are binomial; who follows whom is uniform over the others; each is live equally often."""
    world = Hazard(TUNNELS, regimes, hazard, steps=None, batch=1, time=2, probe=1, seed=1)
    steps = 10_000
    regime = path(world, first, steps)
    changes = np.flatnonzero(np.diff(regime))
    spread = np.sqrt(hazard * (1 - hazard) / steps)
    assert abs(len(changes) / (steps - 1) - hazard) <= 4 * spread
    gaps = np.diff(changes)
    assert abs(gaps.mean() * hazard - 1) < 0.2 and (gaps.min() == 1)
    pairs = Counter(zip(regime[changes].tolist(), regime[changes + 1].tolist(), strict=True))
    assert len(pairs) == regimes * (regimes - 1)
    if regimes > 2:
        for r in range(regimes):
            counts = [pairs[r, other] for other in range(regimes) if other != r]
            assert chisquare(counts).pvalue > 1e-3


def test_the_law_is_the_kernel_of_those_changes() -> None:
    """Stay with 1 - h, and to each of the others h / (K - 1): a matrix product."""
    world = Hazard(TUNNELS, 4, 0.3, steps=None)
    kernel = np.full((4, 4), 0.1)
    np.fill_diagonal(kernel, 0.7)
    before = np.array([0.6, 0.0, 0.1, 0.3])
    law = world.prior(5, {0: 0.6, 2: 0.1, 3: 0.3})
    np.testing.assert_allclose([law[r] for r in range(4)], before @ kernel, atol=1e-15)
    assert world.prior(0, None) == dict.fromkeys(range(4), 0.25)


def test_a_hazard_of_nothing_and_the_largest() -> None:
    still = Hazard(TUNNELS, 3, 0.0, steps=None, batch=1, time=2, probe=1)
    assert len(set(path(still, 0, 20)) | set(path(still, 5 * BLOCK - 3, 6))) == 1
    wild = Hazard(TUNNELS, 3, 2 / 3, steps=None, batch=1, time=2, probe=1)  # every step anew
    assert wild.prior(1, {0: 1.0}) == pytest.approx(dict.fromkeys(range(3), 1 / 3))


def test_blocks_join() -> None:
    """A walk forwards, one backwards, and jumps find one path, over blocks without any restart too."""
    for hazard, blocks in ((0.01, 3), (0.0005, 12)):
        world = Hazard(TUNNELS, 3, hazard, steps=None, batch=1, time=2, probe=1, seed=1)
        forwards = path(world, 0, length := blocks * BLOCK)
        again = Hazard(TUNNELS, 3, hazard, steps=None, batch=1, time=2, probe=1, seed=1)
        backwards = [path(again, s, 1)[0] for s in reversed(range(0, length, 97))]
        assert np.array_equal(forwards[::97], backwards[::-1])
        assert (np.diff(forwards) != 0).any()


@pytest.mark.parametrize(
    ("regimes", "hazard", "message"),
    [
        (1, 0.1, "regimes: expected 2 or more to change between, got 1"),
        (4, 0.76, r"hazard: expected at most \(regimes - 1\) / regimes = 3/4"),
    ],
)
def test_impossible_hazards_are_refused(regimes: int, hazard: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Hazard(TUNNELS, regimes, hazard)


def test_the_library_grows_and_every_visit_is_to_any_of_it() -> None:
    """Visits of 4 steps; one more regime every 10: pools by hand, frequencies over seeds."""
    args = {
        "regimes": 4,
        "period": 10,
        "visit": 4,
        "steps": None,
        "batch": 1,
        "time": 2,
        "probe": 1,
    }
    starts = range(0, 48, 4)
    pools = [
        1,
        1,
        1,
        2,
        2,
        3,
        3,
        3,
        4,
        4,
        4,
        4,
    ]  # at 0, 4, 8 | 12, 16 | 20, 24, 28 | 32 ... and no more
    worlds = [Growing(TUNNELS, seed=seed, **args) for seed in range(300)]
    assert [worlds[0].pool(s) for s in starts] == pools
    for start, pool in zip(starts, pools, strict=True):
        drawn = [path(world, start, 4) for world in worlds]
        assert all(len(set(visit)) == 1 for visit in drawn)
        counts = np.bincount([visit[0] for visit in drawn], minlength=pool)
        assert len(counts) == pool and (pool == 1 or chisquare(counts).pvalue > 1e-3)
        assert worlds[0].prior(start, {0: 1.0}) == dict.fromkeys(range(pool), 1 / pool)
        assert worlds[0].prior(start + 3, {0: 0.9, 1: 0.1}) == {0: 0.9, 1: 0.1}
