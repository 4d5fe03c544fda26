from collections import Counter
from collections.abc import Sequence
from math import exp, lgamma

import numpy as np
import pytest

from streams import Urn

from ..exact import Episode, assert_calibrated, assert_exact

ALPHA = [0.4, 1.0, 2.5]


def marginal(episodes: Sequence[Episode]) -> float:
    """The integral of theta^n over the Dirichlet: a ratio of multivariate beta functions."""
    n = Counter(x for episode in episodes for x in episode)
    a = [alpha + n[k] for k, alpha in enumerate(ALPHA)]
    log_beta = sum(map(lgamma, a)) - lgamma(sum(a))
    return exp(log_beta - sum(map(lgamma, ALPHA)) + lgamma(sum(ALPHA)))


def law(theta: np.ndarray, episode: Episode) -> float:
    return float(np.prod(theta[list(episode)]))


def test_exact():
    assert_exact(Urn(ALPHA), marginal, law, time=6)


def test_calibrated():
    assert_calibrated(Urn(ALPHA), time=6)


def test_first_symbol_is_evidence():
    x, y = np.array([[2]]), np.array([[0]])
    first = Urn([1.0, 1.0, 1.0]).observer().predict(x, y)
    np.testing.assert_allclose(first, [[[0.25, 0.25, 0.5]]])


def test_refuses():
    with pytest.raises(ValueError, match="alpha"):
        Urn([])
    urn, rng = Urn(ALPHA), np.random.default_rng(0)
    with pytest.raises(ValueError, match="time"):
        urn.draw(urn.latents(1, rng), 0, rng)


def test_names_itself():
    assert repr(Urn([1.0, 2.0])) == "Urn(alpha=[1.0, 2.0])"
