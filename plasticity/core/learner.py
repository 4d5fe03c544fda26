"""Learner: what a strategy is handed. No score, no record, no answer key, no stream."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from plasticity.core.network import Network
from plasticity.core.stream import Stream
from plasticity.core.tunnel import Batch
from plasticity.core.updates import Updates


class Spec(NamedTuple):
    """Sizes that every part of an experiment must agree on."""

    vocab: int
    symbols: int
    batch: int
    time: int

    @classmethod
    def of(cls, stream: Stream) -> Spec:
        """Those of a stream."""
        return cls(stream.vocab, stream.symbols, stream.batch, stream.time)


class Prediction(NamedTuple):
    """What is predicted of a batch that is to be learned from, and what shared the forward pass."""

    logits: Float[Tensor, "batch time symbols"]
    rehearsal: Float[Tensor, ""] | float = 0.0
    """The loss on rehearsed rows, in nats per asked position; 0.0: nothing was rehearsed."""


@runtime_checkable
class Learner(Protocol):
    """A network and the strategy that moves its weights, as that strategy sees them.

    The gradient flows through the very tensor that is graded, so that "evaluate before you train" holds by
    construction; the grades are taken where nothing here can reach them. That no answer key and no score can be
    reached from here is checked by `plasticity check`, not during a run; `seed` is the world's own, and that nobody
    draws the stream again from it is a matter of trust.

    Attributes:
        network: whose weights move.
        strategy: the whole `Strategy` that the one asking is a part of: itself, unless it is in a Chain.
        optimizer: over `trainable()`; None where nothing is trained.
        spec: sizes that every part agrees on: vocab, symbols, batch, time.
        seed: of the world, the network and all randomness.
        step: of the stream, from 0.
        update_index: steps of the optimizer since this step of the stream began, episodes and shifts counted
            too: it counts itself.
        updates: how finely a batch is cut into updates, and how many each.
        asked: positions at which some tunnel of the stream asks.
    """

    network: Network
    strategy: Any
    optimizer: torch.optim.Optimizer
    spec: Spec
    seed: int
    step: int
    update_index: int
    updates: Updates
    asked: Bool[Tensor, " time"]

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        ...

    def trainable(self) -> list[nn.Parameter]:
        """The parameters that the optimizer moves, as `strategy.trainable` has it."""
        ...

    def predict(self, batch: Batch) -> Prediction:
        """`strategy.predict` of a batch that is to be learned from; rehearsed rows share its forward pass."""
        ...

    def nll(self, logits: Tensor, targets: Tensor, asked: Tensor) -> Float[Tensor, ""]:
        """Log loss of what came, in nats per asked position; targets that are IGNORE_INDEX do not count.

        Args:
            logits: (batch, time, symbols).
            targets: (batch, time).
            asked: (time,), positions that are looked at.
        """
        ...

    def total_loss(self, batch: Batch, prediction: Prediction) -> Float[Tensor, ""]:
        """Loss, penalty and rehearsal of the whole strategy, in nats per asked position: what is descended."""
        ...

    def backward(self, loss: Tensor) -> None:
        """Gradients of the loss; where several processes share a batch, those of all, averaged."""
        ...

    def is_correct(
        self, answers: Int[Tensor, "batch asked"], batch: Batch
    ) -> Bool[Tensor, "batch asked"]:
        """Which answers at the asked positions turn out right, when the world tries them."""
        ...
