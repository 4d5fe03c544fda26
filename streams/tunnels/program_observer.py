"""Exact observers of a program x -> (a x + b) mod p whose symbols come in order."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int

from plasticity import FormattedObserver, Observer, Probabilities, Symbols


@dataclass(frozen=True, eq=False)
class LineObserver(Observer):
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

    def absorb(self, inputs: Symbols, targets: Symbols) -> "LineObserver":
        """Adds every transition."""
        new = np.stack([inputs.ravel(), targets.ravel()], axis=1)
        points = np.unique(np.vstack([self.points, new]), axis=0)
        return replace(self, points=points, transitions=self.transitions + inputs.size)

    def _posterior(self, surplus: np.ndarray) -> np.ndarray:
        """Probability of a program at BF = p^surplus; 1/BF is kept within a float."""
        against = (1 - self.prior) * np.exp(-np.minimum(surplus * np.log(self.modulus), 700.0))
        return self.prior / (self.prior + against)


@dataclass(frozen=True, eq=False)
class CipherObserver(FormattedObserver):
    """Reads the residues off an episode's symbols, and leaves them to an observer of residues.

    Args:
        residues: predicts and absorbs chains of residues.
        modulus: p, the number of residues.
        symbols: S, size of the alphabet; of those from p on none occurs.
        header: symbols before the first residue. If there are any, the one at 1 + x stands for
            residue x, and S more than that in the chain; else residues stand for themselves.
        asked: the positions asked, of so many. A last target that is not asked is never shown, so
            it is not absorbed.
        format: how episodes are written.
    """

    residues: Observer
    modulus: int
    symbols: int
    header: int
    asked: Callable[[int], Bool[np.ndarray, " time"]]

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """What is said of residues, in cipher; uniform in the header."""
        decipher, x, y = self._read(inputs, targets)
        predictive = np.full((*inputs.shape, self.symbols), 1 / self.symbols)
        predictive[:, self.header :, self.modulus :] = 0.0
        said = np.take_along_axis(self.residues.predict(x, y), decipher[:, None], 2)
        predictive[:, self.header :, : self.modulus] = said
        return predictive

    def absorb(self, inputs: Symbols, targets: Symbols) -> "CipherObserver":
        """Absorbs the chains, but for the targets that nobody is shown."""
        _, x, y = self._read(inputs, targets)
        end = x.shape[1] if self.asked(inputs.shape[1])[-1] else x.shape[1] - 1
        return replace(self, residues=self.residues.absorb(x[:, :end], y[:, :end]))

    def _read(
        self, inputs: Symbols, targets: Symbols
    ) -> tuple[
        Int[np.ndarray, "batch residues"],
        Int[np.ndarray, "batch steps"],
        Int[np.ndarray, "batch steps"],
    ]:
        """Residue of each symbol, per row; and the chain."""
        if not self.header:
            return np.tile(np.arange(self.modulus), (len(inputs), 1)), inputs, targets
        decipher = inputs[:, 1 : self.modulus + 1].argsort(1)
        x, y = inputs[:, self.header :] - self.symbols, targets[:, self.header :]
        # An episode of another modulus is impossible, and is read all the same.
        x, y = (np.take_along_axis(decipher, seen.clip(0, self.modulus - 1), 1) for seen in (x, y))
        return decipher, x, y


def run_line(latents: Int[np.ndarray, "n 3"], p: int, inputs: Symbols) -> Probabilities:
    """p(next x | the latent (program, a, b), x): a point mass, or uniform for noise."""
    program, a, b = latents.T[:, :, None]
    run = np.eye(p)[(a * inputs + b) % p]
    return np.where(program[..., None], run, 1 / p)


def _so_far(combine: np.ufunc, what: np.ndarray, empty: bool) -> np.ndarray:
    """`combine` over the columns strictly before each one."""
    first = np.full((len(what), 1), empty)
    return np.hstack([first, combine.accumulate(what, axis=1)[:, :-1]])


def _inverses(p: int) -> Int[np.ndarray, " p"]:
    """1/x mod p for each x, by Fermat; 0 for 0."""
    return np.array([pow(x, p - 2, p) for x in range(p)])
