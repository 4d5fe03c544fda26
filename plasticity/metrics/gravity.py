"""Data gravity: how many anomalies it takes to change a mind, over how many it ought to take.

An old law and its revision disagree on a region. KL(law || q) is the bits between a law's noisy answers and a
predictor q's there; probes give it under both laws. Counts are of anomalies, and are known at checkpoints only.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

Bits = Float[np.ndarray, " checkpoints"]
Observed = Int[np.ndarray, " checkpoints"]


class LawChange(NamedTuple):
    """A learner against the ideal reasoner, in a world whose law was revised."""

    held: float
    """Mean log2 q(the old law's answer) / q(the revised one's) on anomalies before any was seen, in bits: at 0 or
    below the learner had never carried the old law there, and had no mind to change."""
    switched: int | None
    """Anomalies seen when the learner came to prefer the revised law, for good; None: it never did."""
    ideal: int | None
    """The same, of the exact posterior."""
    gravity: float | None
    """switched / ideal; None: the learner did not hold the old law, or one of the two never switched."""
    at_least: float | None
    """What gravity is at least: itself, or where the learner never switched all anomalies there were over the
    ideal count (censored on the right)."""
    lost: float
    """Bits lost on anomalies, and over the truth."""
    lost_ideal: float
    """The same, by the exact posterior."""
    consequences: int | None
    """Anomalies seen when the learner came to prefer the revised law where nothing was ever observed, for good."""
    consequences_ideal: int | None
    """The same, of the exact posterior."""
    unseen: float
    """Bits from the truth there, at the end."""
    unseen_ideal: float
    """The same, of the exact posterior."""


def log_odds(revised: Bits, old: Bits, noise: float) -> Bits:
    """Mean log2 q(the revised law's answer) / q(the old one's), in bits.

    A law's answer is noisy: right with probability 1 - noise, else uniform. Its entropy is the same whatever it
    says, and the uniform parts cancel, so that

        KL(old || q) - KL(revised || q) = (1 - noise) E log2 q(revised answer) / q(old answer).

    Args:
        revised: KL(revised || q), in bits.
        old: KL(old || q), in bits.
        noise: probability that an answer is a uniform one; below 1.

    >>> log_odds(np.array([2.0, 0.5]), np.array([0.5, 2.0]), 0.25)
    array([-2.,  2.])
    """
    return (old - revised) / (1 - noise)


def switch(odds: Bits, seen: Observed) -> int | None:
    """Anomalies seen at the first checkpoint from which on the odds are positive to the end; None: not at the end.

    >>> switch(np.array([-1.0, 0.5, -0.1, 0.2, 3.0]), np.array([0, 2, 4, 6, 8]))
    6
    """
    doubts = np.flatnonzero(~(odds > 0))
    first = int(doubts[-1]) + 1 if len(doubts) else 0
    return int(seen[first]) if first < len(odds) else None


def gravity(switched: int | None, ideal: int | None) -> float | None:
    """Data gravity: the learner's count over the ideal one; None where it has none."""
    return switched / ideal if ideal and switched is not None else None


def lost(bits: Bits, seen: Observed) -> float:
    """Bits lost on all anomalies: each costs what the probe said at the checkpoint before it.

    >>> lost(np.array([3.0, 2.0, 0.0]), np.array([0, 2, 3]))
    8.0
    """
    return float(bits[:-1] @ np.diff(seen))


def law_change(
    learner: Float[np.ndarray, "checkpoints 4"],
    ideal: Float[np.ndarray, "checkpoints 4"],
    seen: Observed,
    noise: float,
) -> LawChange:
    """All of it, from the probes.

    Args:
        learner: its bits at every checkpoint: KL(revised || q) and KL(old || q) on anomalies, and the same two
            where the laws disagree and nothing was ever observed.
        ideal: those of the exact posterior.
        seen: anomalies before each checkpoint.
        noise: probability that an answer is a uniform one.
    """
    curves = [
        log_odds(bits[:, i], bits[:, i + 1], noise) for bits in (learner, ideal) for i in (0, 2)
    ]
    switched, consequences, best, consequences_best = (switch(odds, seen) for odds in curves)
    held = -float(curves[0][seen == 0][-1])
    whole = int(seen[-1]) if switched is None else switched
    known = held > 0 and bool(
        np.isfinite(learner).all()
    )  # one that is lost does not stick to its law
    return LawChange(
        held,
        switched,
        best,
        gravity(switched, best) if held > 0 else None,
        gravity(whole, best) if known else None,
        lost(learner[:, 0], seen),
        lost(ideal[:, 0], seen),
        consequences,
        consequences_best,
        float(learner[-1, 2]),
        float(ideal[-1, 2]),
    )
