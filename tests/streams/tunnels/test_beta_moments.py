"""Moments of a Beta variable shown through a mixture, against sums of fractions; their cost is constant."""

import time
from fractions import Fraction
from math import comb

import numpy as np
import pytest

from streams.tunnels.belief_revision import BeliefRevision, RowsObserver
from streams.tunnels.beta_moments import quadrature

SHAPES = [(3, 45), (3, 3), (10, 10), (25, 25), (10, 150), (1, 1), (70, 30), (3, 6)]
"""Of the Beta, in tenths."""
COUNTS = [(0, 0), (1, 0), (0, 1), (3, 2), (20, 10), (120, 60), (0, 300), (300, 0), (300, 2)]


def moments(c: Fraction, b: Fraction, own: int, other: int) -> Fraction:
    """E[(d + 2)^own (1 - d)^other], d ~ Beta(c, b), by the binomial theorem."""
    total, term = Fraction(0), Fraction(1)
    for j in range(other):
        term *= (b + j) / (c + b + j)
    for i in range(own + 1):
        total += comb(own, i) * 2 ** (own - i) * term
        term *= (c + i) / (c + b + other + i)
    return total


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_expectations_are_ratios_of_moments(shape: tuple[int, int]):
    c, b = (Fraction(tenths, 10) for tenths in shape)
    own, other = np.array(COUNTS).T
    more, rest, weight = quadrature(float(c), float(b), own, other)
    for row, (m, k) in enumerate(COUNTS):
        below = moments(c, b, m, k)
        for i, j in ((1, 0), (0, 1), (3, 2), (0, 5)):
            exact = float(moments(c, b, m + i, k + j) / below)
            found = (more[row] ** i * rest[row] ** j) @ weight[row]
            assert found == pytest.approx(exact, rel=2e-13)


def after(episodes: int) -> RowsObserver:
    """Counts as so many episodes of a typical world leave them."""
    tunnel = BeliefRevision()
    latent = tunnel.latents(1, np.random.default_rng(0))[0]
    counts = np.rint(latent * 5 * episodes / 16).astype(np.int64)
    return RowsObserver(counts, 5, tunnel.concentration, format=tunnel.observer().format)


def test_what_was_absorbed_costs_nothing():
    """Ten thousand times as many episodes: processor time of a prediction, the least of five."""
    tunnel, rng = BeliefRevision(), np.random.default_rng(1)
    x, y = tunnel.draw(tunnel.latents(8, rng), 108, rng)
    least = list[float]()
    for episodes in (160, 1_600_000):
        took = list[float]()
        for _ in range(5):
            observer = after(episodes)
            begin = time.process_time()
            said = observer.predict(x, y)
            took.append(time.process_time() - begin)
            assert np.isfinite(said).all()
        least.append(min(took))
    assert least[1] < 3 * least[0]


def test_much_evidence_makes_the_matrix_known():
    """After a million episodes it predicts as one who knows the matrix does."""
    tunnel, rng = BeliefRevision(), np.random.default_rng(2)
    latent = tunnel.latents(1, np.random.default_rng(0))
    x, y = tunnel.draw(np.repeat(latent, 32, axis=0), 108, rng)
    known = tunnel.informed(np.repeat(latent, 32, axis=0)).predict(x, y)[:, -1]
    far = [np.abs(after(n).predict(x, y)[:, -1] - known).max() for n in (1_000, 1_000_000)]
    assert far[1] < 2e-3 < far[0]
