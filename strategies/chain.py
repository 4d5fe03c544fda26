"""Several strategies at once."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from plasticity import Batch, Learner, Positive, Prediction, Rehearsal, Strategy

SINGLE = ("predict", "update", "loss", "trainable")
"""What only one part may replace."""


class Chain(Strategy):
    """Parts that act in the order in which they stand: extra losses add up, edits follow one another.

    L + sum_k (extra_k + rehearsal_k);  g <- project_n(... project_1(g));  theta <- stepped_n(... stepped_1(theta))

    A Chain among the parts is as good as its own parts in that place.
    Cost per step: that of the parts, with one forward + backward shared. Memory: that of the parts.

    Args:
        parts: strategies, none with a learning rate of its own.
        lr: learning rate; null: the experiment's optimizer decides.

    Raises:
        ValueError: two parts replace the prediction, the update, the loss, or what is trainable; or a part has a
            learning rate.
    """

    off = {"parts": ()}

    def __init__(self, parts: Sequence[Strategy] = (), lr: Positive | None = None):
        super().__init__(lr)
        self.parts, self.plain = nn.ModuleList(parts), Strategy()
        self.needs_shifts = any(part.needs_shifts for part in parts)
        self._ones = {hook: self._one(hook) for hook in SINGLE}
        for part in parts:
            if part.lr is not None:
                name = type(part).__name__
                raise ValueError(f"parts: {name} has lr {part.lr}: expected lr beside `parts`")

    def attach(self, learner: Learner) -> None:
        """Each part, in order."""
        for part in self._parts():
            part.attach(learner)

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        """As the part says that replaces it."""
        return self._ones["trainable"].trainable(learner)

    def on_shift(self, learner: Learner) -> None:
        """Each part, in order."""
        for part in self._parts():
            part.on_shift(learner)

    def predict(self, learner: Learner, batch: Batch) -> Float[Tensor, "batch time symbols"]:
        """As the part says that replaces it."""
        return self._ones["predict"].predict(learner, batch)

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        """As the part does that replaces it; where it descends, it descends for all parts."""
        self._ones["update"].update(learner, batch, prediction)

    def replacing(self, hook: str) -> Strategy | None:
        """The part that replaces a hook, or one of its own parts; None: none does."""
        one = self._ones[hook]
        return None if one is self.plain else one

    def rehearse(self, learner: Learner, size: int) -> Rehearsal | None:
        """The rows of all parts in one pass, and the sum of their losses."""
        found = [part.rehearse(learner, size) for part in self._parts()]
        return Rehearsal.together([each for each in found if each is not None])

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Float[Tensor, ""]:
        """As the part says that replaces it, in nats per asked position."""
        return self._ones["loss"].loss(learner, batch, logits)

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
        """The sum over parts, in nats per asked position."""
        return sum((part.penalty(learner, batch, logits) for part in self._parts()), start=0.0)

    def project_gradients(self, learner: Learner) -> None:
        """Each part, in order."""
        for part in self._parts():
            part.project_gradients(learner)

    def after_step(self, learner: Learner) -> None:
        """Each part, in order."""
        for part in self._parts():
            part.after_step(learner)

    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Each part, in order."""
        for part in self._parts():
            part.after_batch(learner, batch)

    def _parts(self) -> list[Strategy]:
        return [part for part in self.parts if isinstance(part, Strategy)]

    def _one(self, hook: str) -> Strategy:
        """The part that replaces this hook, or plain gradient descent."""
        found = [one for part in self._parts() if (one := part.replacing(hook))]
        if len(found) > 1:
            names = " and ".join(type(part).__name__ for part in found)
            raise ValueError(f"parts: {names} each replace `{hook}`: expected one part at most")
        return found[0] if found else self.plain
