"""Noisy observations of a law under a Solomonoff-like prior, 2^-bits of its shortest expression."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import inf, log1p

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from plasticity import (
    Count,
    FormattedObserver,
    Fraction,
    Hypotheses,
    InputEvidence,
    KnownObserver,
    Latents,
    NonNegative,
    Positive,
    Probabilities,
    Symbols,
    Tunnel,
    log,
    normalise,
)
from streams.laws.expressions import Expressions, laws
from streams.tunnels.urn import categorical

LN2 = float(np.log(2))
"""Nats per bit."""
NEGLIGIBLE = 60.0
"""Nats below the leading law at which one that cannot catch up in this episode is left out: 1e-26."""
CELLS = 1 << 21
"""Numbers held at once for each observation, at most: rows x laws."""


class Laws(Tunnel):
    """Induction: what is the law behind these observations, if short laws are likely?

    An episode is a b y a b y ... a b, asked for y at every b. An input x = (a, b) in Z_m x Z_m is
    uniform, or as `weights` has it; its answer is that of the law h, or with probability `noise` a
    uniform one. The prior of a law is 2^-bits in the code of `streams.laws.expressions`, summed over all
    ways to write it, cut off at `longest` and scaled to 1: Occam's razor (Solomonoff 1964). Laws
    that agree everywhere are one law, so that there are finitely many, and with n_xy the times that
    x was answered by y,

    p(h | seen) ~ prior(h) prod_xy (noise/m + (1 - noise) [h(x) = y])^n_xy,
    p(y | x, seen) = noise/m + (1 - noise) sum_h p(h | seen) [h(x) = y].

    Inputs do not depend on the law, so an observer is the same whatever their weights are.

    Args:
        modulus: m, also the size of the target alphabet.
        longest: bits of the longest law.
        noise: probability that an answer is a uniform one.
        weights: how often each input comes, in proportion; input (a, b) has place a m + b. null: equally.
        last: the same for the last input of an episode; null: as the others.

    Raises:
        ValueError: no law is so short; weights are not m * m numbers, or all of them are 0.

    No noise, modulo 2, at most 7 bits. (0, 1) is answered by 1 and then (1, 0) by 0, which leaves b:

    >>> tunnel = Laws(modulus=2, longest=7.0, noise=0.0)
    >>> inputs, targets = np.array([[0, 3, 5, 1, 2, 4, 1, 3]]), np.array([[0, 1, 0, 0, 0, 0, 0, 1]])
    >>> tunnel.observer().predict(inputs, targets)[0, 1::3].round(3)
    array([[0.5, 0.5],
           [0.8, 0.2],
           [0. , 1. ]])
    """

    def __init__(
        self,
        modulus: Count = 5,
        longest: Positive = 18.0,
        noise: Fraction = 0.3,
        weights: Sequence[NonNegative] | None = None,
        last: Sequence[NonNegative] | None = None,
    ):
        self.modulus, self.longest, self.noise = modulus, longest, noise
        self.weights, self.last = weights, last
        self.vocab, self.symbols = 3 * modulus, modulus
        laws(modulus, longest)  # refuses what is too short, before anything is drawn
        self.design = _design(weights, modulus, "weights")
        self.ending = self.design if last is None else _design(last, modulus, "last")

    @property
    def book(self) -> Expressions:
        """Every law; a latent is the number of one."""
        return laws(self.modulus, self.longest)

    def latents(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
        """Numbers of laws in the book."""
        return rng.choice(len(self.book.mass), n, p=self.book.mass / self.book.mass.sum())

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """Inputs without regard to the law; targets that are not asked are 0.

        Raises:
            ValueError: `time` is not 3 k - 1 for some k.
        """
        if time % 3 != 2:
            raise ValueError(
                f"time: {self!r} makes sequences of 3 k - 1 symbols, k observations, not {time}"
            )
        n, m = len(latents), self.modulus
        law = np.broadcast_to(self.design, (n, (time + 1) // 3, m * m)).copy()
        law[:, -1] = self.ending
        x = categorical(law, rng)
        lie, uniform = rng.random(x.shape) < self.noise, rng.integers(m, size=x.shape)
        y = np.where(lie, uniform, self.book.values[latents[:, None], x])
        inputs, targets = np.empty((n, time), dtype=np.int64), np.zeros((n, time), dtype=np.int64)
        inputs[:, ::3], inputs[:, 1::3] = x // m, m + x % m
        inputs[:, 2::3], targets[:, 1::3] = 2 * m + y[:, :-1], y
        return inputs, targets

    def asked(self, time: int) -> Bool[np.ndarray, " time"]:
        """At every b."""
        return np.arange(time) % 3 == 1

    def observer(self) -> "LawsObserver":
        """Has seen nothing."""
        counts = np.zeros((self.modulus**2, self.modulus), dtype=np.int64)
        return LawsObserver(counts, self.longest, self.noise, format=self._format)

    def informed(self, latents: Latents) -> KnownObserver:
        """Knows the law, not who lies."""
        answers = self.book.values[latents]
        return KnownObserver(
            partial(_answers, answers, self.noise, self.modulus), format=self._format
        )

    def hypotheses(self) -> Hypotheses:
        """Every law of the book."""
        mass = self.book.mass
        return Hypotheses(mass / mass.sum(), lambda laws: laws, self.informed)

    def _format(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """Inputs by their weights, and answers that are the targets before them."""
        m, surprise = self.modulus, np.empty(inputs.shape)
        a, b, known = inputs[:, ::3], inputs[:, 1::3] - m, inputs[:, 2::3] - 2 * m
        law = np.broadcast_to(self.design, (a.shape[1], m * m)).copy()
        if inputs.shape[1] % 3 == 2:
            law[-1] = self.ending
        joint, each = law.reshape(-1, m, m), np.arange(a.shape[1])
        row = joint[each, a.clip(max=m - 1)]
        surprise[:, ::3] = log(np.where(a < m, row.sum(-1), 0.0))
        chance = np.take_along_axis(
            normalise(row)[:, : b.shape[1]], b.clip(0, m - 1)[..., None], -1
        )
        surprise[:, 1::3] = log(np.where((b >= 0) & (b < m), chance[..., 0], 0.0))
        surprise[:, 2::3] = log(known == targets[:, 1::3][:, : known.shape[1]])
        return InputEvidence(surprise, self.asked(inputs.shape[1]))


@dataclass(frozen=True, eq=False)
class LawsObserver(FormattedObserver):
    """Counts which answers each input got, and weighs every law by them: exact, as answers are independent.

    Args:
        counts: how often input x was answered by y in the episodes absorbed.
        longest: bits of the longest law.
        noise: probability that an answer is a uniform one.
        format: how episodes are written, but for the answers.
    """

    counts: Int[np.ndarray, "inputs symbols"]
    longest: float
    noise: float

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """What the laws say of each input, weighed by what came before; uniform where nothing is asked."""
        m = self.counts.shape[1]
        predictive = np.full((*inputs.shape, m), 1 / m)
        x, y = numbers(inputs, m), targets[:, 1::3]
        weights = self.log_weights
        # In this episode a law gains on the leading one at most by being right where that is wrong.
        gain = x.shape[1] * log1p((1 - self.noise) * m / self.noise) if self.noise else inf
        live = np.isfinite(weights) & (weights >= weights.max() - NEGLIGIBLE - gain)
        if not live.any():  # what came rules out every law
            return predictive
        said = _said(m, self.longest, self.noise)
        said = said if live.all() else said[..., live]
        mass = np.exp(weights[live] - weights.max())
        rows = max(1, CELLS // len(mass))
        for i in range(0, len(x), rows):
            some = slice(i, i + rows)
            predictive[some, 1::3] = _mixture(mass, said, x[some], y[some])
        return predictive

    def absorb(self, inputs: Symbols, targets: Symbols) -> "LawsObserver":
        """Adds every answer to the counts."""
        counts = self.counts.copy()
        np.add.at(counts, (numbers(inputs, counts.shape[1]), targets[:, 1::3]), 1)
        return replace(self, counts=counts)

    @property
    def log_weights(self) -> Float[np.ndarray, " laws"]:
        """Log of prior times likelihood of every law of the book, in nats."""
        return log(self.book.mass / self.book.mass.sum()) - self.surprises * LN2

    @property
    def surprises(self) -> Float[np.ndarray, " laws"]:
        """Bits of the answers under each law."""
        m = self.counts.shape[1]
        right = np.take_along_axis(self.counts, self.book.values.T.astype(int), 1).sum(0)
        wrong = self.counts.sum() - right
        with np.errstate(divide="ignore"):
            hit, miss = -np.log2([1 - self.noise + self.noise / m, self.noise / m])
        return right * hit + np.where(wrong > 0, wrong, 1) * np.where(wrong > 0, miss, 0.0)

    @property
    def book(self) -> Expressions:
        """All laws."""
        return laws(self.counts.shape[1], self.longest)


def numbers(inputs: Symbols, modulus: int) -> Int[np.ndarray, "batch observations"]:
    """Number a m + b of the input of each observation; nonsense becomes some input."""
    a, b = inputs[:, ::3], inputs[:, 1::3] - modulus
    return a[:, : b.shape[1]].clip(max=modulus - 1) * modulus + b.clip(0, modulus - 1)


def _design(
    weights: Sequence[float] | None, modulus: int, name: str
) -> Float[np.ndarray, " inputs"]:
    """Chances of the inputs."""
    inputs = modulus**2
    if weights is None:
        return np.full(inputs, 1 / inputs)
    if len(weights) != inputs or not sum(weights) > 0:
        raise ValueError(
            f"{name}: expected {inputs} numbers, of which some is above 0, got {list(weights)}"
        )
    return np.array(weights, dtype=float) / sum(weights)


def _answers(
    values: UInt8[np.ndarray, "n inputs"], noise: float, symbols: int, inputs: Symbols
) -> Probabilities:
    """The law, and the noise."""
    predictive = np.full((*inputs.shape, symbols), 1 / symbols)
    x = numbers(inputs, symbols)
    right = np.eye(symbols)[values[np.arange(len(values))[:, None], x]]
    predictive[:, 1::3] = noise / symbols + (1 - noise) * right
    return predictive


@lru_cache(16)
def _said(modulus: int, longest: float, noise: float) -> Float[np.ndarray, "inputs {modulus} laws"]:
    """p(y | law, x)."""
    right = laws(modulus, longest).values.T[:, None] == np.arange(modulus)[:, None]
    return noise / modulus + (1 - noise) * right


def _mixture(
    mass: Float[np.ndarray, " laws"],
    said: Float[np.ndarray, "inputs symbols laws"],
    x: Int[np.ndarray, "batch observations"],
    y: Int[np.ndarray, "batch observations"],
) -> Float[np.ndarray, "batch observations symbols"]:
    """Predicts each answer in turn, and updates the posterior by it."""
    foretold = np.empty((*x.shape, said.shape[1]))
    weights = np.repeat(mass[None], len(x), axis=0)
    for t, (at, came) in enumerate(zip(x.T, y.T, strict=True)):
        for which in np.unique(at):
            rows = np.flatnonzero(at == which)
            foretold[rows, t] = weights[rows] @ said[which].T
        foretold[:, t] = normalise(foretold[:, t])
        weights *= said[at, came]
        weights = normalise(weights)
    return foretold
