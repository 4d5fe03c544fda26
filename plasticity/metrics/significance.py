"""Significance: intervals of means, tests of paired differences, and the correction for having made many of them."""

import math
from collections.abc import Sequence

import numpy as np
import scipy
from jaxtyping import Float

LEVEL = 0.05
"""Chance of one wrong claim or more among all that a page makes, if nothing differs."""


def interval(values: Sequence[float]) -> float | None:
    """Half the width of the 95 % interval of a mean, by Student's t; None for a single value."""
    n = len(values)
    if n < 2:
        return None
    return float(scipy.special.stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / math.sqrt(n))


def spread(values: Sequence[float], digits: int) -> str:
    """A mean and its 95 % interval."""
    half = interval(values)
    mean = f"{np.mean(values):z,.{digits}f}"
    return mean if half is None else f"{mean}±{half:,.{digits}f}"


def t_test(values: Float[np.ndarray, "*batch n"]) -> Float[np.ndarray, "*batch"]:
    """Two-sided p of a mean of 0, by Student's t with n - 1 degrees of freedom; of paired differences, their t test.

    All alike: 1 where they are 0, else 0. 1 for a single value: it proves nothing.

    (Flipping signs is exact without any assumption, but of n = 3 differences the smallest p there is is 2/8, of n = 5
    2/32, before any correction. The t test assumes that differences are normal, and holds its level where they are
    symmetric with heavier tails: `experiments/error_rates.py`.)
    """
    n = values.shape[-1]
    if n < 2:
        return np.ones(values.shape[:-1])
    mean, error = values.mean(-1), values.std(-1, ddof=1) / math.sqrt(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(mean == 0, 0.0, np.abs(mean) / error)
    return 2 * scipy.special.stdtr(n - 1, -t)


def own_p(values: Sequence[float]) -> float:
    """Of one comparison, alone."""
    return float(t_test(np.array([values], float))[0])


def holm(p: Float[np.ndarray, "*batch m"]) -> Float[np.ndarray, "*batch m"]:
    """Adjusted p: below a level a only with chance a for all m together, whatever they depend on (Holm 1979).

    Of the i-th smallest, the largest over j <= i of (m - j + 1) p_(j), at most 1.
    """
    order = np.argsort(p, -1)
    factor = np.arange(p.shape[-1], 0, -1)
    stepped = np.maximum.accumulate(np.take_along_axis(p, order, -1) * factor, -1)
    found = np.empty_like(stepped)
    np.put_along_axis(found, order, np.minimum(stepped, 1.0), -1)
    return found


def all_pairs(
    values: Float[np.ndarray, "*batch k n"],
) -> Float[np.ndarray, "*batch pairs"]:
    """Adjusted p of every pair of k strategies under n shared seeds, in the order of `numpy.triu_indices(k, 1)`.

    All pairs, and not those with the leader alone: who leads was chosen by the same numbers.
    """
    i, j = np.triu_indices(values.shape[-2], 1)
    return holm(t_test(values[..., i, :] - values[..., j, :]))
