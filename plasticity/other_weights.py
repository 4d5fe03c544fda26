"""Elsewhere: what a learner would say if its weights stood elsewhere; they do not move."""

from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor
from torch.func import functional_call

from plasticity.learner import Learner


def elsewhere(
    learner: Learner, weights: Sequence[Tensor], inputs: Int[Tensor, "batch time"]
) -> Float[Tensor, "batch time symbols"]:
    """Logits of the learner with other values of what it trains.

    Args:
        learner: whose network is asked.
        weights: one tensor for each of what `learner.strategy` says is trainable, in that order.
        inputs: observed symbols.
    """
    trained = learner.strategy.trainable(learner)
    values = {id(p): value for p, value in zip(trained, weights, strict=True)}
    named = ((name, values.get(id(p))) for name, p in learner.named_parameters())
    swapped = {name: value for name, value in named if value is not None}
    return functional_call(learner, swapped, (inputs,))
