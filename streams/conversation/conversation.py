"""Semantic parsing of an unknown lexicon: requests in words, programs as answers."""

from functools import partial

import numpy as np
from jaxtyping import Bool, Int

from plasticity import (
    Count,
    InputEvidence,
    KnownObserver,
    Latents,
    Natural,
    Probabilities,
    Symbols,
    Tunnel,
    log,
)
from streams.conversation.lexicon import ORDERS, LexiconObserver, S, read, told, with_words
from streams.conversation.scorecard import Scorecard


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
        return told(time) & (np.arange(time) >= 2 * S * self.examples)

    def observer(self) -> LexiconObserver:
        """Has heard no word."""
        size = self.symbols
        together, at = np.zeros((size, size), bool), np.zeros((size, S), bool)
        return LexiconObserver(together, at, self.scorecard.sizes, format=self._format)

    def informed(self, latents: Latents) -> KnownObserver:
        """Looks the words up."""
        return KnownObserver(partial(_translated, latents), format=partial(self._shown, latents))

    def is_correct(
        self, answers: Int[np.ndarray, "batch asked"], wanted: Int[np.ndarray, "batch asked"]
    ) -> Bool[np.ndarray, "batch asked"]:
        """Whether what is answered at the asked positions is right, by execution.

        A program is right, in all its positions, if the database answers it as it answers the one wanted. Of a
        piece that is no whole number of programs, tokens are right that came.
        """
        if answers.shape[-1] % S:
            return answers == wanted
        programs = [each.reshape(*each.shape[:-1], -1, S) for each in (answers, wanted)]
        return np.repeat(self.scorecard.agree(*programs), S, axis=-1)

    def _format(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """All but the words: that they are words, and those that were targets; tokens are what was told."""
        answers = told(inputs.shape[1])
        surprise = np.zeros(inputs.shape)
        surprise[:, 1:] = log(
            inputs[:, 1:] == targets[:, :-1] + np.where(answers[:-1], 0, self.symbols)
        )
        surprise[:, 0] = log(inputs[:, 0] >= self.symbols)
        return InputEvidence(surprise, answers)

    def _shown(self, latents: Latents, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """And each word, as likely as its token: 1 / m_s, if s is the slot that is spoken of there."""
        shown = self._format(inputs, targets)
        words, _ = read(inputs, targets, self.symbols)
        slot = np.repeat(np.arange(S), self.scorecard.sizes)
        sizes = np.array(self.scorecard.sizes)
        found = slot[latents[np.arange(len(latents))[:, None, None], S + words]]
        spoken = latents[:, :S].argsort(1)[:, None]
        return with_words(shown, log((found == spoken) / sizes[spoken]))


def _translated(latents: Int[np.ndarray, "n entries"], inputs: Symbols) -> Probabilities:
    """A point mass on the token of the word at the place of its slot; uniform where a word comes next."""
    size = latents.shape[1] - S
    words, _ = read(inputs, inputs, size)
    rows = np.arange(len(latents))[:, None, None]
    tokens = latents[rows, S + np.take_along_axis(words, latents[:, None, :S], 2)]
    out = np.full((*tokens.shape[:2], 2 * S, size), 1 / size)
    out[:, :, S:] = np.eye(size)[tokens]
    return out.reshape(len(inputs), -1, size)[:, 1:]
