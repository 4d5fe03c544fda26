"""Elastic weight consolidation: a quadratic penalty weighed by Fisher information."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from plasticity import (
    IGNORE_INDEX,
    Batch,
    Count,
    Fraction,
    Learner,
    NonNegative,
    Positive,
    Reservoir,
    Strategy,
    tensors_to_vector,
)


class EWC(Strategy):
    """Elastic weight consolidation: weights that mattered are held by springs.

    L + strength/2 sum_i F_i (theta_i - theta*_i)^2;  at a shift F <- decay F + F_regime, and theta* moves
    (Kirkpatrick et al. 2017, arXiv 1612.00796, eq. 3; online form: Schwarz et al. 2018, arXiv 1805.06370, eq. 9).

    Online, theta* <- theta: every spring is tied anew to the weights of the last shift. Separate, each regime's
    spring stays tied to the weights at its own end, sum_k F_k (theta - theta*_k)^2. A sum of parabolas is one parabola
    and a constant, so this is exact in the same memory: theta* <- theta* + (F_regime / F) (theta - theta*), the mean
    of all theta*_k by weight F_k.

    F_regime = E[(grad_i log p(sequence))^2] / E[positions]: the empirical Fisher information per asked position (each
    sequence's own: where it is not asked it says nothing), from the squared gradient of each sequence on its own (never
    of a batch mean), over a uniform sample of the regime. The strength is therefore the number of old positions one new
    position is weighed against, and means the same at every batch size and length. Cost per step: forward + backward +
    O(parameters); per shift: `samples` forwards + backwards. Memory: 2 x parameters + `samples` sequences.

    Args:
        strength: old evidence per unit of new.
        decay: how much of the older Fisher information survives a shift.
        samples: sequences of the ending regime from which its Fisher information is estimated.
        form: whether older springs are tied anew at a shift (online) or stay where they were (separate).
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"strength": 0.0}
    needs_shifts = True
    anchored = True
    fisher: Tensor
    anchor: Tensor
    rest: Tensor
    """What is left of the energy where it is least: separate springs never all rest."""

    def __init__(
        self,
        strength: NonNegative = 100.0,
        decay: Fraction = 1.0,
        samples: Count = 64,
        form: Literal["online", "separate"] = "online",
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.strength, self.decay, self.samples = strength, decay, samples
        self.form: Literal["online", "separate"] = form

    def attach(self, learner: Learner) -> None:
        """Allocate the springs, slack, and the sample of the regime."""
        theta = tensors_to_vector(learner.trainable()).detach()
        self.register_buffer("fisher", torch.zeros_like(theta))
        self.register_buffer("anchor", theta.clone())
        self.register_buffer("rest", theta.new_zeros(()))
        self.recent = Reservoir(self.samples, learner.spec.time)

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
        """The springs' energy, in nats per asked position."""
        return self.strength / 2 * self.energy(learner) if self.strength else 0.0

    def energy(self, learner: Learner) -> Float[Tensor, ""]:
        """sum_i F_i (theta_i - theta*_i)^2, over all springs."""
        theta = tensors_to_vector(learner.trainable())
        return (self.fisher * (theta - self.anchor) ** 2).sum() + self.rest

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Keep a uniform sample of the live regime."""
        self.recent.add(batch, self.rng(learner))

    def on_shift(self, learner: Learner) -> None:
        """Consolidate: add the ended regime's spring, tied to the weights as they are."""
        theta = tensors_to_vector(learner.trainable()).detach()
        older, new = self.decay * self.fisher, self.information(learner)
        self.fisher.copy_(older + new)
        if self.form == "separate":
            # Where nothing pulls, any anchor will do.
            share = new / self.fisher.clamp(min=torch.finfo(new.dtype).tiny)
            away = theta - self.anchor
            self.rest.mul_(self.decay).add_((older * share * away**2).sum())
            self.anchor.addcmul_(share, away)
        else:
            self.anchor.copy_(theta)
        self.recent.clear()

    def information(self, learner: Learner) -> Tensor:
        """F_regime, from the sample; 0 if there is none."""
        params, held = learner.trainable(), len(self.recent)
        inputs, targets = self.recent.inputs[:held], self.recent.targets[:held]
        positions = (targets != IGNORE_INDEX).sum(1).tolist()
        total = torch.zeros_like(self.fisher)
        for x, y, n in zip(inputs, targets, positions, strict=True):
            mean = learner.nll(learner.network(x[None]), y[None], learner.asked)
            grad = tensors_to_vector(torch.autograd.grad(mean, params))
            total.add_(grad**2, alpha=n**2 / sum(positions))  # of the sum over its positions
        return total
