"""Parameter vectors: all that is trained as one vector and back, and logits with other values of it."""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from plasticity.core.learner import Learner


def tensors_to_vector(tensors: Iterable[Tensor]) -> Float[Tensor, " numbers"]:
    """All their numbers in a row, one tensor after the other, however they lie in memory (as gradients do)."""
    return torch.cat([each.reshape(-1) for each in tensors])


def vector_to_tensors(row: Float[Tensor, " parameters"], like: Sequence[Tensor]) -> list[Tensor]:
    """Views of a row, one in the shape of each tensor: what `tensors_to_vector` put end to end."""
    pieces = row.split([each.numel() for each in like])
    return [piece.view_as(each) for piece, each in zip(pieces, like, strict=True)]


def gradient_vector(params: Sequence[nn.Parameter]) -> Float[Tensor, " parameters"]:
    """The gradients of these parameters as a row; 0 where there is none."""
    return tensors_to_vector(torch.zeros_like(p) if p.grad is None else p.grad for p in params)


def logits_with(
    learner: Learner, weights: Sequence[Tensor], inputs: Int[Tensor, "batch time"]
) -> Float[Tensor, "batch time symbols"]:
    """Logits of the learner's network with other values of what it trains; nothing moves.

    Args:
        learner: whose network is asked.
        weights: one tensor for each of `learner.trainable()`, in that order.
        inputs: observed symbols.
    """
    trained = learner.trainable()
    values = {id(p): value for p, value in zip(trained, weights, strict=True)}
    named = ((name, values.get(id(p))) for name, p in learner.network.named_parameters())
    swapped = {name: value for name, value in named if value is not None}
    return functional_call(learner.network, swapped, (inputs,))
