"""Trends: the slope of a line through numbers that follow one another."""

import math
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

POINTS = 1000
"""Points of a Theil-Sen line, at most: it looks at every pair."""
PER = 100
"""Visits per which a trend over visits is given."""


class Trend(NamedTuple):
    """A slope, and its 95 % interval."""

    slope: float
    low: float
    high: float


def least_squares(
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"] | None = None,
) -> Trend | None:
    """Slope of the least-squares line, with the 95 % interval of Student's t, n - 2 degrees of freedom.

    Neighbours are taken as independent; where they are not, the interval is too narrow. The x must differ.

    Args:
        x: where.
        y: what.
        weights: how much each point counts: in proportion to 1 / its variance; None: all alike.

    Returns:
        None for fewer than three points, or where one is not finite.
    """
    if len(x) < 3 or not np.isfinite([x, y]).all():
        return None
    w = np.ones(len(x)) if weights is None else weights / weights.mean()
    centred, apart = x - np.average(x, weights=w), y - np.average(y, weights=w)
    spread = float(w @ centred**2)
    slope = float(w @ (centred * apart)) / spread
    residual = apart - slope * centred
    error = math.sqrt(float(w @ residual**2) / (len(x) - 2) / spread)
    half = float(scipy.special.stdtrit(len(x) - 2, 0.975)) * error
    return Trend(slope, slope - half, slope + half)


def theil_sen(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float | None:
    """Median slope over all pairs (Theil 1950, Sen 1968): a few odd points do not turn it.

    Over more than POINTS points it is taken of the means of equally many neighbours; what is left over at the
    end is left out. The x must all differ.

    Returns:
        None for fewer than three points, or where one is not finite.
    """
    if len(x) < 3 or not np.isfinite([x, y]).all():
        return None
    block = -(-len(x) // POINTS)
    whole = len(x) - len(x) % block
    x, y = (v[:whole].reshape(-1, block).mean(1) for v in (x, y))
    i, j = np.triu_indices(len(x), 1)
    return float(np.median((y[j] - y[i]) / (x[j] - x[i])))


def per_visits(line: Trend | None) -> tuple[float | None, float | None, float | None]:
    """A trend over visit numbers, per PER visits: slope, lower and upper end."""
    return (PER * line.slope, PER * line.low, PER * line.high) if line else (None, None, None)
