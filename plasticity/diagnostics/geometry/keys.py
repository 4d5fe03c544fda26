"""Keys: are the addresses of symbols orthogonal?"""

import math

import numpy as np
from jaxtyping import Float

from plasticity.metrics.formula import Entry, formula

Vectors = Float[np.ndarray, "vectors channels"]
DRAWS = 200
"""Sets of random vectors over which a control is averaged."""


@formula(
    Entry(
        "keys/cosine",
        "no unit",
        "mean over pairs of symbols of |cos(k_i, k_j)|, k_s = W_K^h norm(e_s), e_s the mean stream at symbol s",
        "arXiv 2512.22471",
    )
)
def mean_cosine(vectors: Vectors) -> float:
    """Mean |cosine| over pairs of vectors: 0 where all are orthogonal, 1 where all lie on one line.

    >>> float(mean_cosine(np.eye(3)))
    0.0
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = np.abs((vectors / np.maximum(norms, 1e-12)) @ (vectors / np.maximum(norms, 1e-12)).T)
    return float(cosines[np.triu_indices(len(vectors), 1)].mean())


def chance_cosine(channels: int) -> float:
    """E |cos| of independent isotropic vectors, sqrt(2 / (pi channels)) for many channels.

    >>> round(chance_cosine(16), 4)
    0.1995
    """
    return math.sqrt(2 / (math.pi * channels))


def matched_cosine(vectors: Vectors, rng: np.random.Generator) -> float:
    """Mean |cosine| of random vectors with the second moments of these: what their spread alone gives.

    Sums of these vectors with independent Gaussian weights, so that E v v^T is the mean of k_s k_s^T.
    """
    n = len(vectors)
    draws = rng.standard_normal((DRAWS, n, n)) @ vectors / math.sqrt(n)
    return float(np.mean([mean_cosine(each) for each in draws]))
