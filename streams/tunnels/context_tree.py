"""Context tree: a Markov source of hidden, variable order."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import scipy
from jaxtyping import Bool, Float, Int

from plasticity import (
    Count,
    FormattedObserver,
    Fraction,
    InputEvidence,
    KnownObserver,
    Latents,
    Positive,
    Probabilities,
    Symbols,
    Tunnel,
    chain,
)


class ContextTree(Tunnel):
    """Occam inside an episode: long contexts predict better, once there is evidence for them.

    The latent is a tree of contexts and a law for each leaf: the empty context is a leaf with
    probability `stop`, else it splits by the symbol x_t, each of these contexts is a leaf or splits
    by x_{t-1}, and so on; at depth D all are leaves. A leaf's law is Dirichlet(concentration, ...);
    x_{t+1} is drawn from the law of the leaf that the last symbols lead to. With n_sk the times that
    k followed context s, P_e(s) their Dirichlet-multinomial probability and the children of s
    being ks,

    P_w(s) = stop P_e(s) + (1 - stop) prod_k P_w(ks),  P_w = P_e at depth D,

    the root's P_w is the probability of all that was seen, and ratios of it the exact predictive:
    context-tree weighting (Willems, Shtarkov & Tjalkens 1995, IEEE Trans. IT 41(3); symbols = 2 and
    concentration = 1/2 is theirs, with the Krichevsky-Trofimov estimator). Inputs are x_0..x_{T-1},
    targets x_1..x_T; x_0..x_{D-1} are uniform, not asked, and only say where the walk starts.
    KL(informed || amnesic) is .12 bits a symbol at the defaults and time 32.

    Args:
        symbols: size of the alphabet.
        depth: D, symbols that the longest contexts hold; there are symbols^D of those.
        concentration: pseudo-count of each symbol in a leaf, in draws; below 1 laws are peaked.
        stop: probability that a context of depth below D is a leaf; 0 is a chain of order D.

    A 1 came after 0 0, then a 0 after 0 1. What that says of 1 0 depends on the tree: of depth 0,
    both count; of depth 1, only 0 0 -> 1, as it ends alike; of depth 2, neither:

    >>> inputs, targets = np.array([[0, 0, 1, 0]]), np.array([[0, 1, 0, 1]])
    >>> tunnel = ContextTree(symbols=2, depth=2)
    >>> tunnel.observer().predict(inputs, targets)[0, tunnel.asked(4)].round(3)
    array([[0.5  , 0.5  ],
           [0.375, 0.625],
           [0.417, 0.583]])
    """

    def __init__(
        self,
        symbols: Count = 2,
        depth: Count = 3,
        concentration: Positive = 0.5,
        stop: Fraction = 0.5,
    ):
        self.symbols, self.depth = symbols, depth
        self.concentration, self.stop = concentration, stop
        self.vocab = symbols

    def latents(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n contexts symbols"]:
        """The law after each context of depth D, x_t + x_{t-1} S + ...; those of a leaf share one."""
        alpha, rows = [self.concentration] * self.symbols, np.zeros((n, 1, self.symbols))
        growing = np.ones((n, 1), dtype=bool)
        for depth in range(self.depth + 1):
            ends = rng.random(growing.shape) < (self.stop if depth < self.depth else 1.0)
            fresh = rng.dirichlet(alpha, size=growing.shape)
            rows = np.where((growing & ends)[..., None], fresh, rows)
            growing &= ~ends
            if depth < self.depth:
                rows, growing = (np.concatenate([a] * self.symbols, 1) for a in (rows, growing))
        return rows

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """A walk of time + 1 symbols, the first `depth` of them uniform.

        Raises:
            ValueError: `time` is below depth, so that no target has a context.
        """
        if time < self.depth:
            raise ValueError(f"time: expected at least the depth, {self.depth}, got {time}")
        n, chain = len(latents), np.arange(len(latents))
        cumulative, uniform = latents.cumsum(-1)[..., :-1], rng.random((time + 1, n, 1))
        seen = rng.integers(self.symbols, size=(n, time + 1))
        for t in range(self.depth, time + 1):
            place = contexts(seen[:, t - self.depth : t], self.symbols, self.depth)[:, 0]
            seen[:, t] = (cumulative[chain, place] <= uniform[t]).sum(-1)
        return seen[:, :-1], seen[:, 1:]

    def asked(self, time: int) -> Bool[np.ndarray, " time"]:
        """Targets that have a whole context before them."""
        return np.arange(time) >= self.depth - 1

    def observer(self) -> "TreeObserver":
        """Has seen nothing."""
        counts = np.zeros((self.symbols**self.depth, self.symbols))
        return TreeObserver(counts, self.depth, self.concentration, self.stop, format=self._format)

    def informed(self, latents: Latents) -> KnownObserver:
        """Knows the tree and its laws."""
        return KnownObserver(partial(_rows, latents, self.depth), format=self._format)

    def _format(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """`depth` uniform symbols; all but x_0 are the targets before."""
        surprise, _ = chain(1 / self.symbols, inputs, targets)
        surprise[:, 1 : self.depth] -= np.log(self.symbols)
        return InputEvidence(surprise, self.asked(inputs.shape[1]))


@dataclass(frozen=True, eq=False)
class TreeObserver(FormattedObserver):
    """Weighs every tree at once: the mixture of context-tree weighting, node by node.

    A node is a leaf of the tree, if it is a node of it, with posterior odds
    o_s = stop P_e(s) / ((1 - stop) prod_k P_w(ks)), and on the path of the current context
    p_s = (o_s p_e + p_child) / (o_s + 1); each draw multiplies o_s by p_e / p_child of what came.

    Args:
        counts: draws absorbed after each context of depth D; those of shorter ones are their sums.
        depth: D.
        concentration: pseudo-count of each symbol in a leaf, in draws.
        stop: probability that a context of depth below D is a leaf.
        format: how episodes are written.
    """

    counts: Float[np.ndarray, "contexts symbols"]
    depth: int
    concentration: float
    stop: float

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """The root's predictive; uniform where a context is not whole yet."""
        size, depth = self.counts.shape[1], self.depth
        predictive = np.full((*inputs.shape, size), 1 / size)
        full, came = contexts(inputs, size, depth), targets[:, depth - 1 :, None]
        drawn = np.eye(size)[came[..., 0]]
        nodes = self._nodes()
        said = np.empty(drawn.shape)
        for d in range(depth, -1, -1):
            counts, log_odds = nodes[d]
            place = full % size**d
            mass = counts[place] + before(place, drawn) + self.concentration
            here = mass / mass.sum(-1, keepdims=True)
            if d < depth:
                gain = _log_at(here, came) - _log_at(said, came)
                weight = scipy.special.expit(log_odds[place][..., None] + before(place, gain))
                here = weight * here + (1 - weight) * said
            said = here
        predictive[:, depth - 1 :] = said
        return predictive

    def absorb(self, inputs: Symbols, targets: Symbols) -> "TreeObserver":
        """Adds every draw to the counts."""
        size, counts = self.counts.shape[1], self.counts.copy()
        place = contexts(inputs, size, self.depth)
        np.add.at(counts, (place, targets[:, self.depth - 1 :]), 1.0)
        return replace(self, counts=counts)

    def _nodes(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Counts and log odds (of being a leaf) of the contexts of each depth; P_w from the leaves up."""
        counts, size, alpha = self.counts, self.counts.shape[1], self.concentration
        gammaln = scipy.special.gammaln
        with np.errstate(divide="ignore"):
            log_stop, log_go = np.log([self.stop, 1 - self.stop])
        nodes = list[tuple[np.ndarray, np.ndarray]]()
        log_p = np.zeros(0)
        for d in range(self.depth, -1, -1):
            rising = gammaln(counts + alpha) - gammaln(alpha)
            total = gammaln(counts.sum(-1) + size * alpha) - gammaln(size * alpha)
            here, log_odds = rising.sum(-1) - total, np.zeros(len(counts))
            if d < self.depth:
                below = log_p.reshape(size, -1).sum(0)
                log_odds = scipy.special.logit(self.stop) + here - below
                here = np.logaddexp(log_stop + here, log_go + below)
            nodes.append((counts, log_odds))
            log_p = here
            counts = counts.reshape(size, -1, size).sum(0) if d else counts
        return nodes[::-1]


def contexts(inputs: Symbols, symbols: int, depth: int) -> Int[np.ndarray, "batch time-{depth-1}"]:
    """x_t + x_{t-1} S + ... of the last `depth` symbols, from t = depth - 1 on.

    The context of the last d of them is that modulo S^d.
    """
    whole = inputs.shape[1] - depth + 1
    newest = (inputs[:, depth - 1 - j :][:, :whole] * symbols**j for j in range(depth))
    return np.sum(list(newest), axis=0)


def before(
    place: Int[np.ndarray, "batch time"], what: Float[np.ndarray, "batch time values"]
) -> Float[np.ndarray, "batch time values"]:
    """Sum of `what` over the earlier columns of a row that are at the same place."""
    place = place + (place.max() + 1) * np.arange(len(place))[:, None]
    order = place.ravel().argsort(kind="stable")
    ordered, sorted_place = what.reshape(-1, what.shape[-1])[order], place.ravel()[order]
    total = ordered.cumsum(0) - ordered
    summed = np.empty_like(total)
    summed[order] = total - total[sorted_place.searchsorted(sorted_place)]
    return summed.reshape(what.shape)


def _log_at(p: Probabilities, symbols: Int[np.ndarray, "batch time 1"]) -> np.ndarray:
    return np.log(np.take_along_axis(p, symbols, -1))


def _rows(
    table: Float[np.ndarray, "n contexts symbols"], depth: int, inputs: Symbols
) -> Probabilities:
    size = table.shape[2]
    predictive = np.full((*inputs.shape, size), 1 / size)
    place = contexts(inputs, size, depth)
    predictive[:, depth - 1 :] = table[np.arange(len(table))[:, None], place]
    return predictive
