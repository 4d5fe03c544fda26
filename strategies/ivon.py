"""Variational online Newton: a Gaussian over the weights whose variance is the step size."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils import vector_to_parameters

from plasticity import (
    Batch,
    Fraction,
    Learner,
    Positive,
    Prediction,
    Strategy,
    gradient_vector,
    tensors_to_vector,
)


class IVON(Strategy):
    """Improved variational online Newton (IVON) around the pretrained weights: what is uncertain moves.

    q = N(m, s^2),  s^2 = 1 / (ess (h + delta));  g^ the gradient of the loss at a draw theta = m + s n,  h^ = g^ n / s
    g <- beta1 g + (1 - beta1) g^
    h <- beta2 h + (1 - beta2) h^ + (1 - beta2)^2 (h - h^)^2 / (2 (h + delta))
    m <- m - lr (g / (1 - beta1^t) + delta (m - m_0)) / (h + delta)
    (Shen et al. 2024, arXiv 2402.17641, algorithm 1, with m_0, the pretrained weights, where they have 0)

    The step of a weight is lr ess s^2 times its gradient, with a pull back of lr ess s^2 delta: what is certain stays,
    what is not moves and goes back, and as h is a running mean the past is a window of `ess` positions. That is the
    law of Bayesian continual learning without boundaries by metaplastic uncertainty (MESU; Bonnet et al. 2025, arXiv
    2504.13569), with a Newton estimate of the curvature in place of their gradient of s.

    Answers are those of m. The loss is that of the whole Chain at the draw; the experiment's optimizer gives its
    learning rate and no more. It needs no shifts; nothing turns it into Finetune. Cost per step: two forwards + one
    backward + O(parameters). Memory: 3 x parameters.

    Args:
        ess: effective number of asked positions that the posterior is of.
        hessian: h at first, in nats per asked position and squared unit of weight.
        decay: delta: the prior's precision, per position.
        beta1: momentum of the gradient.
        beta2: momentum of h.
        lr: learning rate, of Newton's step, 0.1 or so; null: the experiment's.
    """

    anchored = True
    takes_step = True
    prior: Float[Tensor, " parameters"]
    gradient: Float[Tensor, " parameters"]
    curvature: Float[Tensor, " parameters"]
    steps: Int[Tensor, ""]

    def __init__(
        self,
        ess: Positive = 20_000.0,
        hessian: Positive = 0.1,
        decay: Positive = 1e-4,
        beta1: Fraction = 0.9,
        beta2: Fraction = 0.999,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.ess, self.hessian, self.decay = ess, hessian, decay
        self.beta1, self.beta2 = beta1, beta2

    def attach(self, learner: Learner) -> None:
        """Note where the weights are; allocate both means."""
        theta = tensors_to_vector(learner.trainable()).detach()
        self.register_buffer("prior", theta.clone())
        self.register_buffer("gradient", torch.zeros_like(theta))
        self.register_buffer("curvature", torch.full_like(theta, self.hessian))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        """Draw, take the gradient there, and move the mean."""
        whole = learner.strategy
        for _ in range(learner.updates.steps):
            params = learner.trainable()
            mean = tensors_to_vector(params).detach()
            noise = torch.randn(mean.shape, generator=self.rng(learner, "draw")).to(mean)
            scale = (self.ess * (self.curvature + self.decay)).rsqrt()
            vector_to_parameters(mean + scale * noise, params)
            for p in params:
                p.grad = None
            learner.backward(learner.total_loss(batch, learner.predict(batch)))
            vector_to_parameters(mean.clone(), params)  # the optimizer moves it in place
            whole.project_gradients(learner)
            found = gradient_vector(params)
            learner.optimizer.step()  # it is counted; where it led does not matter
            rate = float(learner.optimizer.param_groups[0]["lr"])
            vector_to_parameters(self.moved(mean, found, noise / scale, rate), params)
            whole.after_step(learner)

    @torch.no_grad()
    def moved(
        self, mean: Tensor, grad: Tensor, draw: Tensor, rate: float
    ) -> Float[Tensor, " parameters"]:
        """The mean after one step; both running means are updated.

        Args:
            mean: m.
            grad: g^.
            draw: n / s.
            rate: lr.
        """
        self.steps += 1
        self.gradient.lerp_(grad, 1 - self.beta1)
        away, new = self.curvature - grad * draw, 1 - self.beta2
        rise = (new * away) ** 2 / (2 * (self.curvature + self.decay))
        self.curvature.add_(rise - new * away)
        slope = self.gradient / (1 - self.beta1 ** int(self.steps))
        slope = slope + self.decay * (mean - self.prior)
        return mean - rate * slope / (self.curvature + self.decay)
