"""Scores against SciPy, and at their exact values."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from plasticity.metrics import KL, EntropyError, TotalVariation


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(5), (7, 3, 4)), rng.dirichlet(np.ones(5), (3, 4))


def test_kl_equals_scipy(pair) -> None:
    q, p = pair
    mine = KL.score(torch.from_numpy(q).log(), torch.from_numpy(p)).numpy()
    np.testing.assert_allclose(mine, entropy(np.broadcast_to(p, q.shape), q, base=2, axis=-1))


def test_kl_of_zero_probabilities() -> None:
    p = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64)
    half = torch.tensor([[[0.5, 0.5]]], dtype=torch.float64)
    assert KL.score(half.log(), p).item() == pytest.approx(1.0)
    assert KL.score(p.log(), p).item() == 0.0
    assert KL.score(p.log(), half).item() == math.inf


def test_entropy_error_and_total_variation(pair) -> None:
    q, p = pair
    log_q, truth = torch.from_numpy(q).log(), torch.from_numpy(p)
    expected = np.abs(entropy(q, base=2, axis=-1) - entropy(p, base=2, axis=-1))
    np.testing.assert_allclose(EntropyError.score(log_q, truth).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(
        TotalVariation.score(log_q, truth).numpy(), np.maximum(p - q, 0).sum(-1), atol=1e-12
    )


def test_right_entropy_on_wrong_symbols_fools_the_entropy_error_alone() -> None:
    p = torch.tensor([[[0.9, 0.1]]], dtype=torch.float64)
    q = p.flip(-1)
    assert EntropyError.score(q.log(), p).item() == pytest.approx(0, abs=1e-12)
    assert KL.score(q.log(), p).item() > 2


def test_update_accumulates_means_per_predictor(pair) -> None:
    q, p = pair
    metric = KL("informed")
    log_q, truth = torch.from_numpy(q).log(), torch.from_numpy(p)
    metric.update(log_q, truth)
    first = metric.batch_value.clone()
    metric.update(truth.log().expand_as(log_q), truth)
    assert first.shape == (7, log_q.shape[-2]), "a mean per predictor and position"
    assert torch.allclose(metric.batch_value, torch.zeros_like(first), atol=1e-12)
    assert torch.allclose(metric.compute(), first.mean(-1) / 2)
