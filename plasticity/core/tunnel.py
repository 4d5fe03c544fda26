"""Tunnel and Observer: a task with a hidden latent, and the exact posterior states about its latent."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

IGNORE_INDEX = -100
"""Stands for a target where none is asked; losses of torch leave it out."""
Symbols = Int[np.ndarray, "batch time"]
Probabilities = Float[np.ndarray, "batch time symbols"]
Latents = np.ndarray
"""n draws of a tunnel's latent: one array whose leading axis is n (a matrix per draw, an index per draw ...)."""


class Batch(NamedTuple):
    """B sequences of length T: all that a strategy ever sees of the world."""

    inputs: Int[Tensor, "batch time"]
    """Observed symbols, each in [0, vocab)."""
    targets: Int[Tensor, "batch time"]
    """Symbol to predict after inputs[:, :t+1], in [0, symbols); IGNORE_INDEX where this sequence is not asked."""
    asked: Bool[Tensor, " time"]
    """Positions that are graded and learned from."""

    def rows(self, rows: slice | Int[Tensor, " rows"]) -> "Batch":
        """Some of its sequences."""
        return self._replace(inputs=self.inputs[rows], targets=self.targets[rows])

    def asking(self, asked: Bool[Tensor, " time"]) -> "Batch":
        """The same sequences, asked at these positions only."""
        return Batch(self.inputs, self.targets.where(asked, IGNORE_INDEX), asked)


class AnswerKey(NamedTuple):
    """What the scorer and the observers know of a batch; no object that a strategy can reach holds one."""

    drawn: Int[Tensor, "batch time"]
    """Targets as the tunnel drew them, where nothing is asked too: what observers read."""
    posterior: Float[Tensor, "batch time symbols"]
    """The amnesic observer's exact predictive; rows sum to 1."""
    regime: Int[Tensor, " batch"]
    """Which regime made each sequence."""
    weights: dict[int, float]
    """Regime -> its share of such a batch, by the schedule's law; of a batch of one regime, 1. Sums to 1."""

    def rows(self, rows: slice | Int[Tensor, " rows"]) -> "AnswerKey":
        """That of some of its sequences."""
        return AnswerKey(self.drawn[rows], self.posterior[rows], self.regime[rows], self.weights)

    @property
    def live(self) -> int:
        """The regime of the largest weight: the one that a visit is of."""
        return max(self.weights, key=lambda regime: self.weights[regime])


class InputEvidence(NamedTuple):
    """What an episode shows beside what `Observer.predict` foretells."""

    inputs: Float[np.ndarray, "batch time"]
    """ln p(inputs[:, t] | state, all before), in nats: 0 where the target before says it, -inf where it cannot be."""
    counted: Bool[np.ndarray, " time"]
    """Targets that count, each foretold exactly by `predict`. The others are constant, or counted as
    the next input, or never shown to anybody."""


