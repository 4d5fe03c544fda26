"""IVON against the paper's algorithm in NumPy, and its law: what is certain stays."""

from copy import deepcopy

import numpy as np
import torch

from plasticity.engine.learner import OnlineLearner
from plasticity.networks import MLP
from strategies.ivon import IVON

from .teaching import jog, mean, teach
from .tiny import batch, learner

ESS, H0, DELTA, B1, B2, LR = 50.0, 0.3, 0.2, 0.8, 0.9, 0.05


def flat(made: OnlineLearner) -> np.ndarray:
    return torch.cat([p.detach().flatten() for p in made.network.parameters()]).double().numpy()


def test_four_steps_are_those_of_the_paper():
    """Draws are read off where the gradient was taken; all else is written anew."""
    strategy = IVON(ESS, H0, DELTA, B1, B2, LR)
    made = learner(strategy, MLP)
    jog(made)
    start = flat(made)
    strategy.prior.copy_(torch.from_numpy(start))
    m, g, h = start.copy(), np.zeros_like(start), np.full_like(start, H0)
    drawn = list[np.ndarray]()
    made.before_backward = lambda loss: drawn.append(flat(made))
    for step in range(4):
        teach(made, step)
        theta, copy = drawn[step], deepcopy(made.network)
        torch.nn.utils.vector_to_parameters(torch.from_numpy(theta).float(), copy.parameters())
        grads = torch.autograd.grad(mean(copy, batch(step)), list(copy.parameters()))
        grad = torch.cat([x.flatten() for x in grads]).double().numpy()
        sigma2 = 1 / (ESS * (h + DELTA))
        estimate = grad * (theta - m) / sigma2
        g = B1 * g + (1 - B1) * grad
        h = B2 * h + (1 - B2) * estimate + 0.5 * (1 - B2) ** 2 * (h - estimate) ** 2 / (h + DELTA)
        m = m - LR * (g / (1 - B1 ** (step + 1)) + DELTA * (m - start)) / (h + DELTA)
        np.testing.assert_allclose(flat(made), m, atol=2e-5)
        np.testing.assert_allclose(strategy.curvature.numpy(), h, rtol=2e-2, atol=2e-3)
    assert np.abs(m - start).max() > 0.02 and (h > -DELTA).all()


def test_draws_have_the_posteriors_variance_and_differ_from_step_to_step():
    strategy = IVON(ess=10.0, hessian=0.4, decay=0.1, lr=1e-9)
    made = learner(strategy, MLP)
    start, drawn = flat(made), list[np.ndarray]()
    made.before_backward = lambda loss: drawn.append(flat(made) - start)
    for step in range(2):
        teach(made, step)
    for each in drawn:
        np.testing.assert_allclose(each.std(), (10 * 0.5) ** -0.5, rtol=0.1)
    assert abs(np.corrcoef(drawn[0], drawn[1])[0, 1]) < 0.2


def test_what_is_certain_moves_less():
    """Two learners, one ten times as sure of every weight: it goes a tenth as far."""
    moves = list[np.ndarray]()
    for hessian in (1.0, 10.0):
        made = learner(IVON(ess=1e12, hessian=hessian, decay=1e-9, beta2=1.0, lr=0.1), MLP)
        before = flat(made)
        teach(made, 0)
        moves.append(flat(made) - before)
    np.testing.assert_allclose(moves[0], 10 * moves[1], atol=1e-5)
    assert np.abs(moves[0]).max() > 1e-3


def test_without_a_gradient_it_goes_back_to_the_pretrained_weights():
    strategy = IVON(ess=1e12, hessian=0.1, decay=0.1, beta1=0.0, beta2=1.0, lr=0.5)
    made = learner(strategy, MLP)
    away = strategy.prior + 1
    found = strategy.moved(away, torch.zeros_like(away), torch.zeros_like(away), 0.5)
    torch.testing.assert_close(found, away - 0.5 * 0.1 / 0.2)
    assert made.strategy.takes_step
