"""Scores against SciPy, and at their exact values."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from plasticity.core.predictors import AMNESIC, CONTINUAL, INFORMED, PREDICTORS
from plasticity.engine.scorer import COLUMNS, entropy_error, kl, score, total_variation


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(5), (7, 3, 4)), rng.dirichlet(np.ones(5), (3, 4))


def test_kl_equals_scipy(pair) -> None:
    q, p = pair
    mine = kl(torch.from_numpy(q).log(), torch.from_numpy(p)).numpy()
    np.testing.assert_allclose(mine, entropy(np.broadcast_to(p, q.shape), q, base=2, axis=-1))


def test_kl_of_zero_probabilities() -> None:
    p = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64)
    half = torch.tensor([[[0.5, 0.5]]], dtype=torch.float64)
    assert kl(half.log(), p).item() == pytest.approx(1.0)
    assert kl(p.log(), p).item() == 0.0
    assert kl(p.log(), half).item() == math.inf


def test_entropy_error_and_total_variation(pair) -> None:
    q, p = pair
    said, truth = torch.from_numpy(q), torch.from_numpy(p)
    expected = np.abs(entropy(q, base=2, axis=-1) - entropy(p, base=2, axis=-1))
    np.testing.assert_allclose(entropy_error(said, truth).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(
        total_variation(said, truth).numpy(), np.maximum(p - q, 0).sum(-1), atol=1e-12
    )


def test_right_entropy_on_wrong_symbols_fools_the_entropy_error_alone() -> None:
    p = torch.tensor([[[0.9, 0.1]]], dtype=torch.float64)
    q = p.flip(-1)
    assert entropy_error(q, p).item() == pytest.approx(0, abs=1e-12)
    assert kl(q.log(), p).item() > 2


def test_scores_are_means_over_the_batch_of_every_predictor_against_its_reference() -> None:
    """In the order of COLUMNS, the learner first; whether batches are scored together or one by one."""
    rng, size = np.random.default_rng(1), (2, len(PREDICTORS), 3, 4)
    logits, said = rng.normal(size=(2, 3, 4, 5)), rng.dirichlet(np.ones(5), size)
    came = rng.integers(5, size=(2, 3, 4))
    mine = score(*map(torch.from_numpy, (logits, came, said))).numpy()
    assert mine.shape == (2, len(COLUMNS), 1 + len(PREDICTORS), 4)
    own = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    every = np.concatenate([own[:, None], said], 1)
    informed, continual, amnesic = (said[:, [i]] for i in (INFORMED, CONTINUAL, AMNESIC))
    point = np.eye(5)[came][:, None]
    bits = [
        entropy(np.broadcast_to(p, every.shape), every, base=2, axis=-1)
        for p in (informed, continual, amnesic, point)
    ]
    bits.append(np.abs(informed - every).sum(-1) / 2)
    bits.append(np.abs(entropy(every, base=2, axis=-1) - entropy(amnesic, base=2, axis=-1)))
    np.testing.assert_allclose(mine, np.stack(bits, 1).mean(-2), atol=1e-12)
    apart = [score(*(torch.from_numpy(each[i]) for each in (logits, came, said))) for i in (0, 1)]
    assert np.array_equal(mine, torch.stack(apart).numpy())
