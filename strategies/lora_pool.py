"""A pool of low-rank adapters, one per regime, selected by likelihood."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import vector_to_parameters

from plasticity import (
    Adapted,
    Batch,
    Count,
    Learner,
    Natural,
    Positive,
    Prediction,
    Strategy,
    add_adapters,
    tensors_to_vector,
)


class LoRAPool(Strategy):
    """A low-rank adapter for each regime beside a network that is frozen: at a shift the one that fits is taken up.

    W_t = W_0 + (alpha / rank) B_k A_k   (Hu et al. 2021, arXiv 2106.09685, eq. 3),  k = argmin_k L(B_1; A_k, B_k)

    Nobody says which regime begins. The first batch after the shift (or the first piece of it, where updates
    are finer) is predicted with the adapter of before; then, before it is learned from, every stored adapter and a
    fresh one (B = 0: the network as it was pretrained) are tried on it, and the one with the least loss goes live;
    at a tie, a stored one. The fresh one takes an empty slot; when there is none it takes the place of the
    adapter that went live longest ago. Another adapter begins with no optimizer state: the moments belonged to the
    last. The rule of choice is ours; without shifts this is LoRA.
    Cost per step: forward + backward; per shift: at most `slots` + 2 forwards. Memory: `slots` adapters.

    Args:
        slots: adapters kept, the live one included.
        rank: of the correction; 0: no adapter, every weight is trained.
        alpha: scale of the correction, over rank; null: 2 rank.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"rank": 0}
    needs_shifts = True
    renews = True
    pool: Tensor
    used: Tensor
    due: Tensor

    def __init__(
        self,
        slots: Count = 8,
        rank: Natural = 4,
        alpha: Positive | None = None,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.slots, self.rank, self.alpha = slots, rank, alpha

    def attach(self, learner: Learner) -> None:
        """Freeze the network, put an adapter on each of its matrices, and allocate the pool."""
        self.adapted: list[Adapted] = []
        if not self.rank:
            return
        self.adapted = add_adapters(learner.network, self.rank, self.alpha, learner.seed)
        first = tensors_to_vector(self.params()).detach()
        self.register_buffer("pool", first.new_zeros(self.slots, len(first)))
        self.register_buffer("used", torch.zeros(self.slots, dtype=torch.int64))  # 0: empty
        self.register_buffer("due", torch.zeros((), dtype=torch.bool))
        self.used[0] = 1

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        """The adapter; of rank 0, every weight."""
        return super().trainable(learner)

    def on_shift(self, learner: Learner) -> None:
        """Choose, as soon as there is something to choose by."""
        if self.rank:
            self.due.fill_(True)

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        """Choose if a choice is due, and learn."""
        if self.rank and self.due:
            self.due.fill_(False)
            self.choose(learner, batch)
            prediction = learner.predict(batch)
        super().update(learner, batch, prediction)

    @torch.no_grad()
    def choose(self, learner: Learner, batch: Batch) -> None:
        """Make that adapter live which makes this batch likeliest."""
        live = int(self.used.argmax())
        self.pool[live] = tensors_to_vector(self.params())
        stored = torch.nonzero(self.used).flatten().tolist()
        losses = {slot: self.tried(learner, batch, self.pool[slot]) for slot in stored}
        best = min(losses, key=losses.__getitem__)
        fresh = self.fresh(learner)
        if self.tried(learner, batch, fresh) < losses[best]:
            best = int(self.used.argmin())
            self.pool[best] = fresh
            live = None
        vector_to_parameters(self.pool[best].clone(), self.params())
        self.used[best] = self.used.max() + 1
        if best != live:
            for p in self.params():
                learner.optimizer.state.pop(p, None)

    def beliefs(self) -> Float[Tensor, " owners"] | None:
        """It is sure of the live adapter."""
        if not self.rank:
            return None
        return F.one_hot(self.used.argmax() + 1, self.slots + 1).double()

    def tried(self, learner: Learner, batch: Batch, adapter: Tensor) -> float:
        """The loss on a batch with this adapter, in nats per asked position."""
        vector_to_parameters(adapter.clone(), self.params())
        return learner.nll(learner.network(batch.inputs), batch.targets, batch.asked).item()

    def fresh(self, learner: Learner) -> Tensor:
        """An adapter that is the identity."""
        rng = self.rng(learner)
        for each in self.adapted:
            each.adapter.begin(rng)
        return tensors_to_vector(self.params())

    def params(self) -> list[nn.Parameter]:
        """Of the live adapter."""
        return [p for each in self.adapted for p in (each.adapter.A, each.adapter.B)]
