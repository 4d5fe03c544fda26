"""Strategy: plain gradient descent on what the world just showed, and the places to differ from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity.core.bounded import Positive
from plasticity.core.learner import Learner, Prediction
from plasticity.core.tunnel import Batch

PLAIN = (int, float, str, NoneType)
"""What can be compared with an argument of `off`."""


class Rehearsal(NamedTuple):
    """Rows of a strategy's own, of the stream's length, and what is descended on them."""

    inputs: Int[Tensor, "rows time"]
    loss: Callable[[Tensor], Float[Tensor, ""]]
    """From their logits (rows time symbols) to what is added to the loss, in nats per asked position."""

    @staticmethod
    def together(several: Sequence[Rehearsal]) -> Rehearsal | None:
        """All their rows, and the sum of their losses; None: there are none."""
        if len(several) < 2:
            return several[0] if several else None
        sizes = [len(each.inputs) for each in several]

        def loss(logits: Tensor) -> Tensor:
            pairs = zip(several, logits.split(sizes), strict=True)
            return torch.stack([each.loss(said) for each, said in pairs]).sum()

        return Rehearsal(torch.cat([each.inputs for each in several]), loss)


class Strategy(nn.Module):
    """How a learner's weights move at test time. As it stands: one gradient step per batch.

    A strategy is an `nn.Module`: what it remembers lives in buffers, and is therefore checkpointed, moved
    to the device and counted as memory without further code. It sees batches and a `Learner`, and nothing else of the
    world. Randomness comes from `self.rng(learner)`, a pure function of (seed, step, update).

    | hook | when | how several combine in a Chain |
    |---|---|---|
    | attach | once | each, in order |
    | trainable | once | one part may replace it |
    | on_shift | before the first batch of a regime | each, in order |
    | predict | to answer a batch: graded, or probed | one part may replace it |
    | rehearse | before each forward pass that is learned from | rows share the pass, losses are summed |
    | update | to learn from a batch | one part may replace it |
    | loss | | one part may replace it |
    | penalty | added to the loss | summed |
    | project_gradients | after backward, before the optimizer | each, in order |
    | after_step | after the optimizer | each, in order |
    | after_batch | after whole episodes were learned | each, in order |
    | beliefs | after a step, for the record | the first part's that has any |

    Args:
        lr: learning rate of this strategy; null: the experiment's optimizer decides.

    Attributes:
        off: arguments at which the strategy vanishes: it must then equal Finetune to the bit. None: it has
            none.
        needs_shifts: whether it does nothing unless it is told of the world's shifts, by announcement or by a
            detector.
        resumable: whether its state dict holds all that it remembers; otherwise a cell that is cut off starts
            over.
        descends: whether it takes gradient steps, in which the other parts of a Chain take part; else its
            `update` is all.
        anchored: whether it holds numbers about each trained parameter, which are void once that comes to mean
            something else.
        renews: whether at a shift the trained parameters come to mean something else, as another adapter's do.
        takes_step: whether its `after_step` puts the weights where it wants them, wherever the optimizer has
            put them.
        place: which part of a Chain it is: each draws its own randomness.
    """

    off: ClassVar[dict[str, Any] | None] = None
    needs_shifts: bool = False
    resumable: bool = True
    descends: ClassVar[bool] = True
    anchored: ClassVar[bool] = False
    renews: ClassVar[bool] = False
    takes_step: bool = False
    place: int = 0

    def __init__(self, lr: Positive | None = None):
        super().__init__()
        self.lr = lr

    def attach(self, learner: Learner) -> None:
        """Once, before the first batch and before a checkpoint is loaded: buffers, adapters, freezing."""

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        """The parameters that the optimizer moves.

        Law: a strategy that has an optimizer moves no other parameter of the network, but in `on_shift`, where it may
        merge adapters into what is below them. Where this list is empty there is no optimizer, and the strategy moves
        weights by a law of its own (a filter's), or not at all.
        """
        return [p for p in learner.network.parameters() if p.requires_grad]

    def predict(self, learner: Learner, batch: Batch) -> Float[Tensor, "batch time symbols"]:
        """Logits by which a batch is answered: in the stream, at probes, from a checkpoint. The network's own.

        Law: row t depends on inputs[:, :t+1] and targets[:, :t] of its own sequence, as the exact observers' does, and
        on whatever the strategy remembers. It changes nothing. What is learned from needs a gradient.
        """
        return learner.network(batch.inputs)

    def rehearse(self, learner: Learner, size: int) -> Rehearsal | None:
        """Rows that go through the network with a batch of `size`, and their loss; None: nothing is rehearsed.

        The batch is not predicted yet, and so it is not shown. Where the batch is a piece of its episodes, or `predict`
        is replaced, the rows go through alone.
        """
        return None

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Float[Tensor, ""]:
        """What is descended but for penalty and rehearsal, in nats per asked position."""
        return learner.nll(logits, batch.targets, batch.asked)

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Float[Tensor, ""] | float:
        """Regularisation: what is descended beside the loss on the batch. Same unit; 0.0: nothing."""
        return 0.0

    def project_gradients(self, learner: Learner) -> None:
        """After backward: edit the gradients in place."""

    def after_step(self, learner: Learner) -> None:
        """After every step of the optimizer, the gradients still there: edit the weights, or take notes."""

    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """After whole episodes were learned from: remember them."""

    def on_shift(self, learner: Learner) -> None:
        """The world changed; called before the first batch of the new regime if shifts are announced.

        With a detector: when it raises the alarm, which it may once all of a step is predicted; what was predicted last
        (the batch, or the last piece of it) is then predicted again, and learned from.
        """

    def beliefs(self) -> Float[Tensor, " owners"] | None:
        """Which regime it takes to be live, for the record alone: probabilities, summing to 1; None: it takes none.

        Asked after every step. The first is of the network as it was pretrained, the others of what it holds for a
        regime each, always in the same places. Recorded as `belief/0`, `belief/1`, ...; drawn beside the true regimes.
        """
        return None

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        """Learn from one batch, or a piece of it: the lines that call the rest.

        Lightning's gradient accumulation, clipping and loss scaling do not apply here (manual optimisation).

        Args:
            learner: whose weights move.
            batch: what was predicted.
            prediction: of the weights as they are now, with its graph.
        """
        whole = learner.strategy
        for repeat in range(learner.updates.steps):
            if repeat:
                prediction = learner.predict(batch)
            loss = learner.total_loss(batch, prediction)
            for group in learner.optimizer.param_groups:  # its zero_grad() takes 1 % of a step
                for p in group["params"]:
                    p.grad = None
            learner.backward(loss)
            whole.project_gradients(learner)
            learner.optimizer.step()
            whole.after_step(learner)

    def idle(self, steps: int | None, shifts: bool, updates: int = 1) -> str | None:
        """Why it cannot act within such a stream, `argument: ...` where one is to blame; None: it can.

        Asked by validation, which warns of it, of a strategy that is attached.

        Args:
            steps: of the stream; None: it has no end.
            shifts: whether it is told of a shift within them, by announcement or by a detector.
            updates: gradient steps per step of the stream.
        """
        off = {name: (getattr(self, name, ...), value) for name, value in (self.off or {}).items()}
        if off and all(isinstance(now, PLAIN) and now == value for now, value in off.values()):
            return (
                f"{', '.join(f'{name}: {value}' for name, (value, _) in off.items())} turns it off"
            )
        if self.needs_shifts and not shifts:
            return f"it works at shifts, and none comes within {steps} steps"
        return None

    def replacing(self, hook: str) -> Strategy | None:
        """The strategy that replaces a hook: this one, or a part of it; None: it is plain gradient descent's."""
        return None if getattr(type(self), hook) is getattr(Strategy, hook) else self

    def rng(
        self, learner: Learner, *purpose: object, device: torch.device | str = "cpu"
    ) -> torch.Generator:
        """This update's randomness: a pure function of (seed, step, update, place, purpose): nothing need be saved.

        The generator's seed is a hash of these. On the CPU torch uses 32 bits of it, so that of T updates T^2 / 2^33
        pairs are expected to draw alike.

        Args:
            learner: whose seed, step and update it is.
            purpose: what tells it from other randomness of the same update.
            device: where it draws; another device draws other numbers.
        """
        part = (f"part{self.place}",) if self.place else ()
        drawn = learner.seed, learner.step, learner.update_index, *part, *purpose
        digest = hashlib.blake2b(" ".join(map(str, drawn)).encode(), digest_size=8).digest()
        return torch.Generator(device).manual_seed(int.from_bytes(digest, "big"))
