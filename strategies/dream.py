"""Generative replay from the network as it was before the shift."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from plasticity import (
    CAPACITY,
    IGNORE_INDEX,
    Batch,
    Count,
    Learner,
    NonNegative,
    Positive,
    Rehearsal,
    Reservoir,
    Strategy,
    logits_with,
    tensors_to_vector,
    vector_to_tensors,
)


class Dream(Strategy):
    """Generative replay: agree with the network of before the last shift, on sequences that it made up.

    L = L(B_t) + weight E_x mean_t KL(p_old(. | x_<=t) || p_theta(. | x_<=t)),  x_{t+1} ~ p_old(. | x_<=t)
    t over the positions at which the sequence is asked (after Shin et al. 2017, arXiv 1705.08690, where a generator and
    a solver are replayed to their successors).

    At a shift theta_old <- theta. A sequence model is its own generator, and its own solver. Instead of sampled
    answers its whole prediction is the target (the same gradient in expectation, with less noise).
    A dream begins as a sequence of the live regime begins, and symbols that follow a position which is not
    asked are that sequence's too: the old network never learned to predict them. Where the stream does
    not feed itself (some inputs[t+1] was not targets[t] at an asked t, as far as anything was seen), the inputs
    are those of the batch, and only the answers are the old network's: distillation on the live inputs.

    Dreaming symbol by symbol takes a forward per asked position, so it is done after every `period`-th batch,
    as many as the batch holds, into a uniform sample of `dreams` since the shift, from which each step takes a
    batch. The first step after a shift has no dream, and needs none: old and new are still one.
    Cost per step: forward + backward over twice the rows, a forward of the old network, and T / period forwards of
    mean length T / 2; without self-feeding, one forward of the old network more than plain.
    Memory: parameters + dreams.

    Args:
        weight: of the divergence on dreams, against the loss on the batch.
        dreams: sequences held at most.
        period: batches from one dreaming to the next.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"weight": 0.0}
    needs_shifts = True
    old: Tensor
    shifted: Tensor
    fed: Tensor
    clock: Tensor

    def __init__(
        self,
        weight: NonNegative = 1.0,
        dreams: Count = CAPACITY,
        period: Count = 8,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.weight, self.dreams, self.period = weight, dreams, period

    def attach(self, learner: Learner) -> None:
        """Allocate the old weights and room for dreams."""
        theta = tensors_to_vector(learner.trainable()).detach()
        self.register_buffer("old", theta.clone())
        self.register_buffer("shifted", torch.tensor(False))
        self.register_buffer("fed", torch.tensor(learner.spec.symbols <= learner.spec.vocab))
        self.register_buffer("clock", torch.zeros((), dtype=torch.int64))
        self.pool = Reservoir(self.dreams, learner.spec.time)

    @torch.no_grad()
    def on_shift(self, learner: Learner) -> None:
        """What was, is as the network now has it; older dreams are forgotten, since it dreams them too."""
        params = learner.trainable()
        self.old.copy_(tensors_to_vector(params))
        self.shifted.fill_(True)
        self.clock.zero_()
        self.pool.clear()

    def rehearse(self, learner: Learner, size: int) -> Rehearsal | None:
        """Dreams, and the weighted divergence from the old network on them."""
        if not self.weight or not self.shifted or not self.fed or not len(self.pool):
            return None
        inputs, dreamt = self.pool.sample(size, self.rng(learner))
        own = dreamt != IGNORE_INDEX
        return Rehearsal(inputs, lambda now: self.divergence(learner, inputs, own, now))

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
        """Where the stream does not feed itself: that divergence on the batch, in nats per asked position."""
        if not self.weight or not self.shifted or self.fed:
            return 0.0
        own = (batch.targets != IGNORE_INDEX) & batch.asked
        return self.divergence(learner, batch.inputs, own, logits)

    def divergence(
        self,
        learner: Learner,
        inputs: Int[Tensor, "batch time"],
        own: Bool[Tensor, "batch time"],
        logits: Float[Tensor, "batch time symbols"],
    ) -> Float[Tensor, ""]:
        """Of what is said now from what the old network says where each is asked, times the weight."""
        with torch.no_grad():
            before = self.before(learner, inputs)[own].log_softmax(-1)
        now = logits[own].log_softmax(-1)
        return self.weight * (before.exp() * (before - now)).sum(-1).mean()

    def before(
        self, learner: Learner, inputs: Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time symbols"]:
        """Logits of the old network."""
        params = learner.trainable()
        return logits_with(learner, vector_to_tensors(self.old, params), inputs)

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """See whether the stream feeds itself; if it does and it is time, dream."""
        if not self.weight:
            return
        x, asked = batch.inputs, batch.asked[:-1]
        self.fed &= torch.equal(x[:, 1:][:, asked], batch.targets[:, :-1][:, asked])
        if self.fed and self.shifted:
            if int(self.clock) % self.period == 0:
                rng = self.rng(learner)
                dreamt = self.dream(learner, batch, rng)
                self.pool.add(batch._replace(inputs=dreamt, targets=dreamt), rng)
            self.clock += 1

    def dream(
        self, learner: Learner, batch: Batch, rng: torch.Generator
    ) -> Int[Tensor, "batch time"]:
        """Sequences by the old network, begun as these do, sampled wherever these are asked for the symbol."""
        inputs = batch.inputs.clone()
        for t in batch.asked[:-1].nonzero().flatten().tolist():
            probs = self.before(learner, inputs[:, : t + 1])[:, -1].double().softmax(-1)
            u = torch.rand(len(inputs), 1, generator=rng, dtype=torch.float64).to(probs)
            inputs[:, t + 1] = (probs.cumsum(-1)[:, :-1] <= u).sum(-1)
        return inputs
