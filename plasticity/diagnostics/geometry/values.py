"""Values: how few directions hold what is passed on, and whether the leading one is ordered by entropy."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from plasticity.metrics.formula import Entry, formula

States = Float[np.ndarray, "n asked width"]
"""What some site holds at the asked positions of n episodes."""
Bits = Float[np.ndarray, "n asked"]
"""The exact amnesic entropy H, say."""


class Principal(NamedTuple):
    """The principal axes of some vectors, the largest first."""

    mean: Float[np.ndarray, " width"]
    variances: Float[np.ndarray, " width"]
    axes: Float[np.ndarray, "width width"]
    """Rows of length 1."""

    def along(self, states: States, axis: int = 0) -> Bits:
        """The coordinate of every state on one of the axes."""
        return (states - self.mean) @ self.axes[axis]


def principal(vectors: Float[np.ndarray, "*any width"]) -> Principal:
    """Principal components of vectors, by the eigenvectors of their covariance."""
    rows = vectors.reshape(-1, vectors.shape[-1])
    mean = rows.mean(0)
    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(rows.T, bias=True)))
    return Principal(mean, variances[::-1].clip(0), axes.T[::-1])


@formula(
    Entry("values/pc1", "share", "l_1 / sum l, l the variances along principal axes of the values"),
    Entry("values/pc12", "share", "(l_1 + l_2) / sum l"),
    Entry("values/pr", "directions", "participation ratio (sum l)^2 / sum l^2"),
)
def shares(variances: Float[np.ndarray, " width"]) -> tuple[float, float, float]:
    """How few directions hold the variance; NaN where there is none.

    >>> shares(np.array([2.0, 1.0, 1.0]))
    (0.5, 0.75, 2.6666666666666665)
    """
    total = variances.sum()
    if not total > 0:
        return math.nan, math.nan, math.nan
    one, two = (float(variances[:k].sum() / total) for k in (1, 2))
    return one, two, float(total**2 / (variances**2).sum())


def isotropic(rows: int, width: int) -> tuple[float, float, float]:
    """The same of white noise of this size: the edge of Marchenko and Pastur's law, and its participation ratio."""
    ratio = width / rows
    top = min((1 + math.sqrt(ratio)) ** 2 / width, 1.0)
    return top, min(2 * top, 1.0), width / (1 + ratio)


def unlinked(states: States, rng: np.random.Generator) -> States:
    """Every channel shuffled by itself: the same variances, no covariance (Horn's parallel analysis, 1965)."""
    rows = states.reshape(-1, states.shape[-1])
    return rng.permuted(rows, axis=0).reshape(states.shape)


@formula(
    Entry(
        "values/entropy_rho",
        "no unit",
        "|Spearman's rho| of the first principal coordinate and H, over all asked positions",
        "arXiv 2512.23752",
    )
)
def pooled_rho(coordinate: Bits, entropy: Bits) -> float:
    """|rho| over all positions together: what a position alone tells counts as well."""
    return abs(_rho(coordinate.reshape(-1, 1), entropy.reshape(-1, 1)))


@formula(
    Entry(
        "values/entropy_rho_within",
        "no unit",
        "the same within each position: |mean over positions of rho|; positions whose H is constant left out",
    )
)
def within_rho(coordinate: Bits, entropy: Bits) -> float:
    """|rho| between episodes at the same position: nothing that the position alone tells."""
    return abs(_rho(coordinate, entropy))


def shuffled(values: Float[np.ndarray, "n ..."], rng: np.random.Generator) -> np.ndarray:
    """Those of other episodes, at the same positions: a matched control for whatever is said of an episode."""
    return values[rng.permutation(len(values))]


def _rho(x: Bits, y: Bits) -> float:
    """Mean over columns of Spearman's rho; 0 where no column varies in y, for nothing can be ordered."""
    from scipy.stats import rankdata  # heavy, and needed here alone

    keep = (np.ptp(y, axis=0) > 1e-9) & (np.ptp(x, axis=0) > 1e-9)
    if not keep.any():
        return 0.0
    a, b = (rankdata(each[:, keep], axis=0) for each in (x, y))
    a, b = a - a.mean(0), b - b.mean(0)
    return float(((a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0))).mean())
