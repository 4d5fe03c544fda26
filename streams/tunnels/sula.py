"""SULA: in-context labels that are mostly right, after the third of the wind-tunnel papers."""

from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Int

from plasticity import (
    Count,
    Explanation,
    FiniteObserver,
    Fraction,
    InputEvidence,
    KnownObserver,
    Latents,
    Probabilities,
    Symbols,
    Tunnel,
    log,
)

LABELS, TEST = 2, 2
"""How many labels there are, their symbols being 0 and 1; and the symbol that asks for the right one."""


class SULA(Tunnel):
    """In-context labels: which of two is the right one, when examples show it mostly?

    The latent is a label y, 0 or 1. An episode is k examples, each a carrier word that says nothing and a label that is
    y with probability c, and then TEST, where y is asked. With m of the k labels being 1,

    p(y = 1 | examples) = 1 / (1 + (c / (1 - c))^(k - 2m)),

    for c = .9 the 1 / (1 + 9^(k - 2m)) of Agarwal, Misra et al. (paper III of the wind tunnels, arXiv 2512.23752);
    its entropy is 1, .469, .258, .078, .008 bits on average at k = 0, 1, 2, 4, 8. They report the error of the entropy,
    by which the best constant does as well as their models: read the bits. `shuffled` is their control: labels are a
    coin's, nothing can be inferred, and every bit of confidence is invented.

    Args:
        words: carrier words.
        right: c.
        shuffled: whether the labels shown have nothing to do with y.

    Two labels of 1 leave one chance in 82 that y is 0:

    >>> inputs, targets = np.array([[3, 1, 4, 1, 2]]), np.array([[1, 0, 1, 0, 1]])
    >>> SULA(words=2).observer().predict(inputs, targets)[0, -1].round(3)
    array([0.012, 0.988])
    """

    def __init__(self, words: Count = 16, right: Fraction = 0.9, shuffled: bool = False):
        self.words, self.right, self.shuffled = words, right, shuffled
        self.vocab, self.symbols = TEST + 1 + words, LABELS

    def latents(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
        """The right label, 0 or 1."""
        return rng.integers(LABELS, size=n)

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """Examples, k = (time - 1) / 2, and TEST; the target of a word is its label, that of a label 0.

        Raises:
            ValueError: `time` is even, or 0.
        """
        if time % 2 == 0:
            raise ValueError(
                f"time: {self!r} makes sequences of 2 k + 1 symbols, k examples, not {time}"
            )
        n, k = len(latents), time // 2
        shown = latents[:, None] ^ (rng.random((n, k)) >= self._chance)
        inputs, targets = np.full((n, time), TEST), np.zeros((n, time), dtype=np.int64)
        inputs[:, :-1:2] = TEST + 1 + rng.integers(self.words, size=(n, k))
        inputs[:, 1::2] = targets[:, :-1:2] = shown
        targets[:, -1] = latents
        return inputs, targets

    def asked(self, time: int) -> Bool[np.ndarray, " time"]:
        """TEST, the last position."""
        return np.arange(time) == time - 1

    def observer(self) -> FiniteObserver:
        """Both labels are as likely."""
        return FiniteObserver(np.zeros(LABELS), self._explain, format=self._format)

    def informed(self, latents: Latents) -> KnownObserver:
        """Knows the label, not which examples are right."""
        return KnownObserver(partial(self._law, latents), format=self._format)

    @property
    def _chance(self) -> float:
        """That a label shown is the right one."""
        return 0.5 if self.shuffled else self.right

    def _law(self, latents: Int[np.ndarray, " n"], inputs: Symbols) -> Probabilities:
        """The labels of words, mostly right; after a label nothing is said; at the end the right one."""
        mine = np.eye(LABELS)[latents][:, None]
        said = np.full((*inputs.shape, LABELS), 1 / LABELS)
        said[:, ::2] = np.where(mine, self._chance, 1 - self._chance)
        said[:, -1:] = mine
        return said

    def _explain(self, inputs: Symbols) -> Explanation:
        said = np.stack([self._law(np.array([label]), inputs) for label in range(LABELS)])
        return np.ones((LABELS, len(inputs))), said

    def _format(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """Words are uniform, labels the targets before, and TEST is last."""
        told: Float[np.ndarray, "batch time"] = np.empty(inputs.shape)
        told[:, ::2] = log((inputs[:, ::2] > TEST) & (inputs[:, ::2] < self.vocab)) - np.log(
            self.words
        )
        told[:, 1::2] = log(inputs[:, 1::2] == targets[:, :-1:2][:, : inputs.shape[1] // 2])
        told[:, -1] = log(inputs[:, -1] == TEST)
        return InputEvidence(told, np.arange(inputs.shape[1]) % 2 == 0)
