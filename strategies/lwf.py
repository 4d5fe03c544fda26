"""Learning without forgetting: distillation from the weights before the shift."""

import torch
from torch import Tensor

from plasticity import (
    IGNORE_INDEX,
    Batch,
    Learner,
    NonNegative,
    Positive,
    Strategy,
    logits_with,
    tensors_to_vector,
    vector_to_tensors,
)


class LwF(Strategy):
    """Learning without forgetting: on what comes now, still say what the weights of the last regime say.

    L + strength T^2 KL(p_old || p_new),  p = softmax(f(x) / T), a mean over asked positions of the current inputs
    (Li & Hoiem 2016, arXiv 1606.09282; the factor T^2: Hinton, Vinyals & Dean 2015, arXiv 1503.02531)

    Old are the weights as they stood at the last shift; before the first one there are none, and nothing is added.
    The paper writes the old answers to a task's examples down before it is learned: the same. Its cross-entropy
    is this KL but for a constant. Departs from the paper: one head, not one for each task, so that old answers
    and new targets pull at the same logits; no warm-up of a new head; the factor T^2, without which the pull
    fades as T grows.

    Cost per step: forward + backward + a forward; per shift: O(parameters). Memory: 1 x parameters.

    Args:
        strength: of the old predictions against the new targets.
        temperature: T; the higher, the more small probabilities count.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"strength": 0.0}
    needs_shifts = True
    old: Tensor
    shifted: Tensor

    def __init__(
        self, strength: NonNegative = 0.1, temperature: Positive = 2.0, lr: Positive | None = None
    ):
        super().__init__(lr)
        self.strength, self.temperature = strength, temperature

    @torch.no_grad()
    def attach(self, learner: Learner) -> None:
        """Allocate the old weights."""
        theta = tensors_to_vector(learner.trainable())
        self.register_buffer("old", theta.clone())
        self.register_buffer("shifted", torch.zeros((), dtype=torch.bool))

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
        """The weighted divergence from the old predictions, in nats per asked position."""
        if not self.strength or not self.shifted:
            return 0.0
        old = (self.answers(learner, batch) / self.temperature).log_softmax(-1)
        new = (logits[:, batch.asked] / self.temperature).log_softmax(-1)
        own = batch.targets[:, batch.asked] != IGNORE_INDEX
        divergence = (old.exp() * (old - new)).sum(-1)[own].mean()
        return self.strength * self.temperature**2 * divergence

    @torch.no_grad()
    def answers(self, learner: Learner, batch: Batch) -> Tensor:
        """Logits of the old weights at the asked positions."""
        params = learner.trainable()
        return logits_with(learner, vector_to_tensors(self.old, params), batch.inputs)[
            :, batch.asked
        ]

    @torch.no_grad()
    def on_shift(self, learner: Learner) -> None:
        """What is said now is what is to be kept."""
        self.old.copy_(tensors_to_vector(learner.trainable()))
        self.shifted.fill_(True)
