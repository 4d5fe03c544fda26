"""Bijection: pairs of a hidden permutation."""

from functools import partial

import numpy as np
from jaxtyping import Bool, Int

from plasticity import (
    Count,
    InputEvidence,
    KnownObserver,
    Latents,
    Probabilities,
    RecallObserver,
    Symbols,
    Tunnel,
    log,
)
from streams.tunnels.urn import without_replacement


class Pairs(Tunnel):
    """A hidden map f from keys to values, shown pair by pair: k_1, f(k_1), k_2, ..., k_L.

    Keys are the inputs 0..V-1, values the inputs V..2V-1; at a key the target is its value, in
    0..V-1. Other positions are not asked: their target is the next key. A subclass draws f.

    Args:
        size: V, the number of keys and of values.
        pairs: L, keys per episode; an episode has time = 2 * pairs - 1.
        replacement: whether keys are drawn with replacement.
        exclusive: whether no two keys share a value.

    Raises:
        ValueError: more pairs than keys, without replacement.
    """

    def __init__(self, size: Count, pairs: Count, replacement: bool, exclusive: bool):
        if pairs > size and not replacement:
            raise ValueError(f"pairs: {pairs} keys without replacement out of only {size}")
        self.size, self.pairs, self.replacement = size, pairs, replacement
        self.exclusive = exclusive
        self.vocab, self.symbols = 2 * size, size
        self.parts = 1 if exclusive else size

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """Keys uniform, with or without replacement, and their values.

        Raises:
            ValueError: `time` is not 2 * pairs - 1.
        """
        if time != 2 * self.pairs - 1:
            raise ValueError(
                f"time: {type(self).__name__} with {self.pairs} pairs makes sequences of "
                f"{2 * self.pairs - 1} symbols (2 * pairs - 1), not {time}"
            )
        n = len(latents)
        if self.replacement:
            keys = rng.integers(self.size, size=(n, self.pairs))
        else:
            keys = rng.random((n, self.size)).argsort(axis=1)[:, : self.pairs]
        values = np.take_along_axis(latents, keys, axis=1)
        shown = np.stack([keys, values + self.size], axis=2).reshape(n, -1)
        answers = np.stack([values, np.roll(keys, -1, axis=1)], axis=2).reshape(n, -1)
        return shown[:, :-1], answers[:, :-1]

    def asked(self, time: int) -> Bool[np.ndarray, " time"]:
        """The keys: every even position."""
        return np.arange(time) % 2 == 0

    def sufficient(self, inputs: Symbols) -> Bool[np.ndarray, "batch time time"]:
        """The same key earlier; where values exclude each other, every earlier key too."""
        keys = self.asked(inputs.shape[1])
        same = (inputs[:, :, None] == inputs[:, None, :]) | self.exclusive
        return np.tril(same & keys[:, None] & keys, -1)

    def observer(self) -> RecallObserver:
        """Has met no key."""
        return RecallObserver(np.full(self.size, -1), self.exclusive, format=self._format)

    def informed(self, latents: Latents) -> KnownObserver:
        """Knows the value of every key."""
        return KnownObserver(partial(_values, latents), format=self._format)

    def _format(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """Keys are drawn, and are the targets before, as values are."""
        keys, surprise = inputs[:, ::2], np.empty(inputs.shape)
        if self.replacement:
            surprise[:, ::2] = log((keys < self.size) / self.size)
        else:
            surprise[:, ::2] = without_replacement(keys, self.size)
        surprise[:, 1::2] = log(inputs[:, 1::2] == targets[:, :-1:2] + self.size)
        surprise[:, 2::2] += log(inputs[:, 2::2] == targets[:, 1::2])
        return InputEvidence(surprise, self.asked(inputs.shape[1]))


class Bijection(Pairs):
    """Inference by elimination: the map is a permutation, uniform among all V!.

    p(value | k_t) = 1 at a key that was met, else uniform over the V - s values not yet used by the
    s distinct keys met: log2(V - s) bits. Without replacement that is a function of position alone,
    log2(V - t) at pair t = 0, 1, ... (Agarwal, Misra et al., Bayesian wind tunnels,
    arXiv 2512.22471: V = 20, L = 19, without replacement.)

    Args:
        size: V, the number of keys and of values.
        pairs: L, keys per episode; an episode has time = 2 * pairs - 1.
        replacement: whether keys are drawn with replacement.

    Raises:
        ValueError: more pairs than keys, without replacement.

    Two new keys, then the first again; rows are the keys, and the values learned are 2 and 0:

    >>> inputs, targets = np.array([[1, 6, 3, 4, 1]]), np.array([[2, 3, 0, 1, 2]])
    >>> tunnel = Bijection(size=4, pairs=3, replacement=True)
    >>> tunnel.observer().predict(inputs, targets)[0, ::2].round(3)
    array([[0.25 , 0.25 , 0.25 , 0.25 ],
           [0.333, 0.333, 0.   , 0.333],
           [0.   , 0.   , 1.   , 0.   ]])
    """

    def __init__(self, size: Count = 20, pairs: Count = 19, replacement: bool = False):
        super().__init__(size, pairs, replacement, exclusive=True)

    def latents(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n size"]:
        """Permutations: value of each key."""
        return rng.random((n, self.size)).argsort(axis=1)


def _values(maps: Int[np.ndarray, "n size"], inputs: Symbols) -> Probabilities:
    size = maps.shape[1]
    predictive = np.full((*inputs.shape, size), 1 / size)
    predictive[:, ::2] = np.eye(size)[maps[np.arange(len(maps))[:, None], inputs[:, ::2]]]
    return predictive
