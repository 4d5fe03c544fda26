"""Categorical draws with hidden proportions under a Dirichlet prior."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from plasticity import (
    DirichletObserver,
    Draws,
    InputEvidence,
    KnownObserver,
    Latents,
    Positive,
    Probabilities,
    Symbols,
    Tunnel,
    chain,
    log,
)


class Urn(Tunnel):
    """The simplest hidden cause: an episode x_0, x_1, ... is iid given its proportions theta.

    theta ~ Dirichlet(alpha), and with n_k the number of s <= t where x_s = k,
    p(x_{t+1} = k | x_0..x_t) = (alpha_k + n_k) / (sum(alpha) + t + 1)
    (Polya's urn: Eggenberger & Polya 1923; Gelman et al., Bayesian Data Analysis 3.4).
    Inputs are x_0..x_{T-1}, targets x_1..x_T: x_0 is never predicted, but it is evidence.

    Args:
        alpha: pseudo-count of each symbol, in draws; as many as there are symbols.

    Raises:
        ValueError: there is no symbol.

    >>> urn = Urn([1.0, 1.0])
    >>> inputs, targets = np.array([[1, 1, 0]]), np.array([[1, 0, 1]])
    >>> urn.observer().predict(inputs, targets).round(3)
    array([[[0.333, 0.667],
            [0.25 , 0.75 ],
            [0.4  , 0.6  ]]])
    """

    def __init__(self, alpha: Sequence[Positive]):
        if not alpha:
            raise ValueError("alpha: expected at least one pseudo-count, got none")
        self.alpha = list(alpha)
        self.vocab = self.symbols = len(alpha)

    def latents(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n symbols"]:
        """The proportions theta."""
        return rng.dirichlet(self.alpha, size=n)

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """Makes time + 1 draws from theta."""
        require_time(time)
        n, symbols = latents.shape
        drawn = categorical(np.broadcast_to(latents[:, None], (n, time + 1, symbols)), rng)
        return drawn[:, :-1], drawn[:, 1:]

    def observer(self) -> DirichletObserver:
        """One context, the urn; its pseudo-counts are alpha."""
        alpha = np.array([self.alpha], dtype=float)
        return DirichletObserver(alpha, _all_draws, format=partial(chain, 1.0))

    def informed(self, latents: Latents) -> KnownObserver:
        """Predicts theta everywhere."""
        return KnownObserver(partial(_proportions, latents), format=partial(_opening, latents))


def require_time(time: int) -> None:
    """Refuse an episode without a target.

    Raises:
        ValueError: `time` is below 1.
    """
    if time < 1:
        raise ValueError(f"time: expected at least 1 symbol per sequence, got {time}")


def categorical(p: Float[np.ndarray, "*shape symbols"], rng: np.random.Generator) -> np.ndarray:
    """One int64 symbol for each row of probabilities, by inverting its cumulative sum."""
    return (p.cumsum(-1)[..., :-1] <= rng.random((*p.shape[:-1], 1))).sum(-1)


def without_replacement(
    drawn: Int[np.ndarray, "batch draws"], size: int
) -> Float[np.ndarray, "batch draws"]:
    """Log p of each draw, in nats: uniform among the numbers below `size` that were not drawn before.

    >>> without_replacement(np.array([[2, 0, 2]]), 3).round(3)
    array([[-1.099, -0.693,   -inf]])
    """
    draws = np.arange(drawn.shape[1])
    again = (drawn[:, :, None] == drawn[:, None, :]) & (draws[:, None] > draws)
    new = ~again.any(2) & (drawn >= 0) & (drawn < size)
    return log(new / np.maximum(size - draws, 1))


def _all_draws(inputs: Symbols, targets: Symbols) -> Draws:
    symbols = np.concatenate([inputs[:, :1], targets], axis=1)
    return np.zeros_like(symbols), symbols


def _proportions(theta: Float[np.ndarray, "n symbols"], inputs: Symbols) -> Probabilities:
    return np.broadcast_to(theta[:, None], (*inputs.shape, theta.shape[1])).copy()


def _opening(
    theta: Float[np.ndarray, "n symbols"], inputs: Symbols, targets: Symbols
) -> InputEvidence:
    return chain(theta[np.arange(len(theta)), inputs[:, 0]], inputs, targets)
