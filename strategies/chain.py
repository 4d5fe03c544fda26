"""Composition of strategies in one learner."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from plasticity import Batch, Learner, Positive, Prediction, Rehearsal, Strategy

SINGLE = ("predict", "update", "loss", "trainable")
"""What only one part may replace."""
DESCENT = ("rehearse", "loss", "penalty", "project_gradients", "after_step")
"""What nobody calls where no gradient step is taken."""
BESIDE = ("predict", "on_shift", "after_batch")
"""By what a part can act without one."""


class Chain(Strategy):
    """Parts that act in the order in which they stand: extra losses add up, edits follow one another.

    L + sum_k (penalty_k + rehearsal_k);  g <- project_n(... project_1(g));  theta <- after_n(... after_1(theta))

    Whatever the order: the part that says what is trained (LoRA) comes first, so that all others find its parameters;
    and after a step, the part that takes the step itself (DynamicEvaluation) does. Each part draws its own randomness,
    the first as it does alone. A Chain among the parts is as good as its own parts in that place.
    Cost per step: that of the parts, with one forward + backward shared. Memory: that of the parts.

    Args:
        parts: strategies, none with a learning rate of its own.
        lr: learning rate; null: the experiment's optimizer decides.

    Raises:
        ValueError: two parts replace the prediction, the update, the loss, or what is trained, or take the step; a part
            acts on gradient steps beside one that shares none (Frozen, Kalman, LoFi, EvidenceMixture,
            MemoryInContext); a part holds on to parameters that another one gives a new meaning at each shift
            (LoRAPool, OLoRA); or a part has a learning rate.
    """

    off = {"parts": ()}

    def __init__(self, parts: Sequence[Strategy] = (), lr: Positive | None = None):
        super().__init__(lr)
        self.parts, self.plain = nn.ModuleList(parts), Strategy()
        self.needs_shifts = any(part.needs_shifts for part in parts)
        self.resumable = all(part.resumable for part in parts)
        self._ones = {hook: self._one(parts, hook) for hook in SINGLE}
        for part in parts:
            if part.lr is not None:
                name = type(part).__name__
                raise ValueError(f"parts: {name} has lr {part.lr}: expected lr beside `parts`")
        self._leaves = [leaf for part in parts for leaf in leaves(part)]
        refuse(self._leaves)
        for place, leaf in enumerate(self._leaves):
            leaf.place = place
        first = self.replacing("trainable")
        self._ordered = sorted(self._leaves, key=lambda leaf: leaf is not first)
        self._after = sorted(self._ordered, key=lambda leaf: not leaf.takes_step)

    def attach(self, learner: Learner) -> None:
        """Each part, in order."""
        for part in self._ordered:
            part.attach(learner)

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        """As the part says that replaces it."""
        return self._ones["trainable"].trainable(learner)

    def on_shift(self, learner: Learner) -> None:
        """Each part, in order."""
        for part in self._ordered:
            part.on_shift(learner)

    def predict(self, learner: Learner, batch: Batch) -> Float[Tensor, "batch time symbols"]:
        """As the part says that replaces it."""
        return self._ones["predict"].predict(learner, batch)

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        """As the part does that replaces it; where it descends, it descends for all parts."""
        self._ones["update"].update(learner, batch, prediction)

    def replacing(self, hook: str) -> Strategy | None:
        """The part that replaces a hook, or one of its own parts; None: none does."""
        return next((leaf for leaf in self._leaves if leaf.replacing(hook)), None)

    def rehearse(self, learner: Learner, size: int) -> Rehearsal | None:
        """The rows of all parts in one pass, and the sum of their losses."""
        found = [part.rehearse(learner, size) for part in self._ordered]
        return Rehearsal.together([each for each in found if each is not None])

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Float[Tensor, ""]:
        """As the part says that replaces it, in nats per asked position."""
        return self._ones["loss"].loss(learner, batch, logits)

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
        """The sum over parts, in nats per asked position."""
        return sum((part.penalty(learner, batch, logits) for part in self._ordered), start=0.0)

    def project_gradients(self, learner: Learner) -> None:
        """Each part, in order."""
        for part in self._ordered:
            part.project_gradients(learner)

    def after_step(self, learner: Learner) -> None:
        """The part that takes the step; then each part, in order."""
        for part in self._after:
            part.after_step(learner)

    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Each part, in order."""
        for part in self._ordered:
            part.after_batch(learner, batch)

    def beliefs(self) -> Float[Tensor, " owners"] | None:
        """Of the first part that has any."""
        found = (part.beliefs() for part in self._leaves)
        return next((each for each in found if each is not None), None)

    def idle(self, steps: int | None, shifts: bool, updates: int = 1) -> str | None:
        """What some part cannot do."""
        each = ((type(leaf).__name__, leaf.idle(steps, shifts, updates)) for leaf in self._leaves)
        reasons = [f"{name}: {why}" for name, why in each if why]
        return "; ".join(reasons) or (None if self._leaves else "parts: it has none")

    def _one(self, parts: Sequence[Strategy], hook: str) -> Strategy:
        """The part that replaces this hook, or plain gradient descent."""
        found = [one for part in parts if (one := part.replacing(hook))]
        if len(found) > 1:
            names = " and ".join(type(part).__name__ for part in found)
            raise ValueError(f"parts: {names} each replace `{hook}`: expected one part at most")
        return found[0] if found else self.plain


def leaves(strategy: Strategy) -> list[Strategy]:
    """The parts of a Chain that are no Chain, in order; of another strategy, itself."""
    if not isinstance(strategy, Chain):
        return [strategy]
    return [leaf for part in strategy.parts if isinstance(part, Strategy) for leaf in leaves(part)]


def refuse(parts: Sequence[Strategy]) -> None:
    """See that every part can act beside the others.

    Raises:
        ValueError: one cannot, and why.
    """
    if len(both := [type(part).__name__ for part in parts if part.takes_step]) > 1:
        raise ValueError(f"parts: {' and '.join(both)} each take the step: expected one at most")
    for one in parts:
        for other in (part for part in parts if part is not one):
            names = type(one).__name__, type(other).__name__
            lost = [hook for hook in DESCENT if other.replacing(hook)]
            if not one.descends and (lost or not any(map(other.replacing, BESIDE))):
                what = " and ".join(f"`{hook}`" for hook in lost) or "gradient descent"
                raise ValueError(
                    f"parts: {names[0]} shares no gradient step, and {names[1]} acts by {what}, which is then never "
                    "done: expected one of them"
                )
            if one.renews and other.anchored:
                raise ValueError(
                    f"parts: at a shift {names[0]} gives the trained parameters a new meaning, and {names[1]} would "
                    "pull them to what it noted of the old ones: expected one of them"
                )