class Observer(ABC):
    """An exact Bayesian state about the latent: predicts, and absorbs whole episodes.

    Immutable: `absorb` returns a new state. It never sees a latent that it was not given.
    """

    @abstractmethod
    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """Exact p(targets[:, t] | state, inputs[:, :t+1], targets[:, :t]); each row of the batch on its own.

        Args:
            inputs: (batch, time) observed symbols.
            targets: (batch, time) symbols to predict.

        Returns:
            (batch, time, symbols) float64 whose rows sum to 1. Rows at positions that are not asked are a
            distribution too, but nobody grades them.
        """

    @abstractmethod
    def absorb(self, inputs: Symbols, targets: Symbols) -> "Observer":
        """The state after these whole episodes, all made under the one latent this state is about."""

    def input_evidence(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """What these episodes show beside what is foretold: all that `evidence` needs of a tunnel.

        Raises:
            NotImplementedError: this observer does not say how likely inputs are.
        """
        name = type(self).__name__
        raise NotImplementedError(
            f"{name} has no evidence: it does not say how likely inputs are; "
            f"write {name}.input_evidence, or hand it the format of the episodes where it takes one"
        )

    def evidence(
        self, inputs: Symbols, targets: Symbols
    ) -> Float[np.ndarray, "batch {inputs.shape[1]+1}"]:
        """Log probability of what has been shown, in nats; each row of the batch on its own.

        Entry t < time is ln p(inputs[:, :t+1], targets[:, :t] | state), the last one that of the
        whole episode; by the chain rule, with s over the inputs and u over the targets that count,

            sum_s ln p(inputs[:, s] | state, what came before) + sum_u ln predict[:, u, targets[:, u]].

        It counts everything, also what does not depend on the latent (where a walk starts, which key
        is asked), so that states of different tunnels over one alphabet can be compared. A last
        target that is not asked is shown to nobody and does not count, as `absorb` has it.

        Returns:
            (batch, time + 1) float64, never rising along time; -inf where impossible.

        Raises:
            NotImplementedError: this observer does not say how likely inputs are.
        """
        surprise, counted = self.input_evidence(inputs, targets)
        answers = np.where(counted, targets, 0)[..., None]
        likelihood = np.take_along_axis(self.predict(inputs, targets), answers, -1)[..., 0]
        nats = np.pad(surprise, ((0, 0), (0, 1)))
        with np.errstate(divide="ignore"):
            nats[:, 1:] += np.where(counted, np.log(likelihood), 0.0)
        return nats.cumsum(1)

    def state(self) -> dict[str, Any]:
        """What it knows, for a checkpoint: arrays and plain values, and none of the code that reads them.

        Every attribute unless overridden, but for functions and tunnels, which `restored` takes from the observer that
        it is called on. A part that is an observer itself has a state of its own.

        Raises:
            TypeError: an attribute is of a kind that is neither data nor code.
        """
        return {
            k: _known(f"{type(self).__name__}.{k}", v)
            for k, v in vars(self).items()
            if not _is_code(v)
        }

    def restored(self, state: Mapping[str, Any]) -> "Observer":
        """The observer of this state: of the same tunnel, and of the same class, as this one.

        Args:
            state: of `state`.
        """
        copy = object.__new__(type(self))
        for name, value in {**vars(self), **state}.items():
            mine = getattr(self, name, None)
            object.__setattr__(copy, name, _restored(mine, value))
        return copy

    def renew(self, part: int) -> "Observer":
        """The state after this part of the latent was drawn again from the prior: the rest stays known.

        Args:
            part: which of `Tunnel.parts`.

        Raises:
            NotImplementedError: the latent has no independent parts.
        """
        raise NotImplementedError(
            f"{type(self).__name__} cannot renew part {part}: its latent has no independent parts"
        )


class Hypotheses(NamedTuple):
    """A finite partition of the latent: of any latent one hypothesis is true, and the rest of it is integrated out.

    The laws that tie it to the tunnel: `prior` sums to 1, and so p(D) = sum_g prior_g p(D | g), with p(D | g) from
    `loglik` and p(D) from the evidence of `Tunnel.observer`.
    """

    prior: Float[np.ndarray, " hypotheses"]
    """p(g)."""
    of: Callable[[Latents], Int[np.ndarray, " n"]]
    """Which hypothesis is true of each latent."""
    given: Callable[[Int[np.ndarray, " n"]], Observer]
    """The exact observer who was told that hypothesis g_i made row i, and no more; one number serves all rows."""

    def loglik(
        self, which: Int[np.ndarray, " batch"], inputs: Symbols, targets: Symbols
    ) -> Float[np.ndarray, "batch {inputs.shape[1]+1}"]:
        """Log p(what has been shown | g), in nats, before every target and in the end (`Observer.evidence`).

        Args:
            which: number of a hypothesis for each row.
            inputs: (batch, time) observed symbols.
            targets: (batch, time) symbols to predict.
        """
        return self.given(which).evidence(inputs, targets)


class Tunnel(ABC):
    """A Bayesian wind tunnel: a task over finite alphabets whose exact posterior predictive is known.

    Works in NumPy, in float64, on the CPU. Constructor arguments are plain values, stored under their own names.

    Attributes:
        vocab: input alphabet: inputs are in [0, vocab).
        symbols: target alphabet, [0, symbols).
        parts: parts of a latent that are independent a priori, along its axis 1; 1: it has none.
    """

    vocab: int
    symbols: int
    parts: int = 1

    @abstractmethod
    def latents(self, n: int, rng: np.random.Generator) -> Latents:
        """N independent draws of the latent from the prior; leading axis n."""

    @abstractmethod
    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """One episode per latent: (inputs, targets), each (n, time) int64.

        Raises:
            ValueError: `time` is a length that this tunnel cannot make; the message names it.
        """

    def asked(self, time: int) -> Bool[np.ndarray, " time"]:
        """Positions that are graded and learned from; all of them unless overridden."""
        return np.ones(time, dtype=bool)

    def is_correct(
        self, answers: Int[np.ndarray, "batch asked"], wanted: Int[np.ndarray, "batch asked"]
    ) -> Bool[np.ndarray, "batch asked"]:
        """Whether answers at the asked positions are right, were they tried: those that came, unless overridden."""
        return answers == wanted

    def sufficient(self, inputs: Symbols) -> Bool[np.ndarray, "batch time time"] | None:
        """Where the evidence lies: whether what was shown at s < t bears on what follows t, at [:, t, s].

        Where an attention head would have to look (`alignment`). None, unless overridden: anywhere.
        """
        return None

    @abstractmethod
    def observer(self) -> Observer:
        """The observer who knows the prior and has seen nothing yet."""

    @abstractmethod
    def informed(self, latents: Latents) -> Observer:
        """The observer who knows the latent of each episode: row i of a batch was made by latents[i].

        A single latent (leading axis 1) broadcasts over the batch. Absorbing teaches it nothing.
        """

    def hypotheses(self) -> Hypotheses:
        """The finite list of hypotheses about its latent, with their prior; optional.

        Raises:
            NotImplementedError: the tunnel has no such list.
        """
        name = type(self).__name__
        raise NotImplementedError(f"{name} has no finite set of hypotheses to choose from")

    def __repr__(self) -> str:
        """The constructor call that makes this tunnel."""
        import inspect

        names = inspect.signature(type(self).__init__).parameters
        args: dict[str, Any] = {k: getattr(self, k) for k in names if k != "self"}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in args.items())})"


def _is_code(value: object) -> bool:
    """Whether a tunnel makes it again, knowing nothing of what was seen."""
    return callable(value) or isinstance(value, Tunnel)


def _known(where: str, value: Any) -> Any:
    if isinstance(value, Observer):
        return value.state()
    if isinstance(value, list | tuple):
        return type(value)([_known(f"{where}[{i}]", each) for i, each in enumerate(value)])
    if isinstance(value, np.ndarray | np.generic | bool | int | float | str | None):
        return value
    raise TypeError(
        f"{where}: expected arrays, plain values, observers, or lists of these, got {type(value).__name__}; "
        "an observer with anything else overrides `state` and `restored`"
    )


def _restored(mine: Any, value: Any) -> Any:
    if isinstance(mine, Observer) and isinstance(value, Mapping):
        return mine.restored(value)
    if isinstance(mine, list | tuple) and isinstance(value, list | tuple):
        return type(mine)([_restored(*pair) for pair in zip_longest(mine, value)][: len(value)])
    return value
