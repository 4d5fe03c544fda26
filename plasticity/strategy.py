"""Strategy: plain gradient descent on what the world just showed, and the places to differ from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from plasticity.quantities import Positive
from plasticity.tunnel import Batch

if TYPE_CHECKING:
    from plasticity.learner import Learner


class Strategy(nn.Module):
    """How a learner's weights move at test time. As it stands: one gradient step per batch.

    A strategy is an `nn.Module`: what it remembers lives in buffers, and is therefore checkpointed, moved
    to the device and counted as memory without further code. It may read a batch's `inputs`, `targets` and
    `asked`, and nothing else of it. Randomness comes from `self.rng(learner)`, a pure function of (seed, step).

    Args:
        lr: learning rate of this strategy; null: the experiment's optimizer decides.
    """

    off: ClassVar[dict[str, Any] | None] = None
    """Arguments at which the strategy vanishes: it must then equal Finetune to the bit. None: it has none."""
    needs_shifts: ClassVar[bool] = False
    """Whether it does nothing unless the world's shifts are announced to it."""

    def __init__(self, lr: Positive | None = None):
        super().__init__()
        self.lr = lr

    def attach(self, learner: Learner) -> None:
        """Once, before the first batch and before a checkpoint is loaded: buffers, adapters, freezing."""

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        """The parameters that the optimizer moves."""
        return [p for p in learner.network.parameters() if p.requires_grad]

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Float[Tensor, ""]:
        """What is descended, in nats per asked position."""
        return learner.nll(logits, batch.targets, batch.asked)

    def project(self, learner: Learner) -> None:
        """After backward: edit the gradients in place."""

    def observe(self, learner: Learner, batch: Batch) -> None:
        """After the weights moved."""

    def shift(self, learner: Learner) -> None:
        """The world changed; called before the first batch of the new regime, if shifts are announced."""

    def update(self, learner: Learner, batch: Batch, logits: Tensor) -> None:
        """Learn from one batch: the six lines that call the rest.

        Lightning's gradient accumulation and clipping flags do not apply here (manual optimisation).
        """
        loss = self.loss(learner, batch, logits)
        learner.optimizer.zero_grad()
        learner.manual_backward(loss)
        self.project(learner)
        learner.optimizer.step()
        self.observe(learner, batch)

    def rng(self, learner: Learner) -> np.random.Generator:
        """This step's randomness: a pure function of (seed, step), so that nothing need be saved."""
        return np.random.default_rng((4, learner.seed, learner.step))
