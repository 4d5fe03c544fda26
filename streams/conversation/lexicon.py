"""Observers of an unknown lexicon: the posterior over what words mean and how they are ordered."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from plasticity import FormattedObserver, InputEvidence, Probabilities, Symbols, log, normalise
from streams.conversation.scorecard import SLOTS

S = len(SLOTS)
ORDERS = np.array(list(permutations(range(S))))
"""[o, s]: the place in a request at which order o speaks of slot s."""
AT = np.eye(S)[ORDERS]
"""[o, s, j]: whether it speaks of slot s at place j."""


class Heard(NamedTuple):
    """What the conversation so far makes of the words of each request."""

    fits: Float[np.ndarray, "batch pairs places slots"]
    """f_js."""
    law: Float[np.ndarray, "batch pairs places tokens"]
    """law_j; nothing if the word cannot come there."""
    new: Bool[np.ndarray, "batch pairs places"]
    """Whether the word is."""
    unheard: Int[np.ndarray, "batch pairs"]
    """Words that have not come in earlier requests."""


@dataclass(frozen=True, eq=False)
class LexiconObserver(FormattedObserver):
    """Notes which words and tokens came together: exact for a hidden order and a hidden lexicon.

    Args:
        together: [w, v]: whether word w and token v came in one pair of request and program.
        at: [w, j]: whether word w came at place j.
        sizes: tokens of each slot.
        format: how conversations are written, but for the words.
    """

    together: Bool[np.ndarray, "words tokens"]
    at: Bool[np.ndarray, "words places"]
    sizes: Sequence[int]

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """Orders weighed by all that was said before, each with the law of the word at its place."""
        heard, size = self._heard(inputs, targets), len(self.together)
        _, programs = read(inputs, targets, size)
        law = heard.law[:, :, :, None] * heard.fits[..., None] * self._in_slot
        free = law.sum(-1)
        came = np.take_along_axis(law, programs[:, :, None, :, None], -1)[..., 0]
        free, came = free[:, :, ORDERS, np.arange(S)], came[:, :, ORDERS, np.arange(S)]
        out = np.full((*programs.shape[:2], 2 * S, size), 1 / size)
        for s in range(S):
            weight = came[..., :s].prod(-1) * free[..., s + 1 :].prod(-1)
            places = weight @ AT[:, s]
            out[:, :, S + s] = normalise((places[..., None] * law[:, :, :, s]).sum(2))
        return out.reshape(len(inputs), -1, size)[:, 1:]

    def absorb(self, inputs: Symbols, targets: Symbols) -> "LexiconObserver":
        """Notes every pair."""
        pairs, places = _notes(*read(inputs, targets, len(self.together)), len(self.together))
        return replace(
            self,
            together=self.together | pairs.any((0, 1)),
            at=self.at | places.any((0, 1)),
        )

    def input_evidence(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """The words, by the orders that are left.

        Of slot s a known word comes with probability 1 / m_s, if it fits; some new one with that of a
        token that has never come, and it is any of the words unheard.
        """
        shown, heard = super().input_evidence(inputs, targets), self._heard(inputs, targets)
        free = (heard.law[:, :, :, None] * self._in_slot).sum(-1) * heard.fits
        left = heard.unheard[..., None] - heard.new.cumsum(-1) + heard.new
        rate = free / self.sizes / np.where(heard.new, np.maximum(left, 1), 1)[..., None]
        spoken = ORDERS.argsort(1)
        said, fits = (each[:, :, np.arange(S), spoken] for each in (rate, heard.fits))
        mass = np.stack(
            [(said[..., :j].prod(-1) * fits[..., j:].prod(-1)).sum(-1) for j in range(S + 1)], -1
        )
        before, after = mass[..., :-1], mass[..., 1:]
        ratio = np.divide(after, before, out=np.zeros_like(after), where=before > 0)
        return with_words(shown, log(ratio))

    @property
    def _in_slot(self) -> Float[np.ndarray, "slots tokens"]:
        """Whether a token is of a slot."""
        return np.repeat(np.eye(S), self.sizes, axis=1)

    def _heard(self, inputs: Symbols, targets: Symbols) -> Heard:
        size = len(self.together)
        words, programs = read(inputs, targets, size)
        together, at = (
            _before(notes, known)
            for notes, known in zip(
                _notes(words, programs, size), (self.together, self.at), strict=True
            )
        )
        pairs = together.astype(np.float32)
        by_place = at.astype(np.float32).swapaxes(2, 3)
        in_slot = self._in_slot.T.astype(np.float32)
        # One-to-one: no word with two tokens of the slot, no token with two words of the place.
        words_ok = by_place @ (pairs @ in_slot > 1) == 0
        tokens_ok = (by_place @ pairs > 1) @ in_slot == 0
        index = words[..., None]
        known = np.take_along_axis(at, index, 2)
        new = ~known.max(-1)
        again = (words[..., :, None] == words[..., None, :]) & np.tri(S, k=-1, dtype=bool)
        possible = (
            new | (known.sum(-1) == 1) & (known & np.eye(S, dtype=bool)).max(-1)
        ) & ~again.max(-1)
        law = np.where(
            new[..., None],
            ~together.any(2, keepdims=True),
            np.take_along_axis(together, index, 2),
        )
        unheard = size - at.any(-1).sum(-1)
        return Heard((words_ok & tokens_ok).astype(float), law * possible[..., None], new, unheard)


def told(time: int) -> Bool[np.ndarray, " time"]:
    """The positions whose target is a token of a program."""
    place = np.arange(time) % (2 * S)
    return (place >= S - 1) & (place < 2 * S - 1)


def read(
    inputs: Symbols, targets: Symbols, size: int
) -> tuple[Int[np.ndarray, "batch pairs places"], Int[np.ndarray, "batch pairs slots"]]:
    """Words, some word where an episode of another format has none, and programs."""
    words = np.pad(inputs - size, ((0, 0), (0, 1))).clip(0, size - 1)
    tokens = np.pad(targets, ((0, 0), (1, 0)))
    words, tokens = (each.reshape(len(inputs), -1, 2 * S) for each in (words, tokens))
    return words[..., :S], tokens[..., S:]


def _notes(
    words: Int[np.ndarray, "batch pairs places"],
    programs: Int[np.ndarray, "batch pairs slots"],
    size: int,
) -> tuple[
    Bool[np.ndarray, "batch pairs words tokens"], Bool[np.ndarray, "batch pairs words places"]
]:
    """Of each pair: which words came with which tokens, and at which places."""
    each = np.eye(size, dtype=bool)
    at, tokens = each[words].swapaxes(2, 3), each[programs].max(2)
    return at.max(3)[..., None] & tokens[:, :, None], at


def _before(
    notes: Bool[np.ndarray, "batch pairs *entries"], known: Bool[np.ndarray, "*entries"]
) -> Bool[np.ndarray, "batch pairs *entries"]:
    """What was noted before each pair, beside what was known."""
    before = np.zeros_like(notes)
    before[:, 1:] = np.logical_or.accumulate(notes, axis=1)[:, :-1]
    return before | known


def with_words(
    shown: InputEvidence, surprise: Float[np.ndarray, "batch pairs places"]
) -> InputEvidence:
    """Adds the log probability of each word."""
    time = shown.inputs.shape[1]
    shown.inputs[:, np.arange(time) % (2 * S) < S] += surprise.reshape(len(surprise), -1)
    return shown
