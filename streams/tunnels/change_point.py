"""Change points within an episode: an urn that is refilled at an unknown rate."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float

from plasticity import (
    Count,
    FiniteObserver,
    Fraction,
    KnownObserver,
    Latents,
    Positive,
    Probabilities,
    Symbols,
    Tunnel,
    chain,
)
from streams.tunnels.urn import categorical, require_time


class ChangePoint(Tunnel):
    """How fast to forget is itself learned: evidence is worth as much as the world is steady.

    An episode's proportions theta ~ Dirichlet(concentration, ...) are drawn again before each symbol
    but the first with probability h, the hazard; x_t ~ theta. The latent says which of `hazards`
    holds, uniform a priori. With the run of symbols under one theta starting at s,

    r_t(s) = p(start = s | x_0..x_{t-1}, h),  p(x_t | s) = (concentration + n_sk) / (S concentration + t - s),
    r_{t+1}(s) ~ (1 - h) r_t(s) p(x_t | s) for s <= t,  r_{t+1}(t + 1) = h,
    p(x_t | x_0..x_{t-1}) = sum_h p(h | x_0..x_{t-1}) sum_s r_t(s) p(x_t | s),

    n_sk the k among x_s..x_{t-1}: the run-length filter of Adams & MacKay 2007 (arXiv 0710.3742) for
    each hazard. Inputs are x_0..x_{T-1}, targets x_1..x_T; x_0 is evidence, and never predicted.

    All that there is to carry over is log2(number of hazards) bits, and each episode gives most of
    them away: KL(informed || amnesic) is at most log2(number of hazards) / time bits a symbol, so
    long episodes leave no room for skill. Measured at time 32: .043 at the defaults; .007 for
    hazards .02 and .1 at concentration 1/2, for which skill is undefined.

    Args:
        symbols: S, size of the alphabet.
        concentration: pseudo-count of each symbol, in draws; below 1 urns are peaked.
        hazards: probabilities of a change before a symbol, one of which holds.

    Raises:
        ValueError: there is no hazard.

    A steady world believes its past, one that changes at every symbol does not:

    >>> inputs, targets = np.array([[0, 0, 0]]), np.array([[0, 0, 0]])
    >>> tunnel = ChangePoint(symbols=2, concentration=0.5, hazards=[0.0, 1.0])
    >>> tunnel.observer().predict(inputs, targets).round(3)
    array([[[0.625, 0.375],
            [0.7  , 0.3  ],
            [0.768, 0.232]]])
    """

    def __init__(
        self,
        symbols: Count = 4,
        concentration: Positive = 0.2,
        hazards: Sequence[Fraction] = (0.0, 0.05, 0.3, 1.0),
    ):
        if not hazards:
            raise ValueError("hazards: expected at least one, got none")
        self.symbols, self.concentration, self.hazards = symbols, concentration, list(hazards)
        self.vocab = symbols

    def latents(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, " n"]:
        """The hazards."""
        return np.array(self.hazards, dtype=float)[rng.integers(len(self.hazards), size=n)]

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """Makes time + 1 draws from an urn that changes."""
        require_time(time)
        n, steps = len(latents), np.arange(time + 1)
        change = rng.random((n, time + 1)) < latents[:, None]
        start = np.maximum.accumulate(np.where(change, steps, 0), axis=1)
        urns = rng.dirichlet([self.concentration] * self.symbols, size=(n, time + 1))
        seen = categorical(np.take_along_axis(urns, start[..., None], axis=1), rng)
        return seen[:, :-1], seen[:, 1:]

    def observer(self) -> FiniteObserver:
        """Every hazard is as likely as any other."""
        hazards = np.array(self.hazards, dtype=float)[:, None]
        filters = partial(run_lengths, hazards, self.symbols, self.concentration)
        return FiniteObserver(np.zeros(len(self.hazards)), filters, format=partial(chain, 1.0))

    def informed(self, latents: Latents) -> KnownObserver:
        """Knows the hazard; it sees no change."""
        law = partial(_live, latents, self.symbols, self.concentration)
        return KnownObserver(law, format=partial(chain, 1 / self.symbols))


def run_lengths(
    hazard: Float[np.ndarray, "*hazards"], symbols: int, concentration: float, inputs: Symbols
) -> tuple[Float[np.ndarray, "... batch"], Float[np.ndarray, "... batch time symbols"]]:
    """p(x_0) and p(x_{t+1} | h, x_0..x_t) under each hazard, by the run-length filter.

    Args:
        hazard: its axes broadcast against the batch, so that (h, 1) puts every hazard to every
            sequence and (batch,) one hazard to each.
        symbols: size of the alphabet.
        concentration: pseudo-count of each symbol, in draws.
        inputs: (batch, time) observed symbols.

    Returns:
        (..., batch) and (..., batch, time, symbols) probabilities.
    """
    batch, time = inputs.shape
    drawn = np.eye(symbols)[inputs]
    drawn = np.concatenate([np.zeros((batch, 1, symbols)), drawn.cumsum(1)], axis=1)
    shape = np.broadcast_shapes(hazard.shape, (batch,))
    start = np.zeros((*shape, time + 1))
    start[..., 0] = 1.0
    said = np.empty((*shape, time, symbols))
    law = np.full((batch, 1, symbols), 1 / symbols)
    for t in range(time):
        run = start[..., : t + 1]
        run *= np.take_along_axis(law, inputs[:, t, None, None], -1)[..., 0]
        run *= (1 - hazard[..., None]) / run.sum(-1, keepdims=True)
        start[..., t + 1] = hazard
        mass = drawn[:, t + 1, None] - drawn[:, : t + 2] + concentration
        law = mass / mass.sum(-1, keepdims=True)
        said[..., t, :] = np.einsum("...bs,bsk->...bk", start[..., : t + 2], law)
    return np.full(shape, 1 / symbols), said


def _live(
    hazard: Float[np.ndarray, " n"], symbols: int, concentration: float, inputs: Symbols
) -> Probabilities:
    return run_lengths(hazard, symbols, concentration, inputs)[1]
