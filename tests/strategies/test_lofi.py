"""LoFi against dense Kalman filters: linear-Gaussian, and extended with the exact information of a small network."""

from copy import deepcopy
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from plasticity import Updates
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import MLP
from strategies.lofi import LoFi, conditioned, solved, waited

from .teaching import jog, teach
from .tiny import ASKED, batch, learner

SIZE = 7


def gaussians(seed: int, *shape: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=rng, dtype=torch.float64)


def dense(diagonal: Tensor, low_rank: Tensor) -> np.ndarray:
    return np.linalg.inv(torch.diag(diagonal).numpy() + (low_rank @ low_rank.T).numpy())


def test_at_full_rank_it_is_the_kalman_filter_of_a_linear_gaussian_model():
    """A state that decays, theta <- .9 theta + noise, y = H theta + noise; in covariance form."""
    diagonal, low_rank = gaussians(0, SIZE).abs() + 0.5, torch.zeros(SIZE, SIZE).double()
    mean, mine = np.zeros(SIZE), torch.zeros(SIZE).double()
    P = dense(diagonal, low_rank)
    for step in range(5):
        H, y, noise = gaussians(step + 1, 3, SIZE), gaussians(step + 50, 3), 0.3
        mean, P = 0.9 * mean, 0.81 * P + 0.2 * np.eye(SIZE)
        gain = P @ H.numpy().T @ np.linalg.inv(H.numpy() @ P @ H.numpy().T + noise * np.eye(3))
        mean = mean + gain @ (y.numpy() - H.numpy() @ mean)
        P = (np.eye(SIZE) - gain @ H.numpy()) @ P

        diagonal, low_rank = waited(diagonal, low_rank, 0.9, 0.2)
        mine, columns = 0.9 * mine, H.T / noise**0.5
        force = H.T @ (y - H @ mine) / noise
        mine = mine + solved(diagonal, torch.cat([low_rank, columns], 1), force)
        diagonal, low_rank = conditioned(diagonal, low_rank, columns)
        np.testing.assert_allclose(mine.numpy(), mean, atol=1e-9)
        np.testing.assert_allclose(dense(diagonal, low_rank), P, atol=1e-9)


def test_what_the_rank_leaves_out_is_kept_on_the_diagonal():
    """The largest singular directions are kept whole; the precision's diagonal is exact at any rank."""
    diagonal, low_rank, columns = (
        torch.ones(SIZE).double(),
        gaussians(1, SIZE, 2),
        gaussians(2, SIZE, 3),
    )
    whole = low_rank @ low_rank.T + columns @ columns.T
    u, s, _ = np.linalg.svd(torch.cat([low_rank, columns], 1).numpy())
    after, kept = conditioned(diagonal, low_rank, columns)
    assert kept.shape == (SIZE, 2)
    np.testing.assert_allclose((kept @ kept.T).numpy(), u[:, :2] * s[:2] ** 2 @ u[:, :2].T)
    found = torch.diag(after) + kept @ kept.T
    np.testing.assert_allclose(found.diagonal().numpy(), (1 + whole.diagonal()).numpy())


def filtered(made: OnlineLearner, variance: float, decay: float, steps: int) -> np.ndarray:
    """The extended Kalman filter in natural form, dense: the weights after so many batches."""
    network = deepcopy(made.network).double()
    params = list(network.parameters())
    start = torch.cat([p.detach().flatten() for p in params])
    mean, cov = start.clone(), torch.eye(len(start)).double() * variance
    for step in range(steps):
        mean = start + decay * (mean - start)
        cov = decay**2 * cov + (1 - decay**2) * variance * torch.eye(len(start))
        torch.nn.utils.vector_to_parameters(mean, params)
        data = batch(step)
        precision, force = torch.linalg.inv(cov), torch.zeros_like(mean)
        for x, y in zip(data.inputs, data.targets, strict=True):
            z = network(x[None])[0]
            for t in range(5):
                if not ASKED[t]:
                    continue
                rows = [
                    torch.autograd.grad(z[t, k], params, retain_graph=True, materialize_grads=True)
                    for k in range(3)
                ]
                J = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])
                p = z[t].softmax(0).detach()
                precision += J.T @ (torch.diag(p) - torch.outer(p, p)) @ J
                force += J.T @ (torch.eye(3).double()[y[t]] - p)
        cov = torch.linalg.inv(precision)
        mean = mean + cov @ force
    return mean.numpy()


