"""Binding: pairs of a hidden map with independent values."""

import numpy as np
from jaxtyping import Int

from plasticity import Count
from streams.tunnels.bijection import Pairs


class Binding(Pairs):
    """Recall without elimination: keys come back, and a new key says nothing of the others.

    f(k) is iid uniform over V values, keys are uniform with replacement. p(value | k_t) = 1 at a
    key that was met, else uniform over V: 0 or log2 V bits, and pair t = 0, 1, ... is new with
    probability (1 - 1/V)^t. Keys are the parts of the map. (Misra's binding variant, in the
    repository of arXiv 2512.22471.)

    Args:
        size: V, the number of keys and of values.
        pairs: L, keys per episode; an episode has time = 2 * pairs - 1.

    A new key, another, and the first again; rows are the keys:

    >>> inputs, targets = np.array([[1, 6, 3, 4, 1]]), np.array([[2, 3, 0, 1, 2]])
    >>> Binding(size=4, pairs=3).observer().predict(inputs, targets)[0, ::2]
    array([[0.25, 0.25, 0.25, 0.25],
           [0.25, 0.25, 0.25, 0.25],
           [0.  , 0.  , 1.  , 0.  ]])
    """

    def __init__(self, size: Count = 20, pairs: Count = 19):
        super().__init__(size, pairs, replacement=True, exclusive=False)

    def latents(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n size"]:
        """Maps: value of each key."""
        return rng.integers(self.size, size=(n, self.size))
