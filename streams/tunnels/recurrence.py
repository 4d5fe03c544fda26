"""Linear recurrence modulo p, or noise: program induction."""

from functools import partial
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int

from plasticity import (
    Count,
    Fraction,
    Hypotheses,
    InputEvidence,
    KnownObserver,
    Latents,
    Observer,
    Symbols,
    Tunnel,
    log,
)
from streams.tunnels.program_observer import CipherObserver, LineObserver, run_line
from streams.tunnels.shuffled_program_observer import OrbitObserver, shuffled_law
from streams.tunnels.urn import require_time, without_replacement


class Recurrence(Tunnel):
    """A line through noise: two transitions guess the program, a third all but proves it.

    With probability `prior` the latent is a PROGRAM, x_{t+1} = (a x_t + b) mod p with a, b uniform;
    else every symbol is uniform. x_0 is uniform either way, fresh in each episode. If c of the p^2
    programs agree with the k symbols so far,

    BF = c p^(k-3),  w = prior BF / (prior BF + 1 - prior),
    p(x_k | x_0..x_{k-1}) = w (mean of the point masses of those c) + (1 - w) / p.

    (Misra's modular recurrence in the repository of arXiv 2512.22471: p = 17, prior = 1/2, 16
    symbols.) The latent is the same whatever the encoding, S the size of the alphabet:

    - integer: inputs are x_0..x_{T-1}, targets x_1..x_T.
    - opaque: a permutation r of the residues, fresh in each episode, is printed before and used
      after: ORD = 2S, r(0)..r(p-1), SEP = 2S + 1, S + r(x_0), S + r(x_1) ...; targets are r(x_1) ...
      Where p < S the header is filled up with SEP. Nothing of r is left to infer.
    - shuffled: `items` pairs (t, x_t) in random order, each S + t, x_t, SEP = S + items, asked at
      S + t. Here x_0 may come late or never: the posterior sums over it (see OrbitObserver).

    `horizon` asks the first K targets only, `density` also that share of the later ones. The
    experiments of that repository toss a coin for each target; here the positions asked are one
    mask for all sequences, so round(density * later) positions are fixed once, scattered, the same
    in every episode and for every modulus. Shares below 1 / (2 * later) ask for none.

    Args:
        modulus: p, a prime: the number of symbols that occur.
        prior: probability of PROGRAM.
        encoding: how an episode is written.
        symbols: S, size of the alphabet, if more than p, so that unequal moduli share a stream;
            symbols from p on have probability 0.
        horizon: K, targets that are asked; all of them if None.
        density: share of the targets beyond the horizon that are asked too.
        items: pairs that the shuffled encoding orders; an episode shows time / 3 of them. The
            others disregard it.

    Raises:
        ValueError: the modulus is not prime, or exceeds symbols; a density without a horizon.

    3, 1, 2 fix a = 2, b = 0 mod 5 if there is a program at all; 4 confirms it:

    >>> inputs, targets = np.array([[3, 1, 2]]), np.array([[1, 2, 4]])
    >>> Recurrence(modulus=5).observer().predict(inputs, targets)
    array([[[0.2, 0.2, 0.2, 0.2, 0.2],
            [0.2, 0.2, 0.2, 0.2, 0.2],
            [0.1, 0.1, 0.1, 0.1, 0.6]]])
    """

    def __init__(
        self,
        modulus: Count = 17,
        prior: Fraction = 0.5,
        encoding: Literal["integer", "opaque", "shuffled"] = "integer",
        symbols: Count | None = None,
        horizon: Count | None = None,
        density: Fraction = 0.0,
        items: Count = 16,
    ):
        if modulus < 2 or any(modulus % d == 0 for d in range(2, int(modulus**0.5) + 1)):
            raise ValueError(f"modulus: expected a prime, got {modulus}")
        self.symbols = size = modulus if symbols is None else symbols
        if size < modulus:
            raise ValueError(f"symbols: expected at least the modulus, {modulus}, got {size}")
        if density and horizon is None:
            raise ValueError("density: nothing lies beyond a horizon of None")
        self.modulus, self.prior, self.encoding = modulus, prior, encoding
        self.horizon, self.density, self.items = horizon, density, items
        self.vocab = {"integer": size, "opaque": 2 * size + 2, "shuffled": size + items + 1}[
            encoding
        ]
        self.header = size + 2 if encoding == "opaque" else 0

    def latents(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n 3"]:
        """(1, a, b) for a program, (0, 0, 0) for noise."""
        program = rng.random((n, 1)) < self.prior
        return np.hstack([program, program * rng.integers(self.modulus, size=(n, 2))])

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """Runs the program from a uniform x_0, or draws noise; targets of no residue are 0.

        Raises:
            ValueError: `time` leaves no room for a residue, or is not 3 for each item shown.
        """
        require_time(time)
        if self.encoding == "shuffled":
            return self._shuffle(latents, time, rng)
        if time <= self.header:
            raise ValueError(
                f"time: the header alone has {self.header} symbols, an episode more than {time}"
            )
        seen = self._residues(latents, time - self.header + 1, rng)
        if self.encoding == "integer":
            return seen[:, :-1], seen[:, 1:]
        size, n = self.symbols, len(latents)
        key = rng.random((n, self.modulus)).argsort(1)
        seen = np.take_along_axis(key, seen, 1)
        header = np.full((n, self.header), 2 * size + 1)
        header[:, 0], header[:, 1 : self.modulus + 1] = 2 * size, key
        blank = np.zeros_like(header)
        return np.hstack([header, size + seen[:, :-1]]), np.hstack([blank, seen[:, 1:]])

    def asked(self, time: int) -> Bool[np.ndarray, " time"]:
        """The residues, as far as the horizon; beyond it, `density` of them."""
        at = np.arange(time)
        asked = at % 3 == 0 if self.encoding == "shuffled" else at >= self.header
        if self.horizon is not None:
            later = np.flatnonzero(asked)[self.horizon :]
            scattered = np.random.default_rng(len(later)).permutation(later)
            asked[scattered[round(self.density * len(later)) :]] = False
        return asked

    def observer(self) -> Observer:
        """Has seen no transition."""
        if self.encoding == "shuffled":
            sizes = self.symbols, self.items
            return OrbitObserver.prior(self.modulus, self.prior, *sizes, self._shuffled_format)
        nothing = np.zeros((0, 2), dtype=np.int64)
        return self._reading(LineObserver(self.modulus, self.prior, nothing, 0))

    def informed(self, latents: Latents) -> Observer:
        """Runs the program; knows noise for noise."""
        if self.encoding == "shuffled":
            sizes = self.modulus, self.symbols, self.items
            law = partial(shuffled_law, latents, *sizes)
            return KnownObserver(law, format=self._shuffled_format)
        return self._reading(KnownObserver(partial(run_line, latents, self.modulus)))

    def hypotheses(self) -> Hypotheses:
        """Noise, and the p^2 programs: number 1 + a p + b is x -> a x + b."""
        p = self.modulus
        prior = np.full(1 + p * p, self.prior / p**2)
        prior[0] = 1 - self.prior

        def of(latents: Int[np.ndarray, "n 3"]) -> Int[np.ndarray, " n"]:
            program, a, b = latents.T
            return program * (1 + a * p + b)

        def given(which: Int[np.ndarray, " n"]) -> Observer:
            a, b = np.divmod(np.maximum(which - 1, 0), p)
            return self.informed(np.stack([(which > 0).astype(np.int64), a, b], axis=1))

        return Hypotheses(prior, of, given)

    def _reading(self, residues: Observer) -> CipherObserver:
        sizes = self.modulus, self.symbols, self.header
        return CipherObserver(residues, *sizes, self.asked, format=self._format)

    def _format(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """A cipher where there is a header, and x_0; residues after it are the targets before."""
        p, size, start, time = self.modulus, self.symbols, self.header, inputs.shape[1]
        surprise, shift = np.empty(inputs.shape), size if start else 0
        if start:
            surprise[:, 0] = log(inputs[:, 0] == 2 * size)
            surprise[:, 1 : p + 1] = without_replacement(inputs[:, 1 : p + 1], p)
            surprise[:, p + 1 : start] = log(inputs[:, p + 1 : start] == 2 * size + 1)
        first = inputs[:, start] - shift
        surprise[:, start] = log(((first >= 0) & (first < p)) / p)
        surprise[:, start + 1 :] = log(inputs[:, start + 1 :] == targets[:, start:-1] + shift)
        told = np.arange(time) >= start
        told[-1] = self.asked(time)[-1]
        return InputEvidence(surprise, told)

    def _shuffled_format(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """The order; residues are the targets before."""
        surprise = np.empty(inputs.shape)
        surprise[:, ::3] = without_replacement(inputs[:, ::3] - self.symbols, self.items)
        surprise[:, 1::3] = log(inputs[:, 1::3] == targets[:, ::3])
        surprise[:, 2::3] = log(inputs[:, 2::3] == self.symbols + self.items)
        return InputEvidence(surprise, np.arange(inputs.shape[1]) % 3 == 0)

    def _residues(
        self, latents: Int[np.ndarray, "n 3"], length: int, rng: np.random.Generator
    ) -> Symbols:
        """x_0..x_{length-1}."""
        program, a, b = latents.T
        seen = rng.integers(self.modulus, size=(len(latents), length))
        for t in range(1, length):
            seen[:, t] = np.where(program, (a * seen[:, t - 1] + b) % self.modulus, seen[:, t])
        return seen

    def _shuffle(
        self, latents: Int[np.ndarray, "n 3"], time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        if time % 3 or time > 3 * self.items:
            raise ValueError(
                f"time: expected 3 symbols for each of at most {self.items} items, not {time}"
            )
        seen = self._residues(latents, self.items, rng)
        order = rng.random(seen.shape).argsort(1)[:, : time // 3]
        inputs = np.full((len(latents), time), self.symbols + self.items)
        targets = np.zeros_like(inputs)
        inputs[:, ::3] = self.symbols + order
        inputs[:, 1::3] = targets[:, ::3] = np.take_along_axis(seen, order, 1)
        return inputs, targets
