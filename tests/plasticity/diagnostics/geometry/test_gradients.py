"""The closed forms of what gradient descent does to attention, against autograd."""

import math

import torch
from torch import Tensor

from plasticity.diagnostics.geometry.capture import attention_weights
from plasticity.diagnostics.geometry.gradients import advantage, score_gradient, value_step


def attended() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(scores, weights, values, upstream) of causal attention under a loss that is no sum of outputs; float64."""
    generator = torch.Generator().manual_seed(0)
    s = torch.randn(2, 3, 5, 5, generator=generator, dtype=torch.float64).requires_grad_()
    v = torch.randn(2, 3, 5, 4, generator=generator, dtype=torch.float64).requires_grad_()
    a = s.masked_fill(torch.ones(5, 5, dtype=torch.bool).triu(1), -math.inf).softmax(-1)
    y = a @ v
    y.retain_grad()
    (y.tanh() * torch.randn(y.shape, generator=generator, dtype=torch.float64)).sum().backward()
    assert y.grad is not None
    return s, a, v, y.grad


def test_scores_move_by_advantage() -> None:
    """dL/ds_ij = a_ij (b_ij - E_a[b])."""
    s, a, v, u = attended()
    found = score_gradient(a, u, v)
    assert s.grad is not None
    assert (found - s.grad).abs().max() < 1e-6 and s.grad.abs().max() > 0.1
    assert found.sum(-1).abs().max() < 1e-12
    by_hand = torch.einsum("bhtc,bhsc->bhts", u, v)
    torch.testing.assert_close(advantage(u, v), by_hand)


def test_values_move_towards_what_their_readers_want() -> None:
    """dv_j = -eta sum_i a_ij u_i: a step of plain gradient descent on the values."""
    _, a, v, u = attended()
    assert v.grad is not None
    assert (value_step(a, u, 0.3) + 0.3 * v.grad).abs().max() < 1e-6


def test_weights_are_those_of_fused_attention() -> None:
    generator = torch.Generator().manual_seed(1)
    q, k, v = torch.randn(3, 2, 4, 7, 6, generator=generator, dtype=torch.float64)
    fused = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(attention_weights(q, k) @ v, fused)
