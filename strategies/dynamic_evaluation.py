"""Dynamic evaluation: RMS-scaled steps with decay towards the pretrained weights."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils import vector_to_parameters

from plasticity import Learner, NonNegative, Positive, Strategy, gradient_vector, tensors_to_vector


class DynamicEvaluation(Strategy):
    """Dynamic evaluation with decay to the prior: weights follow the stream, and are drawn back if it lets them.

    theta <- theta - eta g / (sqrt(MS) + epsilon) + min(decay R, 1) (theta_0 - theta),  R = sqrt(MS) / mean(sqrt(MS))
    (Krause et al. 2018, arXiv 1709.07432, section 4; Krause et al. 2019, arXiv 1904.08378)

    theta_0 is where the weights are at first, eta the learning rate, and MS the mean of g^2, weight by weight. All on
    the right are values of before the step. The mean in R is over all weights that are trained.

    Departs from the paper: its MS comes from a pass over the training data. A learner here has none at hand, so MS
    is the running mean over all gradients of the stream so far, this one included. The first step is therefore
    eta in every weight that has a gradient, and the regimes seen last weigh no more than the first.

    `step: optimizer` keeps the decay, and leaves the step to the experiment's optimizer: which of the two is it that
    helps? AdamW divides by a root mean square too. With `step: rms` the optimizer gives its learning rate and no
    more; in a Chain its step is then what the other parts find done.
    Cost per step: forward + backward + O(parameters). Memory: 3 x parameters.

    Args:
        decay: rate at which the average weight goes back, per step.
        step: rms: the equation's own; optimizer: the experiment's, with the equation's decay.
        epsilon: added to the root mean square, in nats per unit of weight.
        lr: eta; null: the learning rate of the experiment's optimizer.
    """

    off = {"decay": 0.0, "step": "optimizer"}
    anchored = True
    prior: Tensor
    mean_square: Tensor
    before: Tensor
    steps: Tensor

    def __init__(
        self,
        decay: NonNegative = 0.002,
        step: Literal["rms", "optimizer"] = "rms",
        epsilon: Positive = 2e-5,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.decay, self.epsilon = decay, epsilon
        self.step: Literal["rms", "optimizer"] = step
        self.takes_step = step == "rms"

    def attach(self, learner: Learner) -> None:
        """Note where the weights are; allocate the mean square."""
        theta = tensors_to_vector(learner.trainable()).detach()
        self.register_buffer("prior", theta.clone())
        self.register_buffer("mean_square", torch.zeros_like(theta))
        self.register_buffer("before", theta.clone(), persistent=False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def project_gradients(self, learner: Learner) -> None:
        """Note where the step starts."""
        if self.decay or self.step == "rms":
            self.before.copy_(tensors_to_vector(learner.trainable()))

    @torch.no_grad()
    def after_step(self, learner: Learner) -> None:
        """Count the gradient in; then put the weights where the equation has them."""
        if not self.decay and self.step == "optimizer":
            return
        params = learner.trainable()
        grad = gradient_vector(params)
        self.steps += 1
        self.mean_square += (grad**2 - self.mean_square) / self.steps
        size = self.mean_square.sqrt()
        if self.step == "rms":
            theta = self.before - self.eta(learner) * grad / (size + self.epsilon)
        else:
            theta = tensors_to_vector(params)
        usual = size.mean().clamp(min=torch.finfo(size.dtype).tiny)
        rate = (self.decay * size / usual).clamp(max=1)
        vector_to_parameters(theta + rate * (self.prior - self.before), params)

    def eta(self, learner: Learner) -> float:
        """The learning rate: this strategy's, or the experiment's."""
        return float(learner.optimizer.param_groups[0]["lr"])
