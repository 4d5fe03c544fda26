"""Dark experience replay: rehearsal of remembered logits."""

import torch
from torch import Tensor

from plasticity import (
    CAPACITY,
    IGNORE_INDEX,
    Batch,
    Learner,
    Natural,
    NonNegative,
    Positive,
    Rehearsal,
    Reservoir,
    Strategy,
)


class DER(Strategy):
    """Dark experience replay: on remembered sequences, keep the logits of the time they were learned.

    L = L(B_t) + alpha ||f(x) - z||^2 + beta L(x', y'),  (x, z) and (x', y') each |B_t| draws from a reservoir
    (Buzzega et al. 2020, arXiv 2004.07211; beta = 0 is their DER, otherwise DER++; reservoir: Li 1994).

    The squared norm is a sum over symbols and a mean over all asked positions of the sequences; the authors' code
    also divides by the number of symbols: its alpha is ours times that number. z is what the weights say right
    after the step on the sequence; the paper takes the forward pass of that step, one step earlier. So z holds
    what the sequence taught, is one prediction by one set of weights however finely a batch is cut into
    updates, and costs a forward only for the sequences that enter the reservoir (capacity / n of them after
    n). Nothing is replayed in the step that brought it, and boundaries are not needed.

    Cost per step: one forward + backward, over three times the rows (twice if beta is 0), and a forward over what
    is remembered anew. Memory: capacity sequences and their logits, fixed.

    Args:
        capacity: sequences remembered.
        alpha: of the squared distance of logits.
        beta: of the replayed loss against the new one.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"capacity": 0}
    logits: Tensor

    def __init__(
        self,
        capacity: Natural = CAPACITY,
        alpha: NonNegative = 0.1,
        beta: NonNegative = 0.5,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.capacity, self.alpha, self.beta = capacity, alpha, beta

    def idle(self, steps: int | None, shifts: bool, updates: int = 1) -> str | None:
        """Without either weight, too."""
        if why := super().idle(steps, shifts, updates):
            return why
        return None if self.alpha or self.beta else "alpha: 0 and beta: 0 turn it off"

    def attach(self, learner: Learner) -> None:
        """Allocate the reservoir, and room for the logits beside it."""
        spec = learner.spec
        self.memory = Reservoir(self.capacity, spec.time)
        self.register_buffer("logits", torch.zeros(self.capacity, spec.time, spec.symbols))

    def rehearse(self, learner: Learner, size: int) -> Rehearsal | None:
        """Two draws of remembered sequences: the distance from what was said, and the weighted loss on what came."""
        if not len(self.memory):
            return None
        asked, rng = learner.asked, self.rng(learner)
        drawn = list[Rehearsal]()
        if self.alpha:
            slots = self.memory.draw(size, rng)
            said = self.logits[slots][:, asked]
            own = self.memory.targets[slots][:, asked] != IGNORE_INDEX

            def distance(logits: Tensor) -> Tensor:
                return self.alpha * (logits[:, asked] - said).square().sum(-1)[own].mean()

            drawn.append(Rehearsal(self.memory.inputs[slots], distance))
        if self.beta:
            inputs, targets = self.memory.sample(size, rng)

            def loss(logits: Tensor) -> Tensor:
                return self.beta * learner.nll(logits, targets, asked)

            drawn.append(Rehearsal(inputs, loss))
        return Rehearsal.together(drawn)

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Offer the batch to the reservoir; write down what is said of those that enter."""
        if self.capacity:
            slots, rows = self.memory.add(batch, self.rng(learner))
            if len(rows):
                self.logits[slots] = learner.network(batch.inputs[rows]).to(self.logits)
