"""Memory aware synapses: a quadratic penalty weighed by the sensitivity of the outputs."""

import torch
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


class MAS(Strategy):
    """Memory-aware synapses: weights that the outputs are sensitive to are held by springs; no target is read.

    L + strength sum_i Omega_i (theta_i - theta*_i)^2;  at a shift Omega <- decay Omega + Omega_regime, theta* <- theta
    Omega_regime,i = E |d ||f(x)||^2 / d theta_i|   (Aljundi et al. 2018, arXiv 1711.09601; the authors' code adds up
    over tasks, as decay = 1 does)

    f are the logits. What is differentiated is the mean of ||f||^2 over one sequence's own asked positions; the
    magnitude is taken for each sequence on its own (never of a batch mean) and averaged over a uniform sample of
    the regime. So the strength means the same at every batch size, and does not grow with length; in the paper an
    example is one prediction, and here positions of one sequence may cancel.

    Cost per step: forward + backward + O(parameters); per shift: `samples` forwards + backwards.
    Memory: 2 x parameters + `samples` sequences.

    Args:
        strength: nats per asked position, per unit of sensitivity and squared distance.
        decay: how much of the older importance survives a shift.
        samples: sequences of the ending regime from which its importance is estimated.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"strength": 0.0}
    needs_shifts = True
    anchored = True
    importance: Tensor
    anchor: Tensor

    def __init__(
        self,
        strength: NonNegative = 1.0,
        decay: Fraction = 1.0,
        samples: Count = 64,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.strength, self.decay, self.samples = strength, decay, samples

    def attach(self, learner: Learner) -> None:
        """Allocate the springs, slack, and the sample of the regime."""
        theta = tensors_to_vector(learner.trainable()).detach()
        self.register_buffer("importance", torch.zeros_like(theta))
        self.register_buffer("anchor", theta.clone())
        self.recent = Reservoir(self.samples, learner.spec.time)

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
        """The pull, in nats per asked position."""
        if not self.strength:
            return 0.0
        away = tensors_to_vector(learner.trainable()) - self.anchor
        return self.strength * (self.importance * away.square()).sum()

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Keep a uniform sample of the live regime."""
        if self.strength:
            self.recent.add(batch, self.rng(learner))

    def on_shift(self, learner: Learner) -> None:
        """Consolidate: add the ended regime's sensitivity, and move the anchors here."""
        params, held = learner.trainable(), len(self.recent)
        self.importance.mul_(self.decay)
        own = self.recent.targets[:held] != IGNORE_INDEX
        for x, asked in zip(self.recent.inputs[:held], own, strict=True):
            norm = learner.network(x[None])[0, asked].square().sum(-1).mean()
            grad = tensors_to_vector(torch.autograd.grad(norm, params))
            self.importance.add_(grad.abs(), alpha=1 / held)
        self.anchor.copy_(tensors_to_vector(params).detach())
        self.recent.clear()
