"""Context distillation: what a network says with earlier episodes before it is what it learns to say without."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from plasticity import (
    IGNORE_INDEX,
    Batch,
    Count,
    Fraction,
    Learner,
    Positive,
    Strategy,
    logits_with,
    tensors_to_vector,
    vector_to_tensors,
)

from .memory_in_context import oldest_first


class ContextDistillation(Strategy):
    """Self-distillation from context: the teacher is the same network with the latest k episodes before the live one.

    (1 - weight) L + weight mean_t KL(p(. | M, past) || p_theta(. | past)),  M the latest k episodes of the regime
    (self-distillation fine-tuning, SDFT: Shenfeld et al. 2026, arXiv 2601.19897; prompts into weights: Snell et al.
    2022, arXiv 2209.15189)

    They descend KL(student || teacher) on what the student writes. Here the world writes the episodes, and the whole
    distribution is at hand, so that the other direction has the same optimum and the gradient of a log loss. The
    teacher is the network as it was pretrained, or as it is now (SDFT); no gradient flows through it. Told of a shift,
    M is emptied; not told, it is of the new regime as soon as k episodes went by. It must have learned to use such
    context: `pretrain: {episodes: k + 1}`. The student is then worth what the teacher is worth, and may be worth more:
    many contexts average. It sees a target only where a later input shows it.

    Cost per step: forward + backward + a forward over (k + 1) T symbols. Memory: k x T symbols, and the pretrained
    weights.

    Args:
        episodes: k.
        weight: of the divergence; the rest is the log loss's. 0: off.
        teacher: the network as it was pretrained, or as it is now.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"weight": 0.0}
    anchored = True
    inputs: Int[Tensor, "episodes time"]
    received: Int[Tensor, ""]
    pretrained: Float[Tensor, " parameters"]

    def __init__(
        self,
        episodes: Count = 8,
        weight: Fraction = 0.5,
        teacher: Literal["pretrained", "now"] = "pretrained",
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.episodes, self.weight = episodes, weight
        self.teacher: Literal["pretrained", "now"] = teacher

    def attach(self, learner: Learner) -> None:
        """See that the network takes the context; allocate the memory, and note the weights."""
        time, device = learner.spec.time, learner.device
        zeros = torch.zeros(self.episodes, time, dtype=torch.int64, device=device)
        if self.weight:
            learner.network.forward(zeros.new_zeros(1, (self.episodes + 1) * time))
        self.register_buffer("inputs", zeros)
        self.register_buffer("received", zeros.new_zeros(()))
        theta = tensors_to_vector(learner.trainable()).detach()
        self.register_buffer(
            "pretrained", theta[: len(theta) * (self.teacher == "pretrained")].clone()
        )

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Float[Tensor, ""]:
        """Log loss and divergence, in nats per asked position."""
        if self.weight == 1:
            return self.divergence(learner, batch, logits)
        mine = super().loss(learner, batch, logits)
        if not self.weight:
            return mine
        return (1 - self.weight) * mine + self.weight * self.divergence(learner, batch, logits)

    def divergence(self, learner: Learner, batch: Batch, logits: Tensor) -> Float[Tensor, ""]:
        """KL(teacher || student), the mean over asked positions."""
        asked = (batch.targets != IGNORE_INDEX) & batch.asked
        taught = self.taught(learner, batch.inputs)[asked].log_softmax(-1)
        return (taught.exp() * (taught - logits[asked].log_softmax(-1))).sum(-1).mean()

    @torch.no_grad()
    def taught(
        self, learner: Learner, inputs: Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time symbols"]:
        """The teacher's logits."""
        before = self.inputs[oldest_first(int(self.received), self.episodes)].flatten()
        both = torch.cat([before.expand(len(inputs), -1), inputs], 1)
        if self.teacher == "now":
            return learner.network(both)[:, -inputs.shape[1] :]
        weights = vector_to_tensors(self.pretrained, learner.trainable())
        return logits_with(learner, weights, both)[:, -inputs.shape[1] :]

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Remember the episodes."""
        for episode in batch.inputs if self.weight else []:
            self.inputs[int(self.received) % self.episodes] = episode
            self.received += 1

    def on_shift(self, learner: Learner) -> None:
        """Forget them: the next are of another regime."""
        self.received.zero_()
