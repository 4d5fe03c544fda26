"""Importance sampling over hypotheses: a proposal draws them, the exact model of the world weighs them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from plasticity.core.tunnel import Hypotheses, Symbols
from plasticity.observers.conjugate import log, normalise

CELLS = 1 << 21
"""Rows times positions that an exact model reads at once, at most."""
Nats = Float[np.ndarray, "batch asked hypotheses"]
Shares = Float[np.ndarray, "batch asked hypotheses"]
"""Probabilities of hypotheses before each asked position; they sum to 1."""
Counts = Int[np.ndarray, "batch asked hypotheses"]
"""How often each hypothesis was drawn there."""
Propose = Callable[[Symbols, Symbols], Shares]
"""From inputs and targets, q(g | inputs[:, :t+1], targets[:, :t]) at every asked position t."""


class Judged(NamedTuple):
    """What the exact model says of some hypotheses, at every asked position."""

    nats: Nats
    """ln p(g) p(inputs[:, :t+1], targets[:, :t] | g), in nats."""
    said: Float[np.ndarray, "batch asked hypotheses symbols"]
    """p(targets[:, t] | g, inputs[:, :t+1], targets[:, :t])."""

    def posterior(self) -> Shares:
        """p(g | what has been shown); of some hypotheses, as if there were no others."""
        return normalise(np.exp(self.nats - _peaks(self.nats)))


class Weighed(NamedTuple):
    """A predictive by weighed draws."""

    predictive: Float[np.ndarray, "batch asked symbols"]
    """Where no draw explains what came it is uniform."""
    ess: Float[np.ndarray, "batch asked"]
    """Effective sample size, in draws: 1 / sum w^2, from 1 to n; 0 where no draw explains what came."""


def judged(
    hypotheses: Hypotheses,
    which: Int[np.ndarray, " some"],
    inputs: Symbols,
    targets: Symbols,
    asked: Bool[np.ndarray, " time"],
) -> Judged:
    """What the exact model says of these hypotheses; latents of a hypothesis are integrated out.

    Args:
        hypotheses: of the tunnel.
        which: their numbers.
        inputs: (batch, time) observed symbols.
        targets: (batch, time) symbols to predict.
        asked: positions at which it is said.
    """
    batch, time = inputs.shape
    nats, said = list[np.ndarray](), list[np.ndarray]()
    for part in np.split(which, range(0, len(which), max(1, CELLS // (batch * time)))[1:]):
        rows = (np.tile(part, batch), *(np.repeat(s, len(part), axis=0) for s in (inputs, targets)))
        found = hypotheses.loglik(*rows)[:, :-1][:, asked]
        nats.append(found.reshape(batch, len(part), -1) + log(hypotheses.prior[part])[:, None])
        told = hypotheses.given(rows[0]).predict(*rows[1:])[:, asked]
        said.append(told.reshape(batch, len(part), *told.shape[1:]))
    return Judged(
        np.concatenate(nats, axis=1).swapaxes(1, 2), np.concatenate(said, axis=1).swapaxes(1, 2)
    )


def drawn(proposal: Shares, draws: int, rng: np.random.Generator) -> Counts:
    """How often each hypothesis comes in so many independent draws."""
    return rng.multinomial(draws, normalise(proposal.astype(np.float64)))


def weigh(found: Judged, counts: Counts, proposal: Shares) -> Weighed:
    """Self-normalised importance sampling: p(y | D) = sum_i w_i p(y | g_i, D), w_i ~ p(D | g_i) p(g_i) / q(g_i).

    ESS = 1 / sum_i w_i^2 (Kong, Liu & Wong 1994; Owen 2013, Monte Carlo theory, chapter 9). Of n draws the estimate is
    off by a bias of order 1 / n, and by a variance of that order. A hypothesis drawn k times has k equal weights.

    Args:
        found: of all hypotheses that were drawn.
        counts: how often each of them was.
        proposal: q, by which they were drawn; up to a factor for each position.
    """
    some = counts > 0
    nats = np.where(some, found.nats - log(np.where(some, proposal, 1.0)), -np.inf)
    each = np.exp(nats - _peaks(nats))
    total = (counts * each).sum(-1)
    ess = np.divide(total**2, (counts * each**2).sum(-1), out=np.zeros_like(total), where=total > 0)
    return Weighed(_mixture(counts * each, found), ess)


def pooled(found: Judged, counts: Counts) -> Weighed:
    """The posterior as if nothing but what was drawn were possible: p(y | D, g in drawn), each hypothesis once.

    In a finite world a hypothesis drawn again tells nothing new, and how likely its draw was does not matter: weights
    are p(D | g) p(g). Its ESS counts hypotheses, not draws.

    Args:
        found: of all hypotheses that were drawn.
        counts: how often each of them was.
    """
    return weigh(found, np.minimum(counts, 1), np.ones_like(found.nats))


@dataclass(frozen=True)
class Hybrid:
    """A predictor that proposes hypotheses and has the exact model weigh them (amortised importance sampling).

    g_1 .. g_n ~ q' = (1 - e) q + e p at every asked position, anew; then as `weigh` has it. The share e of the prior
    p bounds every weight by p(D | g) / e (defensive mixture: Hesterberg 1995; Owen & Zhou 2000): no hypothesis is
    starved, and one of b bits is met once in 2^b / e draws at most, on average. For n to infinity it is the amnesic
    observer.

    Args:
        hypotheses: of the tunnel.
        asked: positions at which it predicts.
        propose: q.
        draws: n.
        share: e, in [0, 1].
    """

    hypotheses: Hypotheses
    asked: Bool[np.ndarray, " time"]
    propose: Propose
    draws: int
    share: float = 0.1

    def predict(self, inputs: Symbols, targets: Symbols, rng: np.random.Generator) -> Weighed:
        """Draws, and asks the exact model of what was drawn alone.

        Args:
            inputs: (batch, time) observed symbols.
            targets: (batch, time) symbols to predict.
            rng: of the draws.
        """
        q = defended(self.propose(inputs, targets), self.hypotheses.prior, self.share)
        counts = drawn(q, self.draws, rng)
        which = np.flatnonzero(counts.any((0, 1)))
        found = judged(self.hypotheses, which, inputs, targets, self.asked)
        return weigh(found, counts[..., which], q[..., which])


def defended(proposal: Shares, prior: Float[np.ndarray, " hypotheses"], share: float) -> Shares:
    """(1 - e) q + e p.

    >>> defended(np.array([[[0.0, 1.0]]]), np.array([0.5, 0.5]), 0.5)
    array([[[0.25, 0.75]]])
    """
    return (1 - share) * proposal + share * prior


def _mixture(
    weights: Float[np.ndarray, "batch asked hypotheses"], found: Judged
) -> Float[np.ndarray, "batch asked symbols"]:
    """What hypotheses say, by weight."""
    return normalise((weights[..., None, :] @ found.said)[..., 0, :])


def _peaks(nats: Nats) -> Float[np.ndarray, "batch asked 1"]:
    """The largest; 0 where all are impossible."""
    peak = nats.max(-1, keepdims=True)
    return np.where(np.isfinite(peak), peak, 0.0)
