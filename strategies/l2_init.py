"""L2 regularisation towards the initial weights."""

import torch
from torch import Tensor

from plasticity import Batch, Learner, NonNegative, Positive, Strategy, tensors_to_vector


class L2Init(Strategy):
    """Regenerative regularisation: weights that nothing holds elsewhere return to where they began.

    L + strength sum_i (theta_i - theta_i(0))^2   (Kumar, Marklund & Van Roy 2023, arXiv 2308.11958)

    theta(0) is what is trained as the strategy found it: a fresh initialisation, as in the paper, or pretrained
    weights, in which case it is those that return. The pull is part of the loss, so that an adaptive
    optimizer scales it with the gradient, as in the paper. Knows no boundaries.
    Cost per step: forward + backward + O(parameters). Memory: 1 x parameters.

    Args:
        strength: nats per asked position, per unit of squared distance; the paper sweeps 1e-5 to 1e-2.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"strength": 0.0}
    anchored = True
    start: Tensor

    def __init__(self, strength: NonNegative = 1e-3, lr: Positive | None = None):
        super().__init__(lr)
        self.strength = strength

    @torch.no_grad()
    def attach(self, learner: Learner) -> None:
        """Remember where the weights are."""
        theta = tensors_to_vector(learner.trainable())
        self.register_buffer("start", theta.clone())

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
        """The weighted squared distance, in nats per asked position."""
        if not self.strength:
            return 0.0
        theta = tensors_to_vector(learner.trainable())
        return self.strength * (theta - self.start).square().sum()
