"""Synaptic intelligence: a quadratic penalty weighed by each weight's path integral."""

import torch
from torch import Tensor

from plasticity import (
    Batch,
    Learner,
    NonNegative,
    Positive,
    Strategy,
    gradient_vector,
    tensors_to_vector,
)


class SI(Strategy):
    """Synaptic intelligence: a weight is held by as much as it lowered the loss while it moved.

    L + strength sum_i Omega_i (theta_i - theta*_i)^2;  at each step omega_i <- omega_i - g_i dtheta_i;  at a shift
    Omega_i <- Omega_i + max(omega_i, 0) / ((theta_i - theta*_i)^2 + xi), then omega <- 0, theta* <- theta
    (Zenke, Poole & Ganguli 2017, arXiv 1703.04200, eqs. 3 to 5)

    g is the gradient of the loss without the pull, as in the paper and its authors' code: from the gradient_vector
    that is descended, 2 strength Omega (theta - theta*) at the weights of before the step is taken away. What other
    parts of a Chain add to the loss remains in g; edits by parts that stand before SI do too. dtheta is the
    step that the optimizer took, momentum and all. Departs from the paper: weights that raised the loss count 0
    instead of a spring that pushes (the authors' code clips the sum Omega, so there they also undo older springs).

    sum_i omega_i is about the loss that was lost, in nats per asked position, so the strength means the same at
    every batch size and length. Cost per step: forward + backward + O(parameters); per shift: O(parameters).
    Memory: 5 x parameters.

    Args:
        strength: of the pull against the loss; 1: to undo a regime's way costs what it gained (but for xi).
        xi: damping, in units of squared distance.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"strength": 0.0}
    needs_shifts = True
    anchored = True
    path: Tensor
    importance: Tensor
    anchor: Tensor
    before: Tensor
    gradient: Tensor

    def __init__(self, strength: NonNegative = 1.0, xi: Positive = 0.1, lr: Positive | None = None):
        super().__init__(lr)
        self.strength, self.xi = strength, xi

    def attach(self, learner: Learner) -> None:
        """Allocate the springs, slack, and the notes of the path."""
        theta = self.theta(learner).detach().clone()
        for name in ("path", "importance"):
            self.register_buffer(name, torch.zeros_like(theta))
        self.register_buffer("anchor", theta)
        for name in ("before", "gradient"):  # live from project to stepped
            self.register_buffer(name, torch.zeros_like(theta), persistent=False)

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
        """The pull, in nats per asked position."""
        if not self.strength:
            return 0.0
        away = self.theta(learner) - self.anchor
        return self.strength * (self.importance * away.square()).sum()

    @torch.no_grad()
    def project_gradients(self, learner: Learner) -> None:
        """Note where the step begins, and the gradient there without the pull's."""
        if not self.strength:
            return
        params = learner.trainable()
        self.before.copy_(tensors_to_vector(params))
        pull = self.importance * (self.before - self.anchor)
        self.gradient.copy_(gradient_vector(params)).sub_(pull, alpha=2 * self.strength)

    @torch.no_grad()
    def after_step(self, learner: Learner) -> None:
        """Credit each weight with what its step gained, to first order."""
        if self.strength:
            self.path.addcmul_(self.gradient, self.theta(learner) - self.before, value=-1)

    @torch.no_grad()
    def on_shift(self, learner: Learner) -> None:
        """Consolidate: turn the path into springs, and begin a new one here."""
        theta = self.theta(learner)
        moved = (theta - self.anchor).square()
        self.importance.addcdiv_(self.path.relu(), moved + self.xi)
        self.anchor.copy_(theta)
        self.path.zero_()

    def theta(self, learner: Learner) -> Tensor:
        """What is trained, in a row."""
        return tensors_to_vector(learner.trainable())
