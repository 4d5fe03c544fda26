"""Shrink and perturb: weights are scaled down and noise is added."""

from typing import Literal

import torch

from plasticity import Fraction, Learner, NonNegative, Positive, Strategy, vector_to_tensors


class ShrinkPerturb(Strategy):
    """Shrink and perturb: weights forget at a steady rate, and noise keeps them able to learn.

    theta <- (1 - shrink) theta + sigma eps,  eps ~ N(0, 1)   (Ash & Adams 2020, arXiv 1910.08475)

    After every step of the optimizer (as Dohare et al. 2024, Nature 632, do it), or only at shifts. The first is slow:
    left alone, weights shrink by half in 0.7 / shrink steps, towards noise of variance sigma^2 / (2 shrink). By default
    they do so in 700 steps, towards noise of standard deviation 0.02; on permuted MNIST shrink is 1e-6 (the learning
    rate times the weight decay) and sigma 1e-5, for lives of millions of steps. At a shift something drastic is meant,
    such as 0.5 and 0.01. All that is trained takes part, gains and biases too. Beside LoRA the corrections shrink, and
    so the weights return to where they began.

    Cost per step: forward + backward + O(parameters). Memory: none.

    Args:
        shrink: share of each weight that is lost.
        sigma: standard deviation of what is added to it.
        when: after every step, or at shifts.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"shrink": 0.0, "sigma": 0.0}

    def __init__(
        self,
        shrink: Fraction = 1e-3,
        sigma: NonNegative = 1e-3,
        when: Literal["step", "shift"] = "step",
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.shrink, self.sigma = shrink, sigma
        self.when: Literal["step", "shift"] = when
        self.needs_shifts = when == "shift"

    def after_step(self, learner: Learner) -> None:
        """Shrink and perturb after each step."""
        if self.when == "step":
            self.apply_to(learner)

    def on_shift(self, learner: Learner) -> None:
        """Shrink and perturb as the world does."""
        if self.when == "shift":
            self.apply_to(learner)

    @torch.no_grad()
    def apply_to(self, learner: Learner) -> None:
        """Shrink, then perturb."""
        if not self.shrink and not self.sigma:
            return
        theta = learner.trainable()
        size, device = sum(p.numel() for p in theta), learner.asked.device
        rng = self.rng(learner, device=device)
        noise = torch.randn(size, generator=rng, device=device) * self.sigma
        for p, eps in zip(theta, vector_to_tensors(noise, theta), strict=True):
            p.mul_(1 - self.shrink).add_(eps)
