"""Experience replay from a reservoir."""

import torch
from torch import Tensor

from plasticity import (
    CAPACITY,
    Batch,
    Learner,
    Natural,
    NonNegative,
    Positive,
    Rehearsal,
    Reservoir,
    Strategy,
)


class Replay(Strategy):
    """Experience replay: each step also descends the loss on sequences drawn from a reservoir.

    L = L(B_t) + weight L(B_mem),  B_mem uniform from the reservoir, |B_mem| = |B_t|
    (Chaudhry et al. 2019, arXiv 1902.10486; reservoir: Li 1994). The batch enters the reservoir after
    it was learned, so nothing is replayed in the step that brought it. Knows no boundaries.
    Cost per step: one forward + backward, over twice the rows. Memory: capacity sequences, fixed.

    Args:
        capacity: sequences remembered.
        weight: of the replayed loss against the new one.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"capacity": 0}

    def __init__(
        self, capacity: Natural = CAPACITY, weight: NonNegative = 1.0, lr: Positive | None = None
    ):
        super().__init__(lr)
        self.capacity, self.weight = capacity, weight

    def idle(self, steps: int | None, shifts: bool, updates: int = 1) -> str | None:
        """Without weight, too."""
        if why := super().idle(steps, shifts, updates):
            return why
        return None if self.weight else "weight: 0 turns it off"

    def attach(self, learner: Learner) -> None:
        """Allocate the reservoir."""
        self.memory = Reservoir(self.capacity, learner.spec.time)

    def rehearse(self, learner: Learner, size: int) -> Rehearsal | None:
        """Remembered sequences, and the weighted loss on them."""
        if not len(self.memory) or not self.weight:
            return None
        inputs, targets = self.memory.sample(size, self.rng(learner))

        def loss(logits: Tensor) -> Tensor:
            nll = learner.nll(logits, targets, learner.asked)
            return nll if self.weight == 1.0 else self.weight * nll

        return Rehearsal(inputs, loss)

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Offer the batch to the reservoir."""
        if self.capacity:
            self.memory.add(batch, self.rng(learner))
