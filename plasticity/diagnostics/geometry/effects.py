"""Effects: what interventions cost in bits, and random directions that are matched in what they remove."""

import numpy as np
from jaxtyping import Float

from plasticity.diagnostics.geometry.belief import Readout
from plasticity.metrics.formula import Entry, formula

Probabilities = Float[np.ndarray, "*any symbols"]
Directions = Float[np.ndarray, "directions width"]
"""Orthonormal rows."""
BISECTIONS, FARTHEST = 40, 1e6
"""Halvings of the interval in which a tilt is sought, and the largest tilt."""


def bits(reference: Probabilities, said: Probabilities) -> Float[np.ndarray, "*any"]:
    """KL(reference || said), in bits; 0 ln 0 = 0.

    >>> bits(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])).round(3)
    array([0.208])
    """
    ratio = np.log2(np.maximum(reference, 1e-300)) - np.log2(np.maximum(said, 1e-300))
    return np.where(reference > 0, reference * ratio, 0.0).sum(-1)


@formula(
    Entry(
        "head/delta",
        "bits",
        "KL(amnesic, network whose head says its mean over episodes, position by position) - KL(amnesic, network)",
        "arXiv 2512.22471",
    ),
    Entry("layer/delta", "bits", "the same of a whole layer (what it adds to the stream)"),
    Entry(
        "cut",
        "bits",
        "the same with z - ((z - m) u) u in place of the residual stream z of mean m, u one of the directions",
        "arXiv 2512.23752",
    ),
)
def lost(exact: Probabilities, whole: Probabilities, changed: Probabilities) -> float:
    """How many bits from the exact predictive a change of a network takes it: what a head, layer, direction is worth.

    Args:
        exact: the amnesic predictive P.
        whole: what the network says, on the same episodes.
        changed: what it says with the change.
    """
    return float((bits(exact, changed) - bits(exact, whole)).mean())


@formula(
    Entry(
        "swap",
        "bits",
        "KL(P of the episode, q) - KL(P of the donor, q), q said with the donor's residual stream at one position",
    )
)
def swap_margin(own: Probabilities, donor: Probabilities, said: Probabilities) -> float:
    """Whose belief a network says after a swap: below 0 its own, above 0 the donor's; 0: no more one than the other.

    Args:
        own: the exact predictive of the episode.
        donor: that of the donor: the right answer, if all of the belief was in what was swapped.
        said: what the network says.
    """
    return float((bits(own, said) - bits(donor, said)).mean())


@formula(Entry("cut/variance", "share", "tr(U S U^T) / tr S: the variance that the cut removes"))
def removed(directions: Directions, covariance: Float[np.ndarray, "width width"]) -> float:
    """The share of the variance that goes with these directions."""
    total = max(float(np.trace(covariance)), 1e-30)
    return float(np.trace(directions @ covariance @ directions.T)) / total


def leading(readout: Readout, covariance: Float[np.ndarray, "width width"]) -> Directions:
    """The direction along which a read-out reads the most: of one output its weights, of several their first mode."""
    w = readout.weights
    _, modes = np.linalg.eigh(w.T @ covariance @ w)
    u = w @ modes[:, -1]
    return (u / max(np.linalg.norm(u), 1e-30))[None]


def matched(
    covariance: Float[np.ndarray, "width width"], variance: float, rng: np.random.Generator
) -> Directions:
    """Random orthonormal directions that remove this much variance: as many as random ones need for it.

    They span Gaussian vectors with exp(c l / 2) g along each principal axis of variance l: isotropic at
    c = 0, towards the leading axes above it, and away from them below. c is found by bisection.

    Args:
        covariance: of the residual stream.
        variance: to be removed, from the least variance of a direction up to the whole.
        rng: of the draws.
    """
    values, axes = np.linalg.eigh(covariance)
    count = min(max(1, round(variance / max(values.mean(), 1e-30))), len(values))
    drawn = rng.standard_normal((len(values), count))
    scaled = values / max(float(np.ptp(values)), 1e-30)

    def directions(c: float) -> Directions:
        size = np.exp(c * (scaled - scaled[-1 if c > 0 else 0]) / 2)
        return (axes @ np.linalg.qr(size[:, None] * drawn)[0]).T

    def off(c: float) -> float:
        u = directions(c)
        return float(np.trace(u @ covariance @ u.T)) - variance

    side = -1.0 if off(0.0) > 0 else 1.0
    near, far = 0.0, side
    while side * off(far) < 0 and abs(far) < FARTHEST:
        near, far = far, 2 * far
    for _ in range(BISECTIONS):
        middle = (near + far) / 2
        near, far = (middle, far) if side * off(middle) < 0 else (near, middle)
    return directions(far)
