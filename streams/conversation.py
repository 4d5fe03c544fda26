"""Conversation: requests in words that nobody has explained, and the programs that they mean."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from plasticity.observers import FormattedObserver, KnownObserver, log, normalise
from plasticity.quantities import Count, Natural
from plasticity.tunnel import Latents, Probabilities, Shown, Symbols, Tunnel
from streams.scorecard import SLOTS, Scorecard

S = len(SLOTS)
ORDERS = np.array(list(permutations(range(S))))
"""[o, s]: the place in a request at which order o speaks of slot s."""
AT = np.eye(S)[ORDERS]
"""[o, s, j]: whether it speaks of slot s at place j."""


class Conversation(Tunnel):
    """What do they mean here by that word? A query language learned from its use.

    A program has a token in each of S = 4 slots, aggregate, column, team and venue (`Scorecard`), each
    uniform among the m_s of its slot. A request says the same in S words. Both the lexicon, a permutation
    of all W = sum_s m_s words to the W tokens, and the order in which the slots are spoken, one of S!,
    are hidden and uniform a priori. A conversation is request, program, request, program, ...:

        word_1 ... word_S token_1 ... token_S word_1 ...

    and what is asked for is the tokens of the programs. Words are the inputs W..2W-1, tokens 0..W-1. A whole
    pair of request and program is as likely under one order as under another, unless it refutes it. So let
    law_j(v) be 1 if v has come with the word at place j, or, where that word is new, if v has never come, and
    f_js be 1 if the words heard at place j are one-to-one with the tokens of slot s that came with them;
    both are 0 otherwise. With the tokens v_1..v_{s-1} of this program known,

        p(v_s = v) ~ sum_orders law_{j(s)}(v) f_{j(s)s}
                     prod_{r < s} law_{j(r)}(v_r) f_{j(r)r}  prod_{r > s} sum_u law_{j(r)}(u) f_{j(r)r},

    j(s) the place at which the order speaks of slot s, u over the tokens of r. Once order and lexicon are
    known a program is certain: the informed observer loses 0 bits. The first program costs all others
    sum_s log2 m_s bits, in every conversation again for those who do not remember the one before. What is
    known of the lexicon hangs on the order, and so a latent has no independent parts.

    Args:
        aggregates: m_1.
        columns: m_2.
        teams: m_3.
        venues: m_4.
        examples: pairs at the beginning whose program is given, not asked.
        requests: pairs after these; a conversation has time = 8 * (examples + requests) - 1.

    Raises:
        ValueError: the scorecard has not so many of one of these.

    One aggregate, one column, two teams, two venues, words 6..11. Two requests differ in their last word:
    the team was 2 and then 3, with the venue the same, and so it is the team that is last. In a third
    request the word before it is new; the venue was 4 before, so it is 5:

    >>> tunnel = Conversation(aggregates=1, columns=1, teams=2, venues=2, requests=3)
    >>> first, second = [6, 7, 8, 9, 0, 1, 2, 4], [6, 7, 8, 10, 0, 1, 3, 4]
    >>> said = np.array([[*first, *second, 6, 7, 11, 10, 0, 1, 3, 5]])
    >>> tokens = tunnel.observer().predict(said[:, :-1], said[:, 1:] % 6)
    >>> tokens[0, [5, 13, 21, 22]].round(2)
    array([[0. , 0. , 0.5, 0.5, 0. , 0. ],
           [0. , 0. , 0.5, 0.5, 0. , 0. ],
           [0. , 0. , 0. , 1. , 0. , 0. ],
           [0. , 0. , 0. , 0. , 0. , 1. ]])
    """

    def __init__(
        self,
        aggregates: Count = 4,
        columns: Count = 4,
        teams: Count = 5,
        venues: Count = 5,
        examples: Natural = 0,
        requests: Count = 4,
    ):
        self.aggregates, self.columns, self.teams, self.venues = aggregates, columns, teams, venues
        self.examples, self.requests = examples, requests
        self.scorecard = Scorecard([aggregates, columns, teams, venues])
        self.symbols = self.scorecard.tokens
        self.vocab = 2 * self.symbols

    def latents(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n entries"]:
        """The place of each slot in a request, and then the token of each word."""
        places = ORDERS[rng.integers(len(ORDERS), size=n)]
        return np.hstack([places, rng.random((n, self.symbols)).argsort(1)])

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """Programs, and requests for them; a target that is not a token is the number of the next word.

        Raises:
            ValueError: `time` is not 8 * (examples + requests) - 1.
        """
        pairs = self.examples + self.requests
        if time != (right := 2 * S * pairs - 1):
            raise ValueError(
                f"time: {self!r} makes sequences of {right} symbols "
                f"({2 * S} * (examples + requests) - 1), not {time}"
            )
        n, sizes = len(latents), self.scorecard.sizes
        programs = rng.integers(sizes, size=(n, pairs, S)) + self.scorecard.starts
        spoken, lexicon = latents[:, :S].argsort(1), latents[:, S:].argsort(1)
        rows = np.arange(n)[:, None, None]
        words = lexicon[rows, np.take_along_axis(programs, spoken[:, None], 2)]
        said = np.concatenate([words + self.symbols, programs], 2).reshape(n, -1)
        return said[:, :-1], said[:, 1:] % self.symbols

    def asked(self, time: int) -> Bool[np.ndarray, " time"]:
        """The tokens of the programs, but for the examples."""
        return _told(time) & (np.arange(time) >= 2 * S * self.examples)

    def observer(self) -> "LexiconObserver":
        """Has heard no word."""
        size = self.symbols
        together, at = np.zeros((size, size), bool), np.zeros((size, S), bool)
        return LexiconObserver(together, at, self.scorecard.sizes, format=self._format)

    def informed(self, latents: Latents) -> KnownObserver:
        """Looks the words up."""
        return KnownObserver(partial(_translated, latents), format=partial(self._shown, latents))

    def accepts(
        self, said: Int[np.ndarray, "*rows asked"], wanted: Int[np.ndarray, "*rows asked"]
    ) -> Bool[np.ndarray, "*rows asked"]:
        """Whether what is said at the asked positions is right, by execution.

        A program is right, in all its positions, if the database answers it as it answers the one wanted.
        """
        programs = [each.reshape(*each.shape[:-1], -1, S) for each in (said, wanted)]
        return np.repeat(self.scorecard.agree(*programs), S, axis=-1)

    def _format(self, inputs: Symbols, targets: Symbols) -> Shown:
        """All but the words: that they are words, and those that were targets; tokens are what was told."""
        told = _told(inputs.shape[1])
        surprise = np.zeros(inputs.shape)
        surprise[:, 1:] = log(
            inputs[:, 1:] == targets[:, :-1] + np.where(told[:-1], 0, self.symbols)
        )
        surprise[:, 0] = log(inputs[:, 0] >= self.symbols)
        return Shown(surprise, told)

    def _shown(self, latents: Latents, inputs: Symbols, targets: Symbols) -> Shown:
        """And each word, as likely as its token: 1 / m_s, if s is the slot that is spoken of there."""
        shown = self._format(inputs, targets)
        words, _ = _read(inputs, targets, self.symbols)
        slot = np.repeat(np.arange(S), self.scorecard.sizes)
        sizes = np.array(self.scorecard.sizes)
        found = slot[latents[np.arange(len(latents))[:, None, None], S + words]]
        spoken = latents[:, :S].argsort(1)[:, None]
        return _with_words(shown, log((found == spoken) / sizes[spoken]))


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
        _, programs = _read(inputs, targets, size)
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
        pairs, places = _notes(*_read(inputs, targets, len(self.together)), len(self.together))
        return replace(
            self,
            together=self.together | pairs.any((0, 1)),
            at=self.at | places.any((0, 1)),
        )

    def shown(self, inputs: Symbols, targets: Symbols) -> Shown:
        """The words, by the orders that are left.

        Of slot s a known word comes with probability 1 / m_s, if it fits; some new one with that of a
        token that has never come, and it is any of the words unheard.
        """
        shown, heard = super().shown(inputs, targets), self._heard(inputs, targets)
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
        return _with_words(shown, log(ratio))

    @property
    def _in_slot(self) -> Float[np.ndarray, "slots tokens"]:
        """Whether a token is of a slot."""
        return np.repeat(np.eye(S), self.sizes, axis=1)

    def _heard(self, inputs: Symbols, targets: Symbols) -> Heard:
        size = len(self.together)
        words, programs = _read(inputs, targets, size)
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
        new = ~known.any(-1)
        again = (words[..., :, None] == words[..., None, :]) & np.tri(S, k=-1, dtype=bool)
        possible = (
            new | (known.sum(-1) == 1) & (known & np.eye(S, dtype=bool)).any(-1)
        ) & ~again.any(-1)
        law = np.where(
            new[..., None],
            ~together.any(2, keepdims=True),
            np.take_along_axis(together, index, 2),
        )
        unheard = size - at.any(-1).sum(-1)
        return Heard((words_ok & tokens_ok).astype(float), law * possible[..., None], new, unheard)


def _told(time: int) -> Bool[np.ndarray, " time"]:
    """The positions whose target is a token of a program."""
    place = np.arange(time) % (2 * S)
    return (place >= S - 1) & (place < 2 * S - 1)


def _read(
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
    at, tokens = each[words].swapaxes(2, 3), each[programs].any(2)
    return at.any(3)[..., None] & tokens[:, :, None], at


def _before(
    notes: Bool[np.ndarray, "batch pairs *entries"], known: Bool[np.ndarray, "*entries"]
) -> Bool[np.ndarray, "batch pairs *entries"]:
    """What was noted before each pair, beside what was known."""
    before = np.zeros_like(notes)
    before[:, 1:] = np.logical_or.accumulate(notes, axis=1)[:, :-1]
    return before | known


def _with_words(shown: Shown, surprise: Float[np.ndarray, "batch pairs places"]) -> Shown:
    """Adds the log probability of each word."""
    time = shown.inputs.shape[1]
    shown.inputs[:, np.arange(time) % (2 * S) < S] += surprise.reshape(len(surprise), -1)
    return shown


def _translated(latents: Int[np.ndarray, "n entries"], inputs: Symbols) -> Probabilities:
    """A point mass on the token of the word at the place of its slot; uniform where a word comes next."""
    size = latents.shape[1] - S
    words, _ = _read(inputs, inputs, size)
    rows = np.arange(len(latents))[:, None, None]
    tokens = latents[rows, S + np.take_along_axis(words, latents[:, None, :S], 2)]
    out = np.full((*tokens.shape[:2], 2 * S, size), 1 / size)
    out[:, :, S:] = np.eye(size)[tokens]
    return out.reshape(len(inputs), -1, size)[:, 1:]
