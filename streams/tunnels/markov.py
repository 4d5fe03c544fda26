"""Markov chain with a hidden transition matrix."""

from functools import partial

import numpy as np
from jaxtyping import Bool, Float

from plasticity import (
    Count,
    DirichletObserver,
    KnownObserver,
    Latents,
    Positive,
    Probabilities,
    Symbols,
    Tunnel,
    chain,
)
from streams.tunnels.urn import require_time


class Markov(Tunnel):
    """A bigram world: the next symbol depends on the last one, by a matrix that must be inferred.

    Each row P_i ~ Dirichlet(concentration, ..., concentration), x_0 is uniform, and with n_ik the
    transitions from i to k so far and n_i their sum over k,
    p(x_{t+1} = k | x_0..x_t = i) = (concentration + n_ik) / (symbols * concentration + n_i)
    (MacKay & Peto 1995; in-context Markov chains: Edelman et al. 2024, arXiv 2402.11004).
    Inputs are x_0..x_{T-1}, targets x_1..x_T; x_0 says nothing of the matrix. Rows are its parts.

    Args:
        symbols: size of the alphabet.
        concentration: pseudo-count of each transition, in draws; below 1 rows are peaked.

    The matrix is unknown at first; then 0 has been followed by 1 once:

    >>> inputs, targets = np.array([[0, 1, 0]]), np.array([[1, 0, 1]])
    >>> Markov(symbols=2, concentration=0.5).observer().predict(inputs, targets)
    array([[[0.5 , 0.5 ],
            [0.5 , 0.5 ],
            [0.25, 0.75]]])
    """

    def __init__(self, symbols: Count = 6, concentration: Positive = 0.3):
        self.symbols, self.concentration = symbols, concentration
        self.vocab = self.parts = symbols

    def latents(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n symbols symbols"]:
        """The transition matrices; row i is the law of what follows i."""
        return rng.dirichlet([self.concentration] * self.symbols, size=(n, self.symbols))

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """A walk of time + 1 symbols."""
        require_time(time)
        path = walk(latents, time + 1, rng)
        return path[:, :-1], path[:, 1:]

    def sufficient(self, inputs: Symbols) -> Bool[np.ndarray, "batch time time"]:
        """Earlier visits to the last symbol: what followed them is the evidence."""
        return np.tril(inputs[:, :, None] == inputs[:, None, :], -1)

    def observer(self) -> DirichletObserver:
        """One context per symbol."""
        prior = np.full((self.symbols, self.symbols), float(self.concentration))
        return DirichletObserver(prior, format=partial(chain, 1 / self.symbols))

    def informed(self, latents: Latents) -> KnownObserver:
        """Predicts the row of the last symbol."""
        return KnownObserver(partial(_rows, latents), format=partial(chain, 1 / self.symbols))


def walk(
    transition: Float[np.ndarray, "n states states"], time: int, rng: np.random.Generator
) -> Symbols:
    """`time` states of each chain, the first one uniform."""
    n, states, _ = transition.shape
    cumulative, uniform = transition.cumsum(-1)[..., :-1], rng.random((time, n, 1))
    path, chain = np.empty((n, time), dtype=np.int64), np.arange(n)
    path[:, 0] = rng.integers(states, size=n)
    for t in range(1, time):
        path[:, t] = (cumulative[chain, path[:, t - 1]] <= uniform[t]).sum(-1)
    return path


def _rows(transition: Float[np.ndarray, "n symbols symbols"], inputs: Symbols) -> Probabilities:
    return transition[np.arange(len(transition))[:, None], inputs]
