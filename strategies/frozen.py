"""Frozen network: in-context learning alone."""

from torch import nn

from plasticity import Batch, Learner, Prediction, Strategy


class Frozen(Strategy):
    """The pretrained network as it is: theta_t = theta_0.

    The best any frozen network can do is the amnesic observer, which is skill 0. Cost per step: one forward.
    """

    descends = False

    def __init__(self) -> None:
        super().__init__()

    def attach(self, learner: Learner) -> None:
        """No gradients, hence no graph."""
        learner.network.requires_grad_(False)

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        """Nothing."""
        return []

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        """Nothing."""
