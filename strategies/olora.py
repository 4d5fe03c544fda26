"""Orthogonal low-rank adapters: one per regime, penalised for overlap with earlier ones."""

import torch
from torch import Tensor, nn

from plasticity import (
    Adapted,
    Batch,
    Count,
    Learner,
    Natural,
    NonNegative,
    Positive,
    Strategy,
    add_adapters,
)


class OLoRA(Strategy):
    """Orthogonal low-rank adaptation: each regime's adapter reads other directions than those before it.

    L + strength sum_k |A_k A^T|_1, summed over matrices, k over the adapters of ended regimes; at a shift
    W_0 <- W_0 + (alpha / rank) B A, A joins the A_k, and a fresh A, B begins with no optimizer state
    (Wang et al. 2023, arXiv 2310.14152; the norm is that of the authors' code, |.|_1 the sum of magnitudes)

    Merging changes nothing that is computed, as the old adapters are frozen anyway. Departs from the paper: A_k are
    kept of the last `slots` regimes only, the oldest is dropped, so that memory is bounded; without shifts
    this is LoRA. Adapted is every matrix but embeddings. Cost per step: forward + backward + the products
    with `slots` A_k; per shift: O(parameters). Memory: `slots` A_k of each matrix.

    Args:
        strength: lambda_1, nats per unit of overlap.
        slots: ended regimes whose adapters are kept out of.
        rank: of the correction; 0: no adapter, every weight is trained.
        alpha: scale of the correction, over rank; null: 2 rank.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"rank": 0}
    needs_shifts = True
    renews = True
    ended: Tensor

    def __init__(
        self,
        strength: NonNegative = 0.01,
        slots: Count = 8,
        rank: Natural = 4,
        alpha: Positive | None = None,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.strength, self.slots, self.rank, self.alpha = strength, slots, rank, alpha

    def attach(self, learner: Learner) -> None:
        """Freeze the network, put an adapter on each of its matrices, and allocate the past."""
        self.adapted: list[Adapted] = []
        if self.rank:
            self.adapted = add_adapters(learner.network, self.rank, self.alpha, learner.seed)
        for i, (_, adapter) in enumerate(self.adapted):
            self.register_buffer(f"past{i}", adapter.A.new_zeros(self.slots, *adapter.A.shape))
        self.register_buffer("ended", torch.zeros((), dtype=torch.int64))

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        """The adapter; of rank 0, every weight."""
        return super().trainable(learner)

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
        """The weighted overlap with the past, in nats per asked position."""
        if not self.rank or not self.strength:
            return 0.0
        return self.strength * self.overlap()

    def overlap(self) -> Tensor:
        """sum_k |A_k A^T|_1 over all matrices."""
        each = zip(self.past(), self.adapted, strict=True)
        overlaps = [(past.flatten(0, 1) @ new.adapter.A.mT).abs().sum() for past, new in each]
        return torch.stack(overlaps).sum()

    def on_shift(self, learner: Learner) -> None:
        """Merge the adapter, remember what it read, and begin a fresh one."""
        rng = self.rng(learner)
        for past, (weight, adapter) in zip(self.past(), self.adapted, strict=True):
            past[self.ended % self.slots] = adapter.A.data
            # Through `data`, as at an alarm the prediction that is learned from next has been made already. It
            # stands, and so does its gradient: the corrected weight is the same, and A and B are read at backward.
            weight.data.copy_(adapter(weight).detach())
            adapter.begin(rng)
            for p in (adapter.A, adapter.B):
                learner.optimizer.state.pop(p, None)
        self.ended += 1

    def past(self) -> list[Tensor]:
        """The A_k of each matrix."""
        return [self.get_buffer(f"past{i}") for i in range(len(self.adapted))]
