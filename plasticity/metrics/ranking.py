"""Ranking: strategies over blocks, by Friedman's test and Nemenyi's critical difference (Demsar 2006, JMLR 7)."""

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from plasticity.metrics.significance import LEVEL

DRAWS = 10_000
"""Shuffles of a permutation test."""

Values = Float[np.ndarray, "*batch strategies units"]


class Standing(NamedTuple):
    """Mean ranks and what they tell apart: all that a diagram of critical differences shows."""

    ranks: dict[str, float]
    """Strategy -> mean rank, best first."""
    units: int
    """How many blocks (or seeds, of one block) were ranked."""
    critical: float | None
    """Nemenyi's critical difference of mean ranks at 5 %; None: fewer than two units, or than two strategies."""
    p: float | None
    """Of Friedman's test that all are alike."""
    groups: list[list[str]]
    """Of neighbours in rank that are not told apart, the largest there are; from two on."""


def ranks(values: Values) -> Values:
    """Rank by value in each unit, 1 is highest; ties share the mean of their ranks."""
    from scipy.stats import rankdata  # heavy, and needed here alone

    return rankdata(-values, method="average", axis=-2)


def friedman(placed: Values) -> Float[np.ndarray, "*batch"]:
    """Friedman's statistic that not all strategies are alike, corrected for ties (Friedman 1937).

    Args:
        placed: ranks in each unit.
    """
    k, n = placed.shape[-2:]
    middle = (k + 1) / 2
    spread = ((placed - middle) ** 2).sum((-2, -1)) / (k - 1)
    between = n**2 * ((placed.mean(-1) - middle) ** 2).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, between / spread, 0.0)


def friedman_p(placed: Float[np.ndarray, "strategies units"], draws: int = DRAWS) -> float:
    """P of that statistic, by shuffling the ranks within each unit: right for few units and with ties.

    (The chi-squared law is not: of 3 strategies in 4 blocks it says 5 % where 6.9 % is true.)
    """
    shuffled = np.repeat(placed.T[None], draws, 0)
    np.random.default_rng(0).permuted(shuffled, axis=-1, out=shuffled)
    as_far = friedman(shuffled.swapaxes(-1, -2)) >= friedman(placed[None]) - 1e-9
    return float((1 + as_far.sum()) / (1 + draws))


@cache
def critical_difference(strategies: int, units: int) -> float:
    """Nemenyi's: mean ranks that are further apart differ at 5 %, all pairs together.

    q sqrt(k (k + 1) / (6 N)), with q the 95 % quantile of the studentized range of k and no end of degrees of freedom,
    over sqrt 2.
    """
    from scipy.stats import studentized_range

    q = float(studentized_range.ppf(1 - LEVEL, strategies, np.inf)) / math.sqrt(2)
    return q * math.sqrt(strategies * (strategies + 1) / (6 * units))


def standing(names: Sequence[str], values: Values) -> Standing:
    """Who ranks where, and who is not told apart: nobody is, unless Friedman's test says that some differ.

    Alike means that any order in a block is as likely as any other; of strategies that differ in their noise alone a
    bit more than 5 % are told apart (simulated: 6.4 % of three in four blocks, one ten times as loud as another).

    (Wilcoxon's signed ranks with Holm's correction can tell nobody apart in few blocks: of 8 blocks its smallest p is
    2 / 256, and with 8 strategies the first of 28 pairs must be below .05 / 28.)

    Args:
        names: of the strategies.
        values: (strategies, units): higher is better, -inf is last; every one of them is known.
    """
    placed = ranks(values)
    k, n = placed.shape
    means = placed.mean(-1) if n else np.full(k, np.nan)
    order: list[int] = np.argsort(means, kind="stable").tolist()
    ordered = {names[i]: float(means[i]) for i in order}
    if k < 2 or n < 2:
        return Standing(ordered, n, None, None, [[*ordered]] if k > 1 else [])
    p, critical = friedman_p(placed), critical_difference(k, n)
    reach = critical if p < LEVEL else np.inf
    groups = list[list[str]]()
    end = 0
    for first in range(k):
        last = max(i for i in range(k) if means[order[i]] - means[order[first]] <= reach)
        if last > first and last >= end:
            groups.append([names[i] for i in order[first : last + 1]])
            end = last + 1
    return Standing(ordered, n, critical, p, groups)
