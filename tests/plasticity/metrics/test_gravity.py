import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasticity.metrics.gravity import gravity, law_change, log_odds, lost, switch

SEEN = np.array([0, 0, 2, 5, 9, 20])


def noisy(answer: int, noise: float, symbols: int) -> np.ndarray:
    return noise / symbols + (1 - noise) * np.eye(symbols)[answer]


def kl(p: np.ndarray, q: np.ndarray) -> float:
    return float((p * np.log2(p / q)).sum())


@given(
    st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6),
    st.floats(0.01, 0.9),
)
def test_log_odds_are_those_of_the_two_answers(weights: list[float], noise: float):
    """From two divergences, whatever else the predictor says."""
    q = np.array(weights) / sum(weights)
    revised, old = (noisy(answer, noise, len(q)) for answer in (1, 0))
    found = log_odds(np.array([kl(revised, q)]), np.array([kl(old, q)]), noise)
    assert found[0] == pytest.approx(np.log2(q[1] / q[0]), abs=1e-9)


def test_a_mind_is_changed_when_it_stays_changed():
    odds = np.array([-3.0, -3.0, 1.0, -0.1, 0.1, 2.0])
    assert switch(odds, SEEN) == 9
    assert switch(-odds, SEEN) is None
    assert switch(np.abs(odds), SEEN) == 0
    assert switch(np.append(odds[:-1], 0.0), SEEN) is None, "no preference is not yet another mind"


def test_gravity_is_a_ratio_of_counts():
    assert gravity(20, 5) == 4.0 and gravity(5, 5) == 1.0
    assert gravity(None, 5) is None and gravity(5, None) is None
    assert gravity(5, 0) is None, "the ideal one had no need of anomalies"


def bits(odds: list[float]) -> np.ndarray:
    """Divergences under both laws on anomalies, and where nothing was seen, of these log odds at noise 1/2."""
    old = np.maximum(np.array(odds), 0) / 2
    revised = old - np.array(odds) / 2
    return np.stack([revised, old, revised, old], axis=1)


IDEAL = bits([-4, -4, -1, 3, 3, 3])


def test_the_ideal_reasoner_has_gravity_one():
    found = law_change(IDEAL, IDEAL, SEEN, 0.5)
    assert found.switched == found.ideal == found.consequences == 5
    assert found.gravity == found.at_least == 1.0
    assert found.held == 4 and found.lost == found.lost_ideal


def test_a_learner_that_switches_later_has_more_and_loses_more():
    found = law_change(bits([-4, -4, -4, -2, 1, 1]), IDEAL, SEEN, 0.5)
    assert (found.switched, found.ideal, found.gravity) == (9, 5, 9 / 5)
    assert found.lost == pytest.approx(2 * (0 + 2) + 2 * 3 + 1 * 4 + 0 * 11)
    assert found.lost_ideal == pytest.approx(2 * (0 + 2) + 0.5 * 3)


def test_a_learner_that_never_switches_is_censored():
    found = law_change(bits([-4, -4, -4, -2, -1, -1]), IDEAL, SEEN, 0.5)
    assert (found.switched, found.gravity, found.at_least) == (None, None, 4.0)
    assert found.unseen == 0.5 and found.unseen_ideal == 0.0


def test_a_learner_that_never_held_the_old_law_has_none():
    found = law_change(bits([-4, 1, 1, 1, 1, 1]), IDEAL, SEEN, 0.5)
    assert found.switched == 0 and found.held == -1
    assert found.gravity is None and found.at_least is None


def test_bits_are_lost_at_the_rate_of_the_checkpoint_before():
    assert lost(np.array([5.0, 4.0, 3.0, 2.0, 1.0, 0.0]), SEEN) == 4 * 2 + 3 * 3 + 2 * 4 + 1 * 11


def test_a_learner_that_was_lost_does_not_stick_to_its_law():
    lost = bits([-4, -4, -4, -2, -1, -1])
    lost[3:] = np.nan
    found = law_change(lost, IDEAL, SEEN, 0.5)
    assert found.switched is found.gravity is found.at_least is None
