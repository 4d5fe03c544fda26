"""Routing: where heads look, how sharply, and when that has settled."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from plasticity.diagnostics.geometry.values import principal
from plasticity.metrics.formula import Entry, formula

Weights = Float[np.ndarray, "#n time time"]
"""Attention of one head: row t of an episode is what position t reads, and sums to 1."""
Mask = Bool[np.ndarray, "#n time time"]
Curve = Sequence[float]
"""A number at each checkpoint along pretraining, the last one at its end."""
ROUTED, PRECISE = 0.1, 1.1
"""TV below which routing is settled; share of the final KL below which precision is."""


@formula(
    Entry(
        "alignment",
        "share",
        "attention mass on the positions that hold the evidence, less their share of positions; over rows with any",
        "arXiv 2512.22471",
    )
)
def alignment(weights: Weights, sufficient: Mask) -> float:
    """How much more a head reads the evidence than uniform attention would.

    Args:
        weights: of one head.
        sufficient: [:, t, s]: whether s holds evidence for t (`Tunnel.sufficient`).
    """
    rows = sufficient.any(-1)
    if not rows.any():
        return float("nan")
    share = sufficient.sum(-1) / np.arange(1, sufficient.shape[1] + 1)
    return float(((weights * sufficient).sum(-1) - share)[rows].mean())


@formula(
    Entry(
        "alignment/next",
        "share",
        "the same of the positions right after them, which an induction head reads",
        "arXiv 2209.11895",
    )
)
def alignment_next(weights: Weights, sufficient: Mask) -> float:
    """Alignment with what came after the evidence: where the answer is to be copied from (Olsson et al. 2022)."""
    return alignment(weights, after(sufficient))


def after(sufficient: Mask) -> Mask:
    """The positions right after the evidence, as far as they are not to come."""
    moved = np.zeros_like(sufficient)
    moved[:, :, 1:] = sufficient[:, :, :-1]
    return np.tril(moved)


def best_fixed(sufficient: Mask) -> float:
    """The alignment of the best head that always reads one distance back, whatever the symbols."""
    time, each = sufficient.shape[1], list[Float[np.ndarray, "time time"]]()
    for distance in range(time):
        each.append(np.eye(time, k=-distance))
        near = np.arange(distance)  # from where that is too far, itself
        each[-1][near, near] = 1
    return float(np.nanmax([alignment(fixed[None], sufficient) for fixed in each]))


@formula(
    Entry(
        "focus",
        "share",
        "entropy of each row of attention / log2 of how many positions it may read, then the mean; 1 is uniform",
        "arXiv 2512.23752",
    )
)
def focus(weights: Weights) -> float:
    """Entropy over its largest value, row by row, from the second position on; averaged afterwards.

    The entropy of an average is more than the average entropy: what is averaged first looks unfocused.
    """
    entropy = -(weights * np.log2(np.maximum(weights, 1e-30))).sum(-1)
    most = np.log2(np.arange(1, weights.shape[1] + 1))
    return float((entropy[:, 1:] / most[1:]).mean())


def profile(weights: Weights) -> Weights:
    """The mean attention over episodes, by position: what is left when no symbol is looked at."""
    return weights.mean(0, keepdims=True)


def gaussian_focus(weights: Weights, rng: np.random.Generator) -> float:
    """Focus of attention whose scores are Gaussian noise with the variance that these have at each position."""
    causal = np.tri(weights.shape[1], dtype=bool)
    count = causal.sum(1)
    scores = np.where(causal, np.log(np.maximum(weights, 1e-30)), 0)
    mean = scores.sum(-1, keepdims=True) / count[:, None]
    squares = ((scores - mean) ** 2 * causal).sum(-1).mean(0) / np.maximum(count - 1, 1)
    spread = np.sqrt(squares)[:, None]
    noise = np.where(causal, rng.standard_normal(weights.shape) * spread, -np.inf)
    noise = np.exp(noise - noise.max(-1, keepdims=True))
    return focus(noise / noise.sum(-1, keepdims=True))


@formula(
    Entry(
        "routing/tv",
        "no unit",
        "mean total variation between rows of attention now and those of the reference network, all heads",
    )
)
def routing_tv(
    weights: Float[np.ndarray, "n heads time time"],
    reference: Float[np.ndarray, "n heads time time"],
) -> float:
    """How far routing has moved; the first position, which reads itself, is left out."""
    return float(np.abs(weights - reference)[:, :, 1:].sum(-1).mean() / 2)


@formula(
    Entry(
        "values/moved",
        "share",
        "1 - |U^T V|_F^2 / r, U and V the r leading principal axes of the values now and of the reference network's",
    )
)
def subspace_moved(
    values: Float[np.ndarray, "n asked width"],
    reference: Float[np.ndarray, "n asked width"],
    rank: int,
) -> float:
    """How far the subspace of the values has moved: 0 the same, 1 orthogonal, 1 - r / width by chance."""
    one, other = (principal(each).axes[:rank] for each in (values, reference))
    return float(1 - ((one @ other.T) ** 2).sum() / rank)


class Settled(NamedTuple):
    """When, in steps of pretraining; and whether precision goes on after routing."""

    routing: float
    precision: float
    ratio: float


@formula(
    Entry(
        "routing/settled",
        "steps",
        "first checkpoint from which mean TV(attention now, at the end) < .1",
    ),
    Entry("precision/settled", "steps", "first checkpoint from which KL < 1.1 x that at the end"),
    Entry(
        "precision/routing",
        "no unit",
        "precision/settled / routing/settled: above 1, precision goes on in a standing frame; none where that is 0",
        "arXiv 2512.22473",
    ),
)
def settled(steps: Sequence[int], tv: Curve, kl: Curve) -> Settled:
    """The frame-precision dissociation. Where routing was settled at step 0, it had nowhere to go: no ratio, NaN.

    Args:
        steps: of the checkpoints, rising.
        tv: routing against the last checkpoint's.
        kl: KL(amnesic || network), in bits.
    """
    at = np.asarray(steps, float)
    held = [np.asarray(tv) < ROUTED, np.asarray(kl) < PRECISE * kl[-1]]
    held[1][-1] = True
    first = [at[len(h) - int(np.argmin(np.append(h[::-1], False)))] for h in held]
    ratio = float(first[1] / first[0]) if first[0] else math.nan
    return Settled(float(first[0]), float(first[1]), ratio)
