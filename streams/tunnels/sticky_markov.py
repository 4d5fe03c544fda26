"""Sticky Markov chain on a circle with a hidden map of symbols."""

from functools import partial
from math import factorial

import numpy as np
from jaxtyping import Float, Int

from plasticity import (
    Count,
    Explanation,
    FiniteObserver,
    Fraction,
    KnownObserver,
    Latents,
    Natural,
    Probabilities,
    Symbols,
    Tunnel,
    chain,
)
from streams.tunnels.markov import walk
from streams.tunnels.urn import require_time


class StickyMarkov(Tunnel):
    """One law, many maps: all that is hidden is which symbols are neighbours on the circle.

    At circular distance d the chain moves with weight 1/d; it stays with weight s, the stickiness;
    rows are normalised, shrunk by 1 - s, and s is added to the diagonal:

    P(0) = s + (1 - s) s / Z,  P(d) = (1 - s) / (d Z),  Z = s + sum of 1/d over the other symbols.

    So it stays with probability P(0), not s: .3498 at the defaults, and not .3. The latent says
    which of `library` maps is live, uniform a priori: a map gives each symbol its place on the
    circle, and no two make the same chain. x_0 is uniform; inputs are x_0..x_{T-1}, targets
    x_1..x_T. With place m_h of map h,

    p(x_{t+1} = k | x_0..x_t = i) = sum_h p(h | x_0..x_t) P(d(m_h(i), m_h(k))).

    Map 0 is the identity; a library of 1 (the chain of EM against SGD in the repository of Agarwal,
    Misra et al., arXiv 2512.22473: 8 symbols, s = .3, 2.639 bits a symbol, there shown as noisy
    vectors) leaves nothing to infer: the three observers are one, and skill is undefined. With 16
    maps KL(informed || amnesic) is .078 bits a symbol at time 32.

    Args:
        symbols: size of the alphabet, at least 2.
        stickiness: s; at 1 the chain never moves, whatever the map.
        library: number of maps; at most (symbols - 1)! / 2 are different.
        seed: of the library; the latent is an index into it.

    Raises:
        ValueError: fewer than 2 symbols, or fewer different maps than the library holds.

    >>> x, y = np.array([[0, 0]]), np.array([[0, 1]])
    >>> StickyMarkov(symbols=4, stickiness=0.5).observer().predict(x, y).round(3)
    array([[[0.583, 0.167, 0.083, 0.167],
            [0.583, 0.167, 0.083, 0.167]]])
    """

    def __init__(
        self,
        symbols: Count = 8,
        stickiness: Fraction = 0.3,
        library: Count = 1,
        seed: Natural = 0,
    ):
        if symbols < 2:
            raise ValueError(f"symbols: expected at least 2, got {symbols}")
        if library > (most := max(1, factorial(symbols - 1) // 2)):
            raise ValueError(f"library: {library} maps, but {symbols} symbols have only {most}")
        self.symbols, self.stickiness, self.library, self.seed = symbols, stickiness, library, seed
        self.vocab = symbols
        place = maps(symbols, library, np.random.default_rng(seed))
        self.transition = circle(symbols, stickiness)[place[:, :, None], place[:, None, :]]

    def latents(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
        """Indices into the library."""
        return rng.integers(self.library, size=n)

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """A walk of time + 1 symbols."""
        require_time(time)
        path = walk(self.transition[latents], time + 1, rng)
        return path[:, :-1], path[:, 1:]

    def observer(self) -> FiniteObserver:
        """Every map of the library is as likely as any other."""
        explain = partial(_explain, self.transition)
        return FiniteObserver(np.zeros(self.library), explain, format=partial(chain, 1.0))

    def informed(self, latents: Latents) -> KnownObserver:
        """Knows the map."""
        law = partial(_rows, self.transition, latents)
        return KnownObserver(law, format=partial(chain, 1 / self.symbols))


def circle(symbols: int, stickiness: float) -> Float[np.ndarray, "symbols symbols"]:
    """Transition matrix of the chain whose symbols stand on the circle in order."""
    steps = np.abs(np.subtract.outer(np.arange(symbols), np.arange(symbols)))
    distance = np.minimum(steps, symbols - steps)
    weight = np.where(distance == 0, stickiness, 1 / np.maximum(distance, 1))
    weight /= weight.sum(1, keepdims=True)
    return (1 - stickiness) * weight + stickiness * np.eye(symbols)


def maps(symbols: int, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n symbols"]:
    """Places of each symbol: the identity, and n - 1 more that are no turned or mirrored one."""
    found = {tuple(range(symbols)): None}
    while len(found) < n:
        place = np.append(0, 1 + rng.permutation(symbols - 1))
        mirrored = -place % symbols
        found[min(tuple(place.tolist()), tuple(mirrored.tolist()))] = None
    return np.array(list(found))


def _explain(transition: Float[np.ndarray, "h symbols symbols"], inputs: Symbols) -> Explanation:
    opening = np.full((len(transition), len(inputs)), 1 / transition.shape[-1])
    return opening, transition[:, inputs]


def _rows(
    transition: Float[np.ndarray, "h symbols symbols"], latents: Latents, inputs: Symbols
) -> Probabilities:
    return transition[latents[:, None], inputs]
