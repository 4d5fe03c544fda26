"""Maximally interfered retrieval: rehearsal of the sequences that the next step would harm most."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from plasticity import (
    CAPACITY,
    IGNORE_INDEX,
    Batch,
    Count,
    Learner,
    Natural,
    NonNegative,
    Positive,
    Reservoir,
    Strategy,
    logits_with,
)


class MIR(Strategy):
    """Maximally interfered retrieval: of what is remembered, replay what this batch is about to spoil.

    L = L(B_t) + weight L(B_mem),  B_mem the |B_t| sequences of C of highest l(theta - eta g) - l(theta)
    with g = grad L(B_t), and C drawn uniformly from a reservoir, |C| = candidates |B_t|
    (Aljundi et al. 2019, arXiv 1908.04742, experience replay with the criterion of the loss's rise, "MI-1").

    l is a sequence's loss per asked position of its own. The virtual step is one of plain gradient descent on the loss
    of the batch alone, as in the paper, whatever the optimizer is and whatever else is descended; the weights do not
    move. While it is small the ranking does not depend on its size. The paper ranks 50 for batches of 10: here the
    number is relative, so that it means the same at every batch size; 1 is plain replay. Nothing is replayed in the
    step that brought it, and boundaries are not needed.

    Cost per step: two forwards + three backwards over |B_t|, and two forwards over |C|.
    Memory: capacity sequences, fixed.

    Args:
        capacity: sequences remembered.
        weight: of the replayed loss against the new one.
        candidates: sequences ranked for each that is replayed.
        virtual: learning rate eta of the virtual step.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"capacity": 0}

    def __init__(
        self,
        capacity: Natural = CAPACITY,
        weight: NonNegative = 1.0,
        candidates: Count = 5,
        virtual: Positive = 0.1,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.capacity, self.weight, self.candidates = capacity, weight, candidates
        self.virtual = virtual

    def idle(self, steps: int | None, shifts: bool, updates: int = 1) -> str | None:
        """Without weight, too."""
        if why := super().idle(steps, shifts, updates):
            return why
        return None if self.weight else "weight: 0 turns it off"

    def attach(self, learner: Learner) -> None:
        """Allocate the reservoir."""
        self.memory = Reservoir(self.capacity, learner.spec.time)

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
        """Weighted loss on what would be harmed most, in nats per asked position."""
        if not len(self.memory) or not self.weight:
            return 0.0
        n = len(batch.inputs)
        inputs, targets = self.memory.sample(n * self.candidates, self.rng(learner))
        if len(inputs) > n:
            params = learner.trainable()
            mean = learner.nll(logits, batch.targets, batch.asked)
            grads = torch.autograd.grad(
                mean, params, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            rise = self.rise(learner, grads, inputs, targets)
            worst = rise.topk(n).indices
            inputs, targets = inputs[worst], targets[worst]
        return self.weight * learner.nll(learner.network(inputs), targets, learner.asked)

    @torch.no_grad()
    def rise(
        self,
        learner: Learner,
        grads: tuple[Tensor, ...],
        inputs: Int[Tensor, "candidates time"],
        targets: Int[Tensor, "candidates time"],
    ) -> Float[Tensor, " candidates"]:
        """l(theta - eta g) - l(theta) of each sequence, in nats per asked position."""
        params = learner.trainable()
        moved = [p - self.virtual * g for p, g in zip(params, grads, strict=True)]
        asked, losses = learner.asked, []
        positions = (targets != IGNORE_INDEX).sum(1)
        for logits in (logits_with(learner, moved, inputs), learner.network(inputs)):
            each = cross_entropy(logits[:, asked].mT, targets[:, asked], reduction="none")
            losses.append(each.sum(1) / positions)
        return losses[0] - losses[1]

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Offer the batch to the reservoir."""
        if self.capacity:
            self.memory.add(batch, self.rng(learner))
