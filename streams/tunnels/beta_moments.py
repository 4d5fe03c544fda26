"""Moments of a Beta variable that is shown through a mixture: Gauss quadrature where its posterior is."""

from functools import cache
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float, Int

OWN = 2
"""What is added to the variable: the weight of what is sure, where the variable's own is 1."""
NODES = 96
DROP = 45.0
"""Nats below the peak at which the density ends."""
NEAR = 0.1
"""An end of the density that is nearer to an end of [0, 1], by this share of the peak's distance, is there."""
HALVINGS = 40
"""Of the way to either end of it."""


class Quadrature(NamedTuple):
    """Values of d + OWN and 1 - d, and their weights, which sum to 1 for each row."""

    more: Float[np.ndarray, "rows nodes"]
    rest: Float[np.ndarray, "rows nodes"]
    weight: Float[np.ndarray, "rows nodes"]


def quadrature(
    c: float, b: float, own: Int[np.ndarray, " rows"], other: Int[np.ndarray, " rows"]
) -> Quadrature:
    """The density proportional to d^(c - 1) (1 - d)^(b - 1 + other) (d + OWN)^own on [0, 1], as weighted points.

    Smooth functions have their expectation to rounding, at a cost that does not depend on the counts: Gauss-Jacobi
    quadrature (Golub & Welsch 1969) on what of [0, 1] is not negligible. At an end of [0, 1] that is part of it the
    rule bears the singular power; all else is log-concave, so that its peak is a root of a quadratic.

    Args:
        c: of d ~ Beta(c, b).
        b: of it.
        own: how often `own` was seen, of probability (d + OWN) / (1 + OWN).
        other: how often something else was seen.
    """
    powers = [-((-x) % 1.0) for x in (c, b)]  # in (-1, 0], an integer below c - 1 or b - 1
    low, high = c - 1 - powers[0], b - 1 - powers[1] + other

    def height(d: np.ndarray) -> np.ndarray:
        return scipy.special.xlogy(low, d) + scipy.special.xlog1py(high, -d) + own * np.log(d + OWN)

    steep = low + high + own
    half = own + low * (1 - OWN) - OWN * high
    root = half + np.sqrt(half**2 + 4 * OWN * steep * low)
    peak = np.divide(root, 2 * steep, out=np.full(len(own), 0.5), where=steep > 0).clip(0, 1)
    least = height(peak) - DROP
    ends = list[np.ndarray]()
    for end in (0.0, 1.0):
        inside, outside = peak, np.full(len(own), end)
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            above = height(middle) >= least
            inside, outside = np.where(above, middle, inside), np.where(above, outside, middle)
        near = np.abs(outside - end) < NEAR * np.abs(peak - end)
        whole = height(np.full(len(own), end)) >= least
        ends.append(np.where(near | whole, end, outside))
    begin, width = ends[0][:, None], (ends[1] - ends[0])[:, None]
    singular = [(ends[0] == 0)[:, None], (ends[1] == 1)[:, None]]
    share, log_weight = (np.empty((len(own), NODES)) for _ in range(2))
    for at_zero in (False, True):
        for at_one in (False, True):
            rows = (singular[0] == at_zero)[:, 0] & (singular[1] == at_one)[:, 0]
            share[rows], log_weight[rows] = _rule(powers[1] * at_one, powers[0] * at_zero)
    d = begin + width * share
    rest = (1 - ends[1])[:, None] + width * (1 - share)
    log_weight += (
        scipy.special.xlogy(low, d)
        + scipy.special.xlogy(high[:, None], rest)
        + own[:, None] * np.log(d + OWN)
    )
    log_weight += np.where(singular[0], 0.0, powers[0] * np.log(d))
    log_weight += np.where(singular[1], 0.0, powers[1] * np.log(rest))
    weight = np.exp(log_weight - log_weight.max(-1, keepdims=True))
    return Quadrature(d + OWN, rest, weight / weight.sum(-1, keepdims=True))


@cache
def _rule(at_one: float, at_zero: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in [0, 1] and log weights for the weight (1 - x)^at_one x^at_zero, up to a constant.

    Eigenvalues, and first components of eigenvectors, of the Jacobi polynomials' recurrence.
    """
    n, total = np.arange(1, NODES), at_one + at_zero
    centre, whole = np.zeros(NODES), 2 * n + total
    centre[0] = (at_zero - at_one) / (total + 2)
    centre[1:] = (at_zero**2 - at_one**2) / (whole * (whole + 2))
    # At n = 1 the general formula may be 0 / 0.
    square = 4 * n * (n + at_one) * (n + at_zero) * (n + total)
    beside = np.divide(square, whole**2 * (whole**2 - 1), where=n > 1, out=np.zeros(NODES - 1))
    beside[0] = 4 * (1 + at_one) * (1 + at_zero) / ((2 + total) ** 2 * (3 + total))
    x, vectors = scipy.linalg.eigh_tridiagonal(centre, np.sqrt(beside))
    return (1 + x) / 2, 2 * np.log(np.abs(vectors[0]))
