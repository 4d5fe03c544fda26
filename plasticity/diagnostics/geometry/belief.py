"""Belief read-outs: how much of the exact posterior predictive is linear in what a network holds."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from plasticity.diagnostics.geometry.values import States
from plasticity.metrics.formula import Entry, formula

Targets = Float[np.ndarray, "n asked outputs"]
LEAST = 2.0**-10
"""Probabilities below this count as this where their logarithm is taken."""
PENALTIES = tuple(10.0**k for k in range(-6, 3))
"""Of ridge regression, in units of the mean variance of a channel; the best on held-out episodes is taken."""


class Readout(NamedTuple):
    """A linear map with an offset, from states to what is read out of them."""

    mean: Float[np.ndarray, " width"]
    weights: Float[np.ndarray, "width outputs"]
    offset: Float[np.ndarray, " outputs"]

    def __call__(self, states: States) -> Targets:
        """What is read out."""
        return (states - self.mean) @ self.weights + self.offset


def log_predictive(posterior: Targets) -> Targets:
    """log2 P, with P at LEAST where it is below."""
    return np.log2(np.maximum(posterior, LEAST))


def ridge(states: States, targets: Targets) -> Readout:
    """Ridge regression on two thirds of the episodes, with the penalty that serves the last third best.

    Hoerl & Kennard 1970; by the eigenvectors of the covariance, so that all penalties cost one decomposition.
    """
    last = -(-2 * len(states) // 3)
    x, y = (each[:last].reshape(-1, each.shape[-1]) for each in (states, targets))
    mean, offset = x.mean(0), y.mean(0)
    x, y = x - mean, y - offset
    variances, axes = np.linalg.eigh(x.T @ x / len(x))
    image = axes.T @ (x.T @ y) / len(x)
    unit = max(float(variances.mean()), 1e-30)
    found = [
        Readout(mean, axes @ (image / (variances.clip(0) + p * unit)[:, None]), offset)
        for p in PENALTIES
    ]
    return max(found, key=lambda each: explained(each(states[last:]), targets[last:]))


def explained(said: Targets, targets: Targets) -> float:
    """R2 = 1 - sum of squared errors / sum of squares about the mean, all outputs together; 0 where nothing varies."""
    rows = targets.reshape(-1, targets.shape[-1])
    total = ((rows - rows.mean(0)) ** 2).sum()
    return float(1 - ((said - targets) ** 2).sum() / total) if total > 1e-12 else 0.0


def halves(n: int) -> tuple[slice, slice]:
    """Episodes from which a read-out is learned, and those on which it is graded."""
    return slice(0, -(-3 * n // 4)), slice(-(-3 * n // 4), n)


@formula(
    Entry(
        "belief/r2_entropy",
        "share",
        "held-out R2 of a ridge read-out of H; beside it what (position, current symbol) explain: often all of it",
    )
)
def readable(states: States, targets: Targets) -> float:
    """Held-out R2 of the best ridge read-out: three quarters of the episodes to learn from, one to be graded on."""
    learned, graded = halves(len(states))
    return explained(ridge(states[learned], targets[learned])(states[graded]), targets[graded])


@formula(
    Entry(
        "belief/r2",
        "share",
        "held-out R2 of a ridge read-out of log2 P, less that of (position, current symbol); above 0: evidence is held",
        "arXiv 2512.22471",
    )
)
def belief_r2(states: States, targets: Targets, cell: Int[np.ndarray, "n asked"]) -> float:
    """What a read-out explains beyond the position and the current symbol."""
    return readable(states, targets) - cell_r2(targets, cell)


def cell_means(targets: Targets, cell: Int[np.ndarray, "n asked"]) -> Targets:
    """For every position of every episode the mean target of its cell, over the episodes to learn from.

    Args:
        targets: what is explained.
        cell: numbers of (position, current symbol), say, from 0.
    """
    learned, _ = halves(len(targets))
    rows, cells = targets[learned].reshape(-1, targets.shape[-1]), cell[learned].reshape(-1)
    sums = np.zeros((int(cell.max()) + 1, targets.shape[-1]))
    np.add.at(sums, cells, rows)
    count = np.bincount(cells, minlength=len(sums))[:, None]
    means = np.where(count, sums / np.maximum(count, 1), rows.mean(0))
    return means[cell]


def cell_r2(targets: Targets, cell: Int[np.ndarray, "n asked"]) -> float:
    """Held-out R2 of the cell means: the trivial read-out. 0 at least, for the mean of all is a read-out too.

    Means over cells that hold few episodes are noise, and what they explain is less than nothing.
    """
    _, graded = halves(len(targets))
    return max(explained(cell_means(targets, cell)[graded], targets[graded]), 0.0)