@pytest.mark.parametrize("decay", [1.0, 0.8])
def test_with_exact_information_and_full_rank_it_is_the_extended_kalman_filter(decay: float):
    torch.set_default_dtype(torch.float64)
    try:
        strategy = LoFi(rank=400, variance=0.05, decay=decay, information="exact")
        made = learner(strategy, cast(Any, MLP), width=4)
        jog(made)
        strategy.prior.copy_(strategy.mean(made))
        expected = filtered(made, 0.05, decay, 3)
        before = strategy.mean(made)
        for step in range(3):
            teach(made, step)
    finally:
        torch.set_default_dtype(torch.float32)
    assert np.abs(expected - before.numpy()).max() > 0.05
    np.testing.assert_allclose(strategy.mean(made).numpy(), expected, atol=1e-7)


def test_empirical_information_is_the_outer_product_of_each_sequences_gradient():
    made = learner(LoFi(rank=8, variance=0.01, decay=1.0))
    jog(made)
    strategy, data = cast(LoFi, made.strategy), batch(3)
    params, network = strategy.weights(made), deepcopy(made.network)
    grads = list[Tensor]()
    for x, y in zip(data.inputs, data.targets, strict=True):
        log_p = network(x[None])[0].log_softmax(-1)
        total = torch.stack([log_p[t, y[t]] for t in range(5) if ASKED[t]]).sum()
        found = torch.autograd.grad(total, list(network.parameters()), materialize_grads=True)
        grads.append(torch.cat([g.flatten() for g in found]).double())
    G = torch.stack(grads, 1)
    precision = torch.eye(len(G)).double() / 0.01 + G @ G.T
    before = torch.cat([p.detach().flatten() for p in params]).double()
    teach(made, 0, data)
    expected = before + torch.linalg.solve(precision, G.sum(1))
    torch.testing.assert_close(strategy.mean(made).double(), expected, atol=1e-5, rtol=1e-4)
    assert (expected - before).abs().max() > 1e-3


def test_without_data_it_forgets_towards_the_pretrained_weights_and_the_prior():
    diagonal, low_rank = torch.full((SIZE,), 10.0), gaussians(1, SIZE, 2).float()
    for _ in range(400):
        diagonal, low_rank = waited(diagonal, low_rank, 0.95, (1 - 0.95**2) * 0.5)
    torch.testing.assert_close(diagonal, torch.full((SIZE,), 2.0))
    assert low_rank.abs().max() < 1e-6


def test_iterated_it_finds_the_mode():
    """Of the posterior after one batch: no gradient is left where the prior's pull and the likelihood's balance."""
    strategy = LoFi(rank=400, variance=0.01, decay=1.0, information="exact")
    made = learner(strategy, width=4, updates=Updates(steps=25))
    start, data = strategy.mean(made), batch(1)
    teach(made, 0, data)
    log_p = made.network(data.inputs).log_softmax(-1)[:, ASKED]
    total = log_p.gather(-1, data.targets[:, ASKED][..., None]).sum()
    grads = torch.autograd.grad(total, strategy.weights(made), materialize_grads=True)
    force = torch.cat([g.flatten() for g in grads])
    pull = (strategy.mean(made) - start) / 0.01
    assert force.abs().max() > 0.1
    torch.testing.assert_close(force, pull, atol=2e-3, rtol=1e-2)
