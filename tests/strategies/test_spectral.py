"""Spectral regularisation against singular values that NumPy computes."""

import numpy as np
import pytest
import torch
from torch import nn

from plasticity.networks import LSTM, MLP, GatedDeltaNet, Mamba, Transformer
from strategies import Finetune
from strategies.spectral import Spectral

from .teaching import jog, learn, learner, taught
from .tiny import batch


def matrices(network: nn.Module) -> list[nn.Parameter]:
    """All but embeddings."""
    return [
        p
        for module in network.modules()
        for p in module.parameters(recurse=False)
        if p.ndim == 2 and not isinstance(module, nn.Embedding)
    ]


def largest(network: nn.Module) -> list[float]:
    """Of each matrix that is no embedding, in float64."""
    numbers = (p.detach().double().numpy() for p in matrices(network))
    return [np.linalg.svd(m, compute_uv=False)[0] for m in numbers]


@pytest.mark.parametrize("network", [MLP, LSTM, Mamba, GatedDeltaNet, Transformer])
def test_it_begins_at_the_largest_singular_value_of_every_matrix(network: type):
    strategy, data = Spectral(strength=0.3, power=3), batch(1)
    made = learner(strategy, network)
    expected = largest(made.network)
    np.testing.assert_allclose([s.item() for s in strategy.stretches(made)], expected, rtol=1e-5)
    assert len(expected) >= 3
    found = strategy.penalty(made, data, made(data.inputs))
    total = sum((s * s * s - 1) ** 2 for s in expected)
    torch.testing.assert_close(found, torch.tensor(0.3 * total, dtype=torch.float32))


def test_power_iteration_finds_it_again():
    strategy = Spectral()
    made = learner(strategy)
    jog(made)
    gaps = []
    for rounds in (0, 1, 300):
        for _ in range(rounds):
            strategy.after_step(made)
        found = np.array([s.item() for s in strategy.stretches(made)])
        gaps.append(np.abs(found / largest(made.network) - 1).max())
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-4


def test_it_follows_while_the_network_learns():
    """From below, and with a lag where the second largest is near; without following it ends far off."""
    strategy, lazy = Spectral(strength=0.01), Spectral(strength=0.01)
    made = learner(strategy)
    lazy.attach(made)
    for step in range(40):
        learn(made, batch(step))
    truth = np.array(largest(made.network))
    found, stale = (np.array([s.item() for s in x.stretches(made)]) for x in (strategy, lazy))
    assert (found < truth * (1 + 1e-5)).all()
    np.testing.assert_allclose(found, truth, rtol=0.1)
    assert (stale < 0.9 * truth).any()


def test_gradient_is_that_of_the_singular_value():
    """Against central differences of NumPy's singular value, for a few entries of each matrix."""
    strategy, data = Spectral(strength=0.5, power=2), batch(1)
    made = learner(strategy)
    energy = strategy.penalty(made, data, made(data.inputs))
    assert torch.is_tensor(energy)
    weights = matrices(made.network)
    for weight, grad in zip(weights, torch.autograd.grad(energy, weights), strict=True):
        matrix, eps = weight.detach().double().numpy(), 1e-5
        for i, j in ((0, 0), (1, 2), (2, 1)):
            sides = []
            for sign in (1, -1):
                moved = matrix.copy()
                moved[i, j] += sign * eps
                top = np.linalg.svd(moved, compute_uv=False)[0]
                sides.append(0.5 * (top**2 - 1) ** 2)
            slope = (sides[0] - sides[1]) / (2 * eps)
            assert float(grad[i, j]) == pytest.approx(slope, rel=1e-3, abs=1e-5)


def test_alone_it_brings_every_matrix_to_one():
    strategy, data = Spectral(strength=0.1), batch(1)
    made = learner(strategy)
    strategy.loss = lambda learner, batch, logits: 0 * logits.sum()
    assert max(abs(s - 1) for s in largest(made.network)) > 0.5
    others = [p.detach().clone() for p in made.network.parameters() if p.ndim != 2]
    for _ in range(400):
        learn(made, data)
    np.testing.assert_allclose(largest(made.network), 1, atol=0.05)
    rest = [p for p in made.network.parameters() if p.ndim != 2]
    assert all(torch.equal(p, q) for p, q in zip(rest, others, strict=True))


def test_a_matrix_of_zeros_is_found_again_when_it_grows():
    strategy = Spectral()
    made = learner(strategy)
    weight = next(p for p in made.network.parameters() if p.ndim == 2)
    kept = weight.detach().clone()
    with torch.no_grad():
        weight.zero_()
        for _ in range(5):
            strategy.after_step(made)
        weight.copy_(kept)
    for _ in range(300):
        strategy.after_step(made)
    assert strategy.stretches(made)[0].item() == pytest.approx(largest(made.network)[0], rel=1e-4)


def test_strength_0_is_finetuning_and_more_is_not():
    plain, off, on = taught(Finetune()), taught(Spectral(strength=0.0)), taught(Spectral())
    assert all(torch.equal(v, off[k]) for k, v in plain.items())
    assert not any(torch.equal(v, on[k]) for k, v in plain.items() if v.ndim == 2)
