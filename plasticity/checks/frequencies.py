"""Frequencies: are probabilities the frequencies of what came after identical histories?"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from plasticity.core.tunnel import Probabilities, Symbols

RARE = 5.7e-7
"""False alarms per comparison: as rare as a normal deviate beyond 5 standard errors."""
POSITIONS = 4
"""Asked positions that are compared: later ones have hardly any histories in common."""
MOST = 4096
"""Histories compared at one position, the most frequent ones."""
CHUNK = 2048
"""Sequences predicted at once."""


def numbered(columns: Int[np.ndarray, "rows columns"]) -> Int[np.ndarray, " rows"]:
    """A number for each row, the same for equal rows and for no others; symbols are not negative."""
    code, bound = np.zeros(len(columns), dtype=np.int64), 1
    for column in columns.T:
        size = int(column.max(initial=0)) + 1
        if bound > 2**62 // size:
            code = np.unique(code, return_inverse=True)[1]
            bound = len(code)
        code, bound = code * size + column, bound * size
    return code


class Histories(NamedTuple):
    """The histories that were seen more than once before one position, and what came next."""

    position: int
    example: Int[np.ndarray, " histories"]
    """A row of the sample that has this history."""
    counts: Int[np.ndarray, "histories symbols"]
    """How often each symbol came next."""


def histories(
    inputs: Symbols,
    targets: Symbols,
    asked: Bool[np.ndarray, " time"],
    symbols: int,
    origin: Int[np.ndarray, " batch"],
) -> Iterator[Histories]:
    """Group a sample by identical history, at its first asked positions.

    Args:
        inputs: (batch, time) observed symbols.
        targets: (batch, time) symbols to predict.
        asked: positions that count.
        symbols: size of the target alphabet.
        origin: what else rows must have in common (an earlier episode, a latent), as a number.
    """
    group, compared = origin, 0
    vocab = int(inputs.max()) + 1
    for t in range(inputs.shape[1]):
        code = group * vocab + inputs[:, t]
        _, example, group, size = np.unique(code, True, True, True)
        if asked[t]:
            often = np.flatnonzero(size > 1)
            often = often[np.argsort(-size[often], kind="stable")[:MOST]]
            place = np.full(len(size), -1)
            place[often] = np.arange(len(often))
            kept = place[group] >= 0
            cell = place[group[kept]] * symbols + targets[kept, t]
            counts = np.bincount(cell, minlength=len(often) * symbols)
            yield Histories(t, example[often], counts.reshape(-1, symbols))
            compared += 1
        if compared == POSITIONS:
            return
        group = group * symbols + targets[:, t]


def compare(
    who: str,
    inputs: Symbols,
    targets: Symbols,
    found: Histories,
    predict: Callable[[Int[np.ndarray, " rows"]], Probabilities],
) -> None:
    """Compare predictions after each history with what came.

    Twice, because errors hide in two ways. A symbol far too frequent after one history: `most_surprising`. A small
    error after every one of many histories, each seen a few times only: the sum of
    U = sum_k (c_k - n p_k)^2 - c_k (1 - 2 p_k) - n p_k^2, whose mean is n (n - 1) |q - p|^2 if q is the truth,
    over its standard error.

    Args:
        who: the observer, for the message.
        inputs: (batch, time) the sample.
        targets: (batch, time) the sample.
        found: its histories before one position.
        predict: the predictions for these rows of the sample.

    Raises:
        AssertionError: they disagree beyond chance; the worst history is named.
    """
    t, example, counts = found
    parts = [example[i : i + CHUNK] for i in range(0, len(example), CHUNK)]
    p = np.concatenate([predict(rows)[:, t] for rows in parts]).clip(0, 1)
    n = counts.sum(1, keepdims=True)
    (row, symbol), unlikely = most_surprising(counts / n, p, n, p.size)
    x, y = inputs[example[row], : t + 1].tolist(), targets[example[row], :t].tolist()
    story = f"{who} at position {t}, after inputs {x} and targets {y}"
    assert not unlikely, (
        f"{story}: predicted symbol {symbol} with probability {p[row, symbol]:.4f}, but it came "
        f"{counts[row, symbol]} times out of {n[row, 0]} ({counts[row, symbol] / n[row, 0]:.4f}); "
        "expected the exact conditional probability of the target given this history"
    )
    excess = ((counts - n * p) ** 2 - counts * (1 - 2 * p) - n * p**2).sum(1)
    error = math.sqrt((excess**2).sum())
    assert excess.sum() <= 5 * error, (
        f"{who} at position {t}: over {len(p)} histories, each seen again {n.mean():.1f} times on average, "
        f"predictions are off by {excess.sum() / error:.1f} standard errors (expected 5 at most): each "
        f"is a little wrong, e.g. {p[0].round(4).tolist()} where {counts[0].tolist()} came"
    )


def most_surprising(
    share: Float[np.ndarray, "*cells"],
    p: Float[np.ndarray, "*cells"],
    n: np.ndarray | int,
    cells: int,
) -> tuple[tuple[int, ...], bool]:
    """The cell whose share is the least probable, and whether that is beyond chance.

    The Chernoff bound P(n KL(c/n || p) >= x) <= 2 exp(-x) (Hoeffding 1963, theorem 1), exact at any count.

    Args:
        share: how often each came.
        p: its probability.
        n: of how many; may be of any shape that is broadcast.
        cells: compared in all, over which RARE is shared out.
    """
    surprise = n * divergence(share, p)
    worst = np.unravel_index(int(surprise.argmax()), surprise.shape)
    return tuple(map(int, worst)), bool(surprise[worst] > math.log(2 * cells / RARE))


def divergence(
    q: Float[np.ndarray, "*cells"], p: Float[np.ndarray, "*cells"]
) -> Float[np.ndarray, "*cells"]:
    """KL(q || p) of each cell as a coin, in nats; infinite where the impossible came."""

    def part(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        ratio = np.divide(a, b, out=np.full_like(a, np.inf), where=b > 0)
        return a * np.log(ratio, out=np.zeros_like(a), where=a > 0)

    return part(q, p) + part(1 - q, 1 - p)
