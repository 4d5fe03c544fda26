"""Associative recall with delays, noise and unstored keys."""

from dataclasses import dataclass, replace
from functools import partial
from math import inf, log1p

import numpy as np
from jaxtyping import Bool, Float, Int

from plasticity import (
    Count,
    FormattedObserver,
    Fraction,
    InputEvidence,
    KnownObserver,
    Latents,
    Natural,
    Probabilities,
    Symbols,
    Tunnel,
    log,
    normalise,
)
from streams.tunnels.urn import without_replacement

STORE, SEP, FILLER, QUERY, KEY = range(5)
"""Ids: key k is KEY + k, value v is KEY + keys + v."""


class Recall(Tunnel):
    """Memory load: pairs of a hidden map are shown, and after a delay some keys are asked.

    An episode is STORE key SEP value for L different keys, fillers, and QUERY key for M different
    keys, asked at those; its answer is never shown. f(k) is iid uniform over V values, so that keys
    are the parts of the map. The value shown is f(k), or with probability `noise` a uniform one. With
    n_kv the times that v was shown for k, in all that was seen,

    p(f(k) = v) ~ ((1 - noise + noise/V) / (noise/V))^n_kv,

    a point mass on an answer that was learned earlier, or on what is shown without noise. A key
    asked is one of those stored or, with probability `unstored`, one of the others: log2 V bits for
    the amnesic observer, 0 for one who has met it. At noise = unstored = 0 the amnesic knows all
    that the informed knows. (Associative recall in the repository of Agarwal, Misra et al.,
    Bayesian wind tunnels, arXiv 2512.22471: 256 keys and values, 64 pairs, 3 queries, 32 fillers.
    There values are distinct; here they are independent, so that noise keeps a closed form.)

    Tunnels of unequal `pairs` whose 4 * pairs + filler agree share alphabets and asked positions:
    one stream may mix their loads.

    Args:
        keys: number of keys.
        values: V, number of values; the target alphabet.
        pairs: L, stored per episode.
        queries: M, asked per episode; it has time = 4 * pairs + filler + 2 * queries symbols.
        filler: symbols between the last pair and the first query.
        noise: probability that the value shown is a uniform one.
        unstored: probability that a query asks for a key that was not stored.

    Raises:
        ValueError: too few keys for the pairs, or for the queries.

    Three values, noise 1/2: 2 is shown for key 1, 0 for key 0, and both are asked. Once the answers
    are absorbed, 2 and 0 again, both keys are known:

    >>> tunnel = Recall(keys=2, values=3, pairs=2, queries=2, noise=0.5)
    >>> inputs = np.array([[0, 5, 1, 8, 0, 4, 1, 6, 3, 5, 3, 4]])
    >>> targets = np.array([[0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0]])
    >>> tunnel.observer().predict(inputs, targets)[0, [9, 11]].round(3)
    array([[0.167, 0.167, 0.667],
           [0.667, 0.167, 0.167]])
    >>> tunnel.observer().absorb(inputs, targets).predict(inputs, targets)[0, [9, 11]].round(3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """

    def __init__(
        self,
        keys: Count = 64,
        values: Count = 64,
        pairs: Count = 16,
        queries: Count = 1,
        filler: Natural = 0,
        noise: Fraction = 0.0,
        unstored: Fraction = 0.0,
    ):
        if pairs > keys:
            raise ValueError(f"pairs: {pairs} different keys out of only {keys}")
        if queries > pairs:
            raise ValueError(f"queries: {queries} different keys out of only {pairs} stored")
        if unstored > 0 and queries > keys - pairs:
            raise ValueError(
                f"queries: {queries} different keys out of only {keys - pairs} not stored"
            )
        self.keys, self.values, self.pairs, self.queries = keys, values, pairs, queries
        self.filler, self.noise, self.unstored = filler, noise, unstored
        self.vocab, self.symbols, self.parts = KEY + keys + values, values, keys

    def latents(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n keys"]:
        """Maps: value of each key."""
        return rng.integers(self.values, size=(n, self.keys))

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """Keys without regard to their values; targets that are not asked are 0.

        Raises:
            ValueError: `time` is not 4 * pairs + filler + 2 * queries.
        """
        if time != (right := 4 * self.pairs + self.filler + 2 * self.queries):
            raise ValueError(
                f"time: {self!r} makes sequences of {right} symbols "
                f"(4 * pairs + filler + 2 * queries), not {time}"
            )
        n, pick = len(latents), np.arange(self.queries)
        keys = rng.random((n, self.keys)).argsort(axis=1)
        stored = rng.random((n, self.pairs)).argsort(axis=1)[:, : self.queries]
        other = rng.random((n, self.queries)) < self.unstored
        asked = np.take_along_axis(keys, np.where(other, self.pairs + pick, stored), axis=1)
        keys = keys[:, : self.pairs]
        shown = np.take_along_axis(latents, keys, axis=1)
        uniform = rng.integers(self.values, size=shown.shape)
        shown = np.where(rng.random(shown.shape) < self.noise, uniform, shown)
        inputs, targets = np.full((n, time), FILLER), np.zeros((n, time), dtype=np.int64)
        head, tail = inputs[:, : 4 * self.pairs], inputs[:, time - 2 * self.queries :]
        head[:, ::4], head[:, 1::4], head[:, 2::4] = STORE, KEY + keys, SEP
        head[:, 3::4] = KEY + self.keys + shown
        tail[:, ::2], tail[:, 1::2] = QUERY, KEY + asked
        targets[:, self.asked(time)] = np.take_along_axis(latents, asked, axis=1)
        return inputs, targets

    def asked(self, time: int) -> Bool[np.ndarray, " time"]:
        """The keys that follow a QUERY: every other position of the last 2 * queries."""
        left = time - np.arange(time)
        return (left % 2 == 1) & (left < 2 * self.queries)

    def sufficient(self, inputs: Symbols) -> Bool[np.ndarray, "batch time time"]:
        """The key that is asked, where it was stored; its value is two symbols on."""
        same = np.tril(inputs[:, :, None] == inputs[:, None, :], -1)
        return same & self.asked(inputs.shape[1])[:, None]

    def observer(self) -> "EvidenceObserver":
        """Has seen nothing of any key."""
        score = np.zeros((self.keys, self.values))
        return EvidenceObserver(score, self.noise, self.pairs, self.queries, format=self._format)

    def informed(self, latents: Latents) -> KnownObserver:
        """Knows the value of every key."""
        return KnownObserver(partial(self._answers, latents), format=partial(self._shown, latents))

    def _answers(self, maps: Int[np.ndarray, "n keys"], inputs: Symbols) -> Probabilities:
        predictive = np.full((*inputs.shape, self.values), 1 / self.values)
        asked = self.asked(inputs.shape[1])
        answers = maps[np.arange(len(maps))[:, None], inputs[:, asked] - KEY]
        predictive[:, asked] = np.eye(self.values)[answers]
        return predictive

    def _format(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """All but the values shown, of which it says only that they are values."""
        time, head, size = inputs.shape[1], 4 * self.pairs, self.keys
        fixed, first = np.full(time, FILLER), time - 2 * self.queries
        fixed[:head:4], fixed[2:head:4], fixed[first::2] = STORE, SEP, QUERY
        surprise, place = log(inputs == fixed), np.arange(self.queries)
        keys, asked = inputs[:, 1:head:4] - KEY, inputs[:, first + 1 :: 2] - KEY
        stored = (asked[:, :, None] == keys[:, None]).any(2)
        so_far = stored.cumsum(1) - stored
        others = size - self.pairs - (place - so_far)
        new = np.isfinite(without_replacement(asked, size))
        share = np.where(stored, 1 - self.unstored, self.unstored)
        among = np.where(stored, self.pairs - so_far, np.maximum(others, 1))
        surprise[:, 1:head:4] = without_replacement(keys, size)
        surprise[:, 3:head:4] = log(inputs[:, 3:head:4] >= KEY + size)
        surprise[:, first + 1 :: 2] = log(new * share / among)
        return InputEvidence(surprise, self.asked(time))

    def _shown(
        self, maps: Int[np.ndarray, "n keys"], inputs: Symbols, targets: Symbols
    ) -> InputEvidence:
        surprise, told = self._format(inputs, targets)
        keys, values = _stored(inputs, self.pairs, self.keys)
        right = maps[np.arange(len(maps))[:, None], keys.clip(0, self.keys - 1)] == values
        surprise[:, 3 : 4 * self.pairs : 4] += log(_noisy(right, self.noise, self.values))
        return InputEvidence(surprise, told)


Reading = tuple[
    Int[np.ndarray, "batch pairs"], Int[np.ndarray, "batch pairs"], Int[np.ndarray, "batch queries"]
]
"""Keys and the values shown for them; keys asked."""


@dataclass(frozen=True, eq=False)
class EvidenceObserver(FormattedObserver):
    """Weighs what was shown for each key: exact, as values are independent and uniform a priori.

    Args:
        score: log posterior of the value of each key, in nats, up to a constant per key; inf where
            it is certain.
        noise: probability that the value shown is a uniform one.
        pairs: stored per episode.
        queries: asked per episode.
        format: how episodes are written, but for the values shown.
    """

    score: Float[np.ndarray, "keys values"]
    noise: float
    pairs: int
    queries: int

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """Softmax of the scores of the keys asked, uniform elsewhere."""
        keys, shown, asked = self._read(inputs)
        score = self.score[asked]
        row, query, pair = (asked[:, :, None] == keys[:, None]).nonzero()
        np.add.at(score, (row, query, shown[row, pair]), self.odds)
        predictive = np.full((*inputs.shape, score.shape[-1]), 1 / score.shape[-1])
        predictive[:, -2 * self.queries + 1 :: 2] = _softmax(score)
        return predictive

    def input_evidence(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """The values shown, by the posterior and the noise, and the format."""
        surprise, told = super().input_evidence(inputs, targets)
        most, size = np.subtract(self.score.shape, 1), self.score.shape[1]
        keys, values = _stored(inputs, self.pairs, len(self.score))
        believed = _softmax(self.score[keys.clip(0, most[0])])
        believed = np.take_along_axis(believed, values.clip(0, most[1])[..., None], -1)[..., 0]
        surprise[:, 3 : 4 * self.pairs : 4] += log(_noisy(believed, self.noise, size))
        return InputEvidence(surprise, told)

    def absorb(self, inputs: Symbols, targets: Symbols) -> "EvidenceObserver":
        """Adds what was shown, and the answers, which are certain."""
        keys, shown, asked = self._read(inputs)
        score = self.score.copy()
        np.add.at(score, (keys, shown), self.odds)
        score[asked, targets[:, -2 * self.queries + 1 :: 2]] = inf
        return replace(self, score=score)

    def renew(self, part: int) -> "EvidenceObserver":
        """Forgets what was seen of key `part`."""
        score = self.score.copy()
        score[part] = 0.0
        return replace(self, score=score)

    @property
    def odds(self) -> float:
        """What showing a value adds to its score, in nats; inf if there is no noise."""
        return log1p((1 - self.noise) * self.score.shape[1] / self.noise) if self.noise else inf

    def _read(self, inputs: Symbols) -> Reading:
        asked = inputs[:, -2 * self.queries + 1 :: 2]
        return *_stored(inputs, self.pairs, len(self.score)), asked - KEY


def _stored(
    inputs: Symbols, pairs: int, keys: int
) -> tuple[Int[np.ndarray, "batch pairs"], Int[np.ndarray, "batch pairs"]]:
    """Keys, and the values shown for them."""
    head = inputs[:, : 4 * pairs]
    return head[:, 1::4] - KEY, head[:, 3::4] - KEY - keys


def _noisy(
    p: Float[np.ndarray, "batch pairs"] | Bool[np.ndarray, "batch pairs"], noise: float, values: int
) -> Float[np.ndarray, "batch pairs"]:
    """Probability that a value is shown, from that of its being right."""
    return noise / values + (1 - noise) * p


def _softmax(
    score: Float[np.ndarray, "batch keys values"],
) -> Float[np.ndarray, "batch keys values"]:
    """Of scores some of which may be inf."""
    peak = score.max(-1, keepdims=True)
    return normalise(np.exp(np.subtract(score, peak, out=np.zeros_like(score), where=score < peak)))
