"""Learner: a network, and the strategy that moves its weights; the loop is in engine/prequential.py."""

from collections.abc import Callable, Sequence
from typing import cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from plasticity.core.learner import Prediction, Spec
from plasticity.core.network import Network
from plasticity.core.optimizer import Optimizer
from plasticity.core.strategy import Strategy
from plasticity.core.tunnel import Batch
from plasticity.core.updates import Updates

Verdict = Callable[[np.ndarray, np.ndarray], np.ndarray]


class OnlineLearner(nn.Module):
    """A network that learns online: what a strategy is handed as `plasticity.Learner`, and nothing more.

    Args:
        network: whose weights move.
        strategy: what moves them.
        optimizer_factory: from parameters to an optimizer.
        spec: sizes of the stream.
        seed: of the strategy's randomness.
        updates: how finely a batch is cut into updates.
        asked: positions that are ever asked; null: all.
        is_correct: whether answers are right, as `Tunnel.is_correct`; null: those that came.
    """

    asked: Bool[Tensor, " time"]

    def __init__(
        self,
        network: Network,
        strategy: Strategy,
        optimizer_factory: Optimizer,
        spec: Spec,
        seed: int = 0,
        updates: Updates | None = None,
        asked: Bool[Tensor, " time"] | None = None,
        is_correct: Verdict | None = None,
    ):
        super().__init__()
        self.network, self.strategy = network, strategy
        self.optimizer_factory, self.spec, self.seed = optimizer_factory, spec, seed
        self.updates = updates or Updates()
        everywhere = torch.ones(spec.time, dtype=torch.bool)
        self.register_buffer("asked", everywhere if asked is None else asked, persistent=False)
        self.optimizer = cast(torch.optim.Optimizer, None)  # until there is one
        self.step = self.update_index = 0
        _VERDICTS[self] = is_correct or np.equal
        self.before_backward: Callable[[Tensor], None] | None = None
        self._attached = self._moved = False

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.asked.device

    def attach(self) -> None:
        """Attach the strategy, once, before any checkpoint is loaded."""
        if not self._attached:
            self.strategy.attach(self)
            self._attached = True

    def make_optimizer(self) -> torch.optim.Optimizer | None:
        """The optimizer over what the strategy trains; none if it trains nothing."""
        if params := self.trainable():
            self.optimizer = self.optimizer_factory(params, self.strategy.lr)
            self.optimizer.register_step_post_hook(self._note_step)
        return self.optimizer

    def forward(self, inputs: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time symbols"]:
        """Logits of the network as it is now."""
        return self.network(inputs)

    def trainable(self) -> list[nn.Parameter]:
        """The parameters that the optimizer moves."""
        return self.strategy.trainable(self)

    def predict(self, batch: Batch) -> Prediction:
        """How the strategy answers a batch that is to be learned from, or a piece of it.

        What is rehearsed shares the pass: rows do not interact, so that nothing rehearsed reaches the prediction.
        Pieces that are shorter than what is rehearsed go alone, and so does every batch of a strategy that answers
        in a way of its own.
        """
        self._count()
        rehearsal = self.strategy.rehearse(self, len(batch.inputs))
        if rehearsal is None:
            return Prediction(self.strategy.predict(self, batch))
        own = self.strategy.replacing("predict") is not None
        rows = batch.inputs, rehearsal.inputs
        if own or rows[0].shape[1] != rows[1].shape[1]:
            both: Sequence[Tensor] = self.strategy.predict(self, batch), self.network(rows[1])
        else:
            both = self.network(torch.cat(rows)).split([len(each) for each in rows])
        return Prediction(both[0], rehearsal.loss(both[1]))

    def nll(
        self,
        logits: Float[Tensor, "batch time symbols"],
        targets: Int[Tensor, "batch time"],
        asked: Bool[Tensor, " time"],
    ) -> Float[Tensor, ""]:
        """Log loss of what came, in nats per asked position; targets that are IGNORE_INDEX do not count."""
        if not bool(asked.all()):
            logits, targets = logits[:, asked], targets[:, asked]
        return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def total_loss(self, batch: Batch, prediction: Prediction) -> Float[Tensor, ""]:
        """Loss, penalty and rehearsal of the whole strategy, in nats per asked position: what is descended."""
        self._count()
        logits, rehearsal = prediction
        beside = self.strategy.penalty(self, batch, logits), rehearsal
        loss = self.strategy.loss(self, batch, logits)
        return sum((each for each in beside if isinstance(each, Tensor)), start=loss)

    def backward(self, loss: Tensor) -> None:
        """Gradients of the loss; where several processes share a batch, those of all, averaged."""
        if self.before_backward is not None:
            self.before_backward(loss)
        loss.backward()

    def is_correct(
        self, answers: Int[Tensor, "batch asked"], batch: Batch
    ) -> Bool[Tensor, "batch asked"]:
        """Which answers at the asked positions of a batch turn out right, when the world tries them."""
        wanted = batch.targets[:, batch.asked]
        right = _VERDICTS[self](answers.cpu().numpy(), wanted.cpu().numpy())
        return torch.from_numpy(np.asarray(right)).to(answers.device)

    def begin(self, step: int) -> None:
        """Step `step` of the stream begins; of a loop that is written by hand, the first attaches the strategy."""
        if not self._attached:
            self.attach()
            self.make_optimizer()
        self.step, self.update_index, self._moved = step, 0, False

    def learn(self, batch: Batch, prediction: Prediction) -> None:
        """Let the strategy learn from a batch, or a piece of it, that was predicted."""
        self.strategy.update(self, batch, prediction)
        self._count()

    def finish_batch(self, batch: Batch) -> None:
        """Whole episodes were learned from."""
        self.strategy.after_batch(self, batch)
        self._count()
        self.update_index += 1  # what comes next draws anew

    def notify_shift(self) -> None:
        """The world changed, as far as anyone here can tell."""
        if self.updates.optimizer == "reset" and self.optimizer is not None:
            self.optimizer.state.clear()
        self.strategy.on_shift(self)
        self._count()
        self.update_index += 1

    def _note_step(self, *_: object) -> None:
        self._count()
        self._moved = True

    def _count(self) -> None:
        """Count a step of the optimizer, once all that belongs to it is over."""
        if self._moved:
            self.update_index, self._moved = self.update_index + 1, False


_VERDICTS: WeakKeyDictionary[OnlineLearner, Verdict] = WeakKeyDictionary()
"""Which answers are right in each learner's world: beside learners, because the world may be reached from it."""
