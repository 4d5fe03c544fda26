"""In-place test-time training: the last output matrix of a block is fast, all else is frozen."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from plasticity import (
    Batch,
    Count,
    Fraction,
    Learner,
    Positive,
    Strategy,
    hidden_units,
    tensors_to_vector,
    vector_to_tensors,
)


class InPlaceTTT(Strategy):
    """In-place test-time training: the matrix by which the last blocks' hidden units go out follows the stream.

    W <- W - lr grad_W L, chunk by chunk (`updates: {per: chunk}`);  after an episode W <- W_0 + carry (W - W_0)
    (Feng et al. 2026, arXiv 2604.06169: the final projection of an MLP as fast weights, in place)

    In a Transformer it is the output projection of the feedforward layer, in the others that of the mixer, or what
    the cells are fed back by. The paper's target is a learned map of the tokens that come, with a step in closed
    form, and its fast weights start anew with each document (carry 0). Here the loss is the log loss itself, which
    no pretraining has to prepare, and by default what was learned is carried over. An episode is a batch where
    `updates` cut no finer.

    Nothing turns it into Finetune. Cost per step: forward + backward down to the lowest matrix. Memory: the matrices.

    Args:
        blocks: whose matrices are fast, the last ones.
        carry: share of what was learned that the next episode begins with.
        lr: learning rate; null: the experiment's optimizer decides.

    Raises:
        ValueError: at attach, the network declares no hidden units.
    """

    anchored = True
    start: Float[Tensor, " parameters"]

    def __init__(self, blocks: Count = 1, carry: Fraction = 1.0, lr: Positive | None = None):
        super().__init__(lr)
        self.blocks, self.carry = blocks, carry

    def attach(self, learner: Learner) -> None:
        """Freeze the network but for its fast matrices, and note where they are."""
        network = learner.network
        fast = [each.outgoing.parameter for each in hidden_units(network)[-self.blocks :]]
        if not fast:
            raise ValueError(
                f"InPlaceTTT: {type(network).__name__} has no layer with `declare_units`: expected one, whose units' "
                "output matrix is to be fast"
            )
        for p in network.parameters():
            p.requires_grad_(any(p is each for each in fast))
        self.register_buffer("start", tensors_to_vector(self.trainable(learner)).detach().clone())

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        """The fast matrices."""
        return super().trainable(learner)

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Go back as far as nothing is carried."""
        if self.carry < 1:
            params = self.trainable(learner)
            for p, first in zip(params, vector_to_tensors(self.start, params), strict=True):
                p.copy_(first.lerp(p, self.carry))
