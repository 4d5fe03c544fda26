"""Detectors: alarmed by a loss that rises, and by no other; exactly what they were after a checkpoint."""

import numpy as np
import pytest

from plasticity.core.detector import ADWIN, Detector, PageHinkley
from plasticity.engine import archive

BOTH = [PageHinkley, ADWIN]


def alarms(detector: Detector, losses: np.ndarray) -> list[int]:
    return [step for step, loss in enumerate(losses) if detector.update(float(loss))]


def noise(seed: int, *levels: tuple[float, int], scatter: float = 0.05) -> np.ndarray:
    """Normal losses around each level in turn, for so many steps."""
    means = np.concatenate([np.full(steps, level) for level, steps in levels])
    return means + np.random.default_rng(seed).normal(0, scatter, len(means))


def page(losses: np.ndarray, delta: float, threshold: float, wait: int) -> list[int]:
    """Page-Hinkley from its definition: every sum from the last alarm on, computed anew at every step."""
    found, begin = list[int](), 0
    for t in range(len(losses)):
        x = losses[begin : t + 1]
        means = np.array([x[: i + 1].mean() for i in range(len(x))])
        sums = np.array([(x[: i + 1] - means[: i + 1] - delta).sum() for i in range(len(x))])
        if len(x) >= wait and sums[-1] - sums.min() > threshold:
            found.append(t)
            begin = t + 1
    return found


@pytest.mark.parametrize("delta, threshold, wait", [(0.02, 1.0, 20), (0.0, 0.5, 1), (0.1, 0.3, 7)])
def test_page_hinkley_is_its_definition(delta: float, threshold: float, wait: int):
    found = 0
    for seed in range(4):
        losses = noise(seed, (1.0, 60), (1.4, 60), (0.8, 30), (1.6, 60), scatter=0.1)
        expected = page(losses, delta, threshold, wait)
        assert alarms(PageHinkley(delta, threshold, wait), losses) == expected
        found += len(expected)
    assert found > 4


@pytest.mark.parametrize("wait", [1, 5, 20])
def test_alarms_are_at_least_wait_steps_apart(wait: int):
    losses = 10.0 * np.arange(100) ** 2
    found = alarms(PageHinkley(0.0, 0.01, wait), losses)
    gaps = np.diff([-1, *found])
    assert gaps.min() == max(wait, 2)  # one step alone is its own mean


@pytest.mark.parametrize("kind, slowest", [(PageHinkley, 4), (ADWIN, 40)])
def test_a_rise_is_noticed_soon_and_once(kind: type[Detector], slowest: int):
    """Half a nat, ten times what a loss scatters; so many steps, of 20 seeds the slowest."""
    for seed in range(20):
        found = alarms(kind(), noise(seed, (1.0, 200), (1.5, 200)))
        assert len(found) == 1 and 200 <= found[0] < 200 + slowest


@pytest.mark.parametrize("kind", BOTH)
def test_a_loss_that_falls_is_no_alarm(kind: type[Detector]):
    """At once, or by and by, as learning does it."""
    learning = 1.5 * np.exp(-np.arange(400) / 60)
    for seed in range(20):
        assert not alarms(kind(), noise(seed, (2.0, 100), (1.0, 300)))
        assert not alarms(kind(), learning + noise(seed, (0.5, 400)))


@pytest.mark.parametrize("kind", BOTH)
def test_nor_is_it_long_after(kind: type[Detector]):
    """A sum that is forgotten by and by, as river's is by default, rises all the time."""
    assert not alarms(kind(), noise(0, (5.0, 100), (1.0, 10_000)))


@pytest.mark.parametrize("kind", BOTH)
def test_after_a_fall_a_rise_is_noticed_still(kind: type[Detector]):
    for seed in range(10):
        found = alarms(kind(), noise(seed, (2.0, 100), (1.0, 200), (1.7, 100)))
        assert len(found) == 1 and found[0] >= 300


@pytest.mark.parametrize("scatter", [0.08, 0.1, 0.15])
def test_false_alarms_of_page_hinkley_are_as_rare_as_it_says(scatter: float):
    """At most 2 d^2 / (s^2 (e^a - 1 - a)) per step, a = 2 d h / s^2, and no less than a third of it.

    30 seeds of 2,000 steps; a Poisson count may be 4.5 standard deviations off.
    """
    a = 2 * 0.02 * 1.0 / scatter**2
    expected = 60_000 * 2 * 0.02**2 / (scatter**2 * (np.exp(a) - 1 - a))
    count = sum(
        len(alarms(PageHinkley(0.02, 1.0), noise(seed, (1.0, 2000), scatter=scatter)))
        for seed in range(30)
    )
    assert expected / 3 - 4.5 * np.sqrt(expected / 3) <= count
    assert count <= expected + 4.5 * np.sqrt(expected)


@pytest.mark.parametrize("scatter", [0.05, 0.3, 1.0])
def test_false_alarms_of_adwin_are_rarer_than_delta(scatter: float):
    """Per look; 20 seeds of 1,000 steps, and the bound is 2 % here."""
    count = sum(
        len(alarms(ADWIN(delta=0.02), noise(seed, (3.0, 1000), scatter=scatter)))
        for seed in range(20)
    )
    assert count <= 0.02 * 20_000


def test_adwin_looks_only_when_the_clock_says():
    losses = noise(0, (1.0, 200), (2.0, 100))
    (every,), (tenth,) = alarms(ADWIN(clock=1), losses), alarms(ADWIN(clock=10), losses)
    assert every <= tenth < every + 10 and (tenth + 1) % 10 == 0


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("cut", [10, 150, 203, 230])
def test_a_checkpoint_holds_all_that_it_knows(kind: type[Detector], cut: int):
    """Saved as data and loaded; cut before, in and after a rise."""
    losses = noise(3, (1.0, 200), (1.5, 60), (2.2, 60))
    whole, first, second = kind(), kind(), kind()
    expected = alarms(whole, losses)
    begun = alarms(first, losses[:cut])
    second.load_state_dict(archive.unpacked(archive.packed(first.state_dict())))
    assert archive.packed(second.state_dict()) == archive.packed(first.state_dict())
    assert begun + [cut + step for step in alarms(second, losses[cut:])] == expected
    assert archive.packed(second.state_dict()) == archive.packed(whole.state_dict())
    assert len(expected) == 2


@pytest.mark.parametrize("kind", BOTH)
def test_what_it_remembers_stays_small(kind: type[Detector]):
    """Bytes of a checkpoint: constant, or the logarithm of the steps."""
    size = list[int]()
    detector = kind()
    for part in range(4):
        alarms(detector, noise(part, (1.0, 2000)))
        size.append(len(archive.packed(detector.state_dict())))
    assert size[-1] < 1.3 * size[0]
