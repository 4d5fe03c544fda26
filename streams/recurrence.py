"""Recurrence: is this noise, or a program, and which one?"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Int

from plasticity.observers import KnownObserver
from plasticity.quantities import Count, Fraction
from plasticity.tunnel import Latents, Observer, Probabilities, Symbols, Tunnel
from streams.urn import require_time


class Recurrence(Tunnel):
    """A line through noise: two transitions guess the program, a third all but proves it.

    With probability `prior` the latent is a PROGRAM, x_{t+1} = (a x_t + b) mod p with a, b uniform;
    else every symbol is uniform. x_0 is uniform either way, fresh in each episode. Inputs are
    x_0..x_{T-1}, targets x_1..x_T. If c of the p^2 programs agree with the k symbols so far,

    BF = c p^(k-3),  w = prior BF / (prior BF + 1 - prior),
    p(x_k | x_0..x_{k-1}) = w (mean of the point masses of those c) + (1 - w) / p.

    (Misra's modular recurrence, integer encoding: p = 17, prior = 1/2, 16 symbols.)

    Args:
        modulus: p, a prime: the number of symbols.
        prior: probability of PROGRAM.

    Raises:
        ValueError: the modulus is not prime.

    3, 1, 2 fix a = 2, b = 0 mod 5 if there is a program at all; 4 confirms it:

    >>> inputs, targets = np.array([[3, 1, 2]]), np.array([[1, 2, 4]])
    >>> Recurrence(modulus=5).observer().predict(inputs, targets)
    array([[[0.2, 0.2, 0.2, 0.2, 0.2],
            [0.2, 0.2, 0.2, 0.2, 0.2],
            [0.1, 0.1, 0.1, 0.1, 0.6]]])
    """

    def __init__(self, modulus: Count = 17, prior: Fraction = 0.5):
        if modulus < 2 or any(modulus % d == 0 for d in range(2, int(modulus**0.5) + 1)):
            raise ValueError(f"modulus: expected a prime, got {modulus}")
        self.modulus, self.prior = modulus, prior
        self.vocab = self.symbols = modulus

    def latents(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n 3"]:
        """(1, a, b) for a program, (0, 0, 0) for noise."""
        program = rng.random((n, 1)) < self.prior
        return np.hstack([program, program * rng.integers(self.modulus, size=(n, 2))])

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """Runs the program from a uniform x_0, or draws noise."""
        require_time(time)
        program, a, b = latents.T
        seen = rng.integers(self.modulus, size=(len(latents), time + 1))
        for t in range(time):
            seen[:, t + 1] = np.where(program, (a * seen[:, t] + b) % self.modulus, seen[:, t + 1])
        return seen[:, :-1], seen[:, 1:]

    def observer(self) -> "RecurrenceObserver":
        """Has seen no transition."""
        return RecurrenceObserver(self.modulus, self.prior, np.zeros((0, 2), dtype=np.int64), 0)

    def informed(self, latents: Latents) -> KnownObserver:
        """Runs the program; knows noise for noise."""
        return KnownObserver(partial(_answer, latents, self.modulus))


@dataclass(frozen=True, eq=False)
class RecurrenceObserver(Observer):
    """Keeps the distinct transitions: points of the plane mod p, of which a program is a line.

    Points on one line have rank 0 (none), 1 (one) or 2 (more), and c = p^(2 - rank) programs pass
    through them. n transitions, repeats counted, have BF = p^(n - rank), or 0 if off the line.

    Args:
        modulus: p, a prime.
        prior: probability of a program.
        points: the distinct transitions (x, next x) absorbed.
        transitions: number absorbed, repeats counted.
    """

    modulus: int
    prior: float
    points: Int[np.ndarray, "points 2"]
    transitions: int

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """Mixture w (point mass on the line, if it is fixed at this x) + (1 - w) uniform."""
        p, (batch, time), m = self.modulus, inputs.shape, len(self.points)
        x, y = (
            np.hstack([np.broadcast_to(old, (batch, m)), new])
            for old, new in zip(self.points.T, (inputs, targets), strict=True)
        )
        u, v = x[:, :1], y[:, :1]
        # The line through the first point and the first beside it; if there is none, level.
        beside = (x != u).argmax(1)[:, None]
        run = (np.take_along_axis(x, beside, 1) - u) % p
        rise = np.take_along_axis(y, beside, 1) - v
        answer = (v + rise * _inverses(p)[run] * (x - u)) % p
        agree = _so_far(np.logical_and, answer == y, True)[:, m:]
        fixed = _so_far(np.logical_or, x != u, False)[:, m:]
        seen = m + np.arange(time) > 0
        surplus = self.transitions + np.arange(time) - seen - fixed
        w = agree * self._posterior(surplus)
        certain = w * (fixed | (seen & (inputs == u)))
        predictive = np.repeat(((1 - certain) / p)[..., None], p, axis=-1)
        place = (*np.indices(inputs.shape), answer[:, m:])
        predictive[place] += certain
        return predictive

    def absorb(self, inputs: Symbols, targets: Symbols) -> "RecurrenceObserver":
        """Adds every transition."""
        new = np.stack([inputs.ravel(), targets.ravel()], axis=1)
        points = np.unique(np.vstack([self.points, new]), axis=0)
        return replace(self, points=points, transitions=self.transitions + inputs.size)

    def _posterior(self, surplus: np.ndarray) -> np.ndarray:
        """Probability of a program at BF = p^surplus; 1/BF is kept within a float."""
        against = (1 - self.prior) * np.exp(-np.minimum(surplus * np.log(self.modulus), 700.0))
        return self.prior / (self.prior + against)


def _so_far(combine: np.ufunc, what: np.ndarray, empty: bool) -> np.ndarray:
    """`combine` over the columns strictly before each one."""
    first = np.full((len(what), 1), empty)
    return np.hstack([first, combine.accumulate(what, axis=1)[:, :-1]])


def _inverses(p: int) -> Int[np.ndarray, " p"]:
    """1/x mod p for each x, by Fermat; 0 for 0."""
    return np.array([pow(x, p - 2, p) for x in range(p)])


def _answer(latents: Int[np.ndarray, "n 3"], p: int, inputs: Symbols) -> Probabilities:
    program, a, b = latents.T[:, :, None]
    run = np.eye(p)[(a * inputs + b) % p]
    return np.where(program[..., None], run, 1 / p)
