"""A strategy's randomness: another at every place, and the same when the place is gone to again."""

from itertools import product

import torch
from scipy.stats import kstest

from strategies import Finetune

from ...strategies import tiny

MADE = tiny.learner(Finetune())


def first(seed: int, step: int, update: int, *purpose: str) -> float:
    """The first number that a strategy draws there."""
    MADE.seed, MADE.step, MADE.update_index = seed, step, update
    rng = MADE.strategy.rng(MADE, *purpose)
    return torch.rand((), generator=rng, dtype=torch.float64).item()


def test_it_is_a_pure_function_of_seed_step_update_and_purpose():
    """2,000 places have 2,000 first numbers, uniform by Kolmogorov and Smirnov; some are had again."""
    places = [*product(range(5), range(100), range(2), ("", "observe"))]
    found = [first(*place) for place in places]
    assert len(set(found)) == len(places) == 2000 and kstest(found, "uniform").pvalue > 1e-4
    assert [first(*place) for place in places[::100]] == found[::100]


def test_a_seed_may_be_as_large_as_one_likes():
    assert first(2**100, 0, 0) != first(2**100 + 1, 0, 0)
