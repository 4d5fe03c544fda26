from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import exp, lgamma

import numpy as np
import pytest

from streams import Markov

from ..exact import Episode, assert_calibrated, assert_exact

SYMBOLS, CONCENTRATION = 3, 0.5


def marginal(episodes: Sequence[Episode]) -> float:
    """One Dirichlet integral per row of the matrix; the uniform x_0 is a constant."""
    n = Counter(step for episode in episodes for step in pairwise(episode))
    total = 0.0
    for i in range(SYMBOLS):
        row = [CONCENTRATION + n[i, k] for k in range(SYMBOLS)]
        total += sum(map(lgamma, row)) - lgamma(sum(row))
    return exp(total)


def law(matrix: np.ndarray, episode: Episode) -> float:
    return float(np.prod([matrix[i, k] for i, k in pairwise(episode)])) / SYMBOLS


def test_exact():
    assert_exact(Markov(SYMBOLS, CONCENTRATION), marginal, law, time=6)


def test_calibrated():
    assert_calibrated(Markov(SYMBOLS, CONCENTRATION), time=6)


def test_first_symbol_is_no_evidence():
    observer = Markov(SYMBOLS, CONCENTRATION).observer()
    x, y = np.array([[0, 1]]), np.array([[1, 2]])
    np.testing.assert_allclose(observer.predict(x, y), np.full((1, 2, 3), 1 / 3))
    np.testing.assert_array_equal(
        observer.absorb(x, y).counts, [[0.5, 1.5, 0.5], [0.5, 0.5, 1.5], [0.5, 0.5, 0.5]]
    )


def test_draws_the_matrix():
    """20,000 transitions, each row within 5 standard errors of its law."""
    tunnel, rng = Markov(SYMBOLS, 1.0), np.random.default_rng(3)
    matrix = tunnel.latents(1, rng)
    x, y = tunnel.draw(np.repeat(matrix, 2000, axis=0), 10, rng)
    n = np.zeros((SYMBOLS, SYMBOLS))
    np.add.at(n, (x, y), 1)
    error = n / n.sum(1, keepdims=True) - matrix[0]
    assert (np.abs(error) < 5 * np.sqrt(0.25 / n.sum(1, keepdims=True))).all()
    assert np.abs(np.bincount(x[:, 0]) / 2000 - 1 / 3).max() < 0.06


def test_refuses():
    tunnel, rng = Markov(SYMBOLS, CONCENTRATION), np.random.default_rng(0)
    with pytest.raises(ValueError, match="time"):
        tunnel.draw(tunnel.latents(1, rng), 0, rng)
