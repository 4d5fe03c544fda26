"""Utility-based perturbed gradient descent: gradients and noise are gated by each weight's utility."""

import torch
from torch import Tensor

from plasticity import (
    Fraction,
    Learner,
    NonNegative,
    Positive,
    Strategy,
    gradient_vector,
    tensors_to_vector,
    vector_to_tensors,
)


class UPGD(Strategy):
    """Utility-based perturbed gradient descent: the more a weight is of use, the less it is moved and shaken.

    w <- (1 - lr weight_decay) w - lr (g + xi) (1 - u),  xi ~ N(0, sigma^2),
    u = sigmoid(U / max U),  U <- decay U + (1 - decay) (-g w),  the maximum over all weights
    (Elsayed & Mahmood 2024, arXiv 2404.00781; weight-wise, first-order, global)

    -g w is what the loss would rise by, to first order, were the weight 0. A useless weight (U = 0) has u = 1/2: it
    takes half a step (the authors' released optimizer doubles every step; double `lr` for that). The bias
    correction of U cancels against that of its maximum; the released code corrects the one and not the other, so
    that its u begins near 0 or 1 for the first 1 / (1 - decay) steps.

    The gate is on the step d that the optimizer took:  w <- (1 - lr weight_decay) w + (d - lr xi) (1 - u).
    Under plain SGD d = -lr g, and this is the equation. Under AdamW it is the authors' adaptive variant: were the
    gradient gated instead, Adam's division would undo the gate. The optimizer's own weight decay is in d and gated.
    In a Chain, put it last. Cost per step: forward + backward + O(parameters). Memory: 2 x parameters.

    Args:
        decay: of the utility, per step; null: every u is 0, perturbed gradient descent.
        sigma: standard deviation of the noise, in units of the gradient; under Adam, of its normed direction.
        weight_decay: per step, times the learning rate; not gated.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"decay": None, "sigma": 0.0, "weight_decay": 0.0}
    anchored = True
    utility: Tensor
    before: Tensor

    def __init__(
        self,
        decay: Fraction | None = 0.999,
        sigma: NonNegative = 1e-3,
        weight_decay: NonNegative = 1e-3,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.decay, self.sigma, self.weight_decay = decay, sigma, weight_decay
        self.vanishes = decay is None and not sigma and not weight_decay

    def attach(self, learner: Learner) -> None:
        """Nothing is of use yet."""
        theta = tensors_to_vector(learner.trainable()).detach()
        self.register_buffer("utility", torch.zeros_like(theta))
        self.register_buffer("before", theta.clone(), persistent=False)

    @torch.no_grad()
    def project_gradients(self, learner: Learner) -> None:
        """Follow the utility; note where the step starts."""
        if self.vanishes:
            return
        params = learner.trainable()
        self.before.copy_(tensors_to_vector(params))
        if self.decay is not None:
            gain = -gradient_vector(params) * self.before
            self.utility.mul_(self.decay).add_(gain, alpha=1 - self.decay)

    @torch.no_grad()
    def after_step(self, learner: Learner) -> None:
        """Shake the step that was taken, and take only the share 1 - u of it."""
        if self.vanishes:
            return
        params = learner.trainable()
        lr = learner.optimizer.param_groups[0]["lr"]
        step = tensors_to_vector(params) - self.before
        if self.sigma:
            rng = self.rng(learner, device=step.device)
            noise = torch.randn(step.shape, generator=rng, device=step.device)
            step.sub_(noise, alpha=lr * self.sigma)
        if self.decay is not None:
            most = self.utility.max().clamp(min=torch.finfo(self.utility.dtype).tiny)
            step.mul_(1 - torch.sigmoid(self.utility / most))
        step.add_(self.before, alpha=1 - lr * self.weight_decay)
        for p, value in zip(params, vector_to_tensors(step, params), strict=True):
            p.copy_(value)
