"""Exact observers of a program x -> (a x + b) mod p whose symbols come in any order."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from plasticity import Format, FormattedObserver, Probabilities, Symbols, normalise


class Traces(NamedTuple):
    """What programs (a, b) say of each item of an episode, given the items before it."""

    value: Int[np.ndarray, "batch items a b"]
    """The residue; of no meaning where it is free."""
    free: Bool[np.ndarray, "batch items #a 1"]
    """Whether x_0 is still unknown and matters, so that every residue is as likely."""
    likelihood: Float[np.ndarray, "batch items+1 a b"]
    """Of the items before each one, and of all."""


@dataclass(frozen=True, eq=False)
class OrbitObserver(FormattedObserver):
    """Weighs the p^2 programs and noise: exact for symbols x_t that come in any order of t.

    x_t = a^t x_0 + b g_t mod p with g_t = 1 + a + ... + a^(t-1). If a != 0, the first pair (t, x_t)
    shown is free (1/p), gives x_0, and every other is certain. If a = 0, x_0 is free and x_t = b for
    every t > 0. So of an episode's items a program has likelihood 1/p or 1 or, if one of them is off
    its orbit, 0, where noise has p^-items; the mixture over programs and noise is the predictive.

    Args:
        log_weights: log posterior of each program, in nats, up to a constant.
        log_noise: of noise, likewise.
        modulus: p, a prime.
        symbols: size of the alphabet; those from p on do not occur.
        items: number of different t; t is the input symbols + t.
        format: how episodes are written.

    >>> fresh = OrbitObserver.prior(modulus=3, program=1.0, symbols=3, items=3)
    >>> inputs = np.array([[3, 0, 6, 5, 0, 6]])  # x_0 = 0, x_2 = 0
    >>> fresh.predict(inputs, np.zeros_like(inputs))[0, ::3].round(3)
    array([[0.333, 0.333, 0.333],
           [0.556, 0.222, 0.222]])
    """

    log_weights: Float[np.ndarray, "a b"]
    log_noise: float
    modulus: int
    symbols: int
    items: int

    @classmethod
    def prior(
        cls, modulus: int, program: float, symbols: int, items: int, format: Format | None = None
    ) -> "OrbitObserver":
        """Has seen nothing; `program` is the probability that there is one, all equally likely."""
        with np.errstate(divide="ignore"):
            log_program, log_noise = np.log([program / modulus**2, 1 - program])
        weights = np.full((modulus, modulus), log_program)
        return cls(weights, float(log_noise), modulus, symbols, items, format=format)

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """The mixture, where t has been shown; uniform elsewhere."""
        peak = max(self.log_weights.max(), self.log_noise)
        weights, noise = np.exp(self.log_weights - peak), np.exp([self.log_noise - peak])
        return _mixture(inputs, self._traces(inputs), weights, noise, self.modulus, self.symbols)

    def absorb(self, inputs: Symbols, targets: Symbols) -> "OrbitObserver":
        """Adds the log likelihood of every episode, as its inputs show it."""
        with np.errstate(divide="ignore"):
            evidence = np.log(self._traces(inputs).likelihood[:, -1]).sum(0)
        noise = self.log_noise - np.log(self.modulus) * inputs[:, ::3].size
        log_weights = self.log_weights + evidence
        peak = max(log_weights.max(), noise)
        if peak == -np.inf:
            # Nothing explains what was seen: noise is the uniform that is left.
            peak = noise = 0.0
        return replace(self, log_weights=log_weights - peak, log_noise=float(noise - peak))

    def _traces(self, inputs: Symbols) -> Traces:
        every = np.arange(self.modulus)
        sizes = self.modulus, self.symbols, self.items
        return _trace(inputs, every[None, :, None], every[None, None], *sizes)


def shuffled_law(
    latents: Int[np.ndarray, "n 3"], modulus: int, symbols: int, items: int, inputs: Symbols
) -> Probabilities:
    """p(x_t | the latent (program, a, b), t and the items before it), per row."""
    program, a, b = latents.T[..., None, None]
    traces = _trace(inputs, a, b, modulus, symbols, items)
    return _mixture(inputs, traces, program, 1 - program[:, 0, 0], modulus, symbols)


def _trace(
    inputs: Symbols,
    a: Int[np.ndarray, "#batch a 1"],
    b: Int[np.ndarray, "#batch 1 b"],
    p: int,
    symbols: int,
    items: int,
) -> Traces:
    when, x = inputs[:, ::3] - symbols, inputs[:, 1::3, None, None].astype(np.int32)
    # a^t and g_t of every a and t, and 1/k (0 for 0).
    power, sums = np.empty((2, items, p), dtype=np.int32)
    power[0], sums[0] = 1, 0
    for t in range(1, items):
        power[t] = power[t - 1] * np.arange(p) % p
        sums[t] = (sums[t - 1] * np.arange(p) + 1) % p
    inverse = np.array([pow(k, p - 2, p) for k in range(p)], dtype=np.int32)
    place = when[..., None, None], a[:, None]
    scale, shift = power[place], sums[place] * b[:, None].astype(np.int32)
    start = (x[:, :1] - shift[:, :1]) * inverse[scale[:, :1]] % p
    value = (scale * start + shift) % p
    first = np.arange(when.shape[1])[:, None, None] == 0
    free = np.where(a[:, None] == 0, when[..., None, None] == 0, first)
    step = np.where(free, 1 / p, value == x)
    likelihood = np.ones((len(step), step.shape[1] + 1, *step.shape[2:]))
    np.cumprod(step, axis=1, out=likelihood[:, 1:])
    return Traces(value, free, likelihood)


def _mixture(
    inputs: Symbols,
    traces: Traces,
    weights: Float[np.ndarray, "*#batch a b"] | Int[np.ndarray, "*#batch a b"],
    noise: Float[np.ndarray, " #batch"] | Int[np.ndarray, " #batch"],
    p: int,
    symbols: int,
) -> Probabilities:
    """What programs say, weighed by `weights` and the items so far, and the uniform of noise."""
    mass = weights[..., None, :, :] * traces.likelihood[:, :-1]
    rows, items = mass.shape[:2]
    cell = traces.value + p * np.arange(rows * items).reshape(rows, items, 1, 1)
    certain = mass * ~traces.free
    said = np.bincount(cell.ravel(), certain.ravel(), rows * items * p).reshape(rows, items, p)
    spread = noise[:, None] * float(p) ** -np.arange(items) + (mass * traces.free).sum((2, 3))
    predictive = np.full((*inputs.shape, symbols), 1 / symbols)
    predictive[:, ::3] = 0.0
    predictive[:, ::3, :p] = normalise(said + spread[..., None] / p)
    return predictive
