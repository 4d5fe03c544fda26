"""Trends: the slope of a line through numbers that follow one another."""

import math
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

POINTS = 1000
"""Points of a Theil-Sen line, at most: it looks at every pair."""


class Trend(NamedTuple):
    """A slope, and its 95 % interval."""

    slope: float
    low: float
    high: float


def least_squares(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> Trend | None:
    """Slope of the least-squares line, with the 95 % interval of Student's t, n - 2 degrees of freedom.

    Neighbours are taken as independent; where they are not, the interval is too narrow. The x must differ.

    Returns:
        None for fewer than three points.
    """
    if len(x) < 3:
        return None
    centred = x - x.mean()
    spread = centred @ centred
    slope = float(centred @ y / spread)
    residual = y - y.mean() - slope * centred
    error = math.sqrt(residual @ residual / (len(x) - 2) / spread)
    half = float(scipy.special.stdtrit(len(x) - 2, 0.975)) * error
    return Trend(slope, slope - half, slope + half)


def theil_sen(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float | None:
    """Median slope over all pairs (Theil 1950, Sen 1968): a few odd points do not turn it.

    Over more than POINTS points it is taken of the means of equally many neighbours; what is left over at the
    end is left out. The x must all differ.

    Returns:
        None for fewer than three points.
    """
    if len(x) < 3:
        return None
    block = -(-len(x) // POINTS)
    whole = len(x) - len(x) % block
    x, y = (v[:whole].reshape(-1, block).mean(1) for v in (x, y))
    i, j = np.triu_indices(len(x), 1)
    return float(np.median((y[j] - y[i]) / (x[j] - x[i])))
