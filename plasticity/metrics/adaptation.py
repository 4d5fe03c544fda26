"""What adapting costs, visit by visit: regret, half-life, savings.

Everything is read from the step table, in bits per asked position, lower is better. An area is bits x steps.
Excess is bits over an observer: KL(informed || model) - KL(informed || observer). Over the continual observer it
leaves out what nobody could have known yet.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Float

from plasticity.metrics.recovery import TRAILING
from plasticity.metrics.visits import UNDEFINED, Visit, by_visit

INTERVAL = 50
"""Steps of a window of interval regret."""
BETA = 10
"""Shots of the learning curve: theirs."""
FADING = 0.99
"""What a loss still counts for one step later."""

Bits = Float[np.ndarray, " steps"]


def excess(steps: pl.DataFrame, over: str, predictor: str = "model") -> Bits:
    """KL(informed || predictor) - KL(informed || over) at every step, in bits."""
    return steps[f"kl/{predictor}"].to_numpy() - steps[f"kl/{over}"].to_numpy()


def costs(steps: pl.DataFrame, found: Sequence[Visit]) -> Float[np.ndarray, " visits"]:
    """Adaptation cost of each visit: mean excess over the continual observer, in bits (area per step)."""
    pieces = by_visit(steps, found, excess(steps, "continual"))
    return np.array([piece.mean() for piece in pieces])


def switch_regret(steps: pl.DataFrame, found: Sequence[Visit], over: str) -> float | None:
    """Mean over visits after a shift of the sum of excess bits until the next shift, in bits x steps.

    What a switch costs (tracking regret, Herbster & Warmuth 1998). None where nothing shifts.

    Args:
        steps: the step table.
        found: its visits.
        over: the observer whose bits are subtracted.
    """
    areas = [piece.sum() for piece in by_visit(steps, found, excess(steps, over))[1:]]
    return float(np.mean(areas)) if areas else None


def interval_regret(bits: Bits, width: int = INTERVAL) -> float | None:
    """The largest, over windows of `width` steps, sum of bits (strongly adaptive regret, Hazan & Seshadhri 2009).

    With excess over the informed observer, who is the best there is in every window. None where it is shorter.
    """
    if len(bits) < width:
        return None
    area = np.concatenate([[0.0], np.cumsum(bits)])
    return float((area[width:] - area[:-width]).max())


def fading_loss(bits: Bits, factor: float = FADING) -> float:
    """S_n / sum_{i<n} factor^i with S_t = bits[t] + factor S_{t-1} (Gama et al. 2013): the loss of late."""
    weights = factor ** np.arange(len(bits))[::-1]
    return float(weights @ bits / weights.sum())


def half_life(bits: Bits) -> int | None:
    """Steps until the trailing mean over TRAILING steps is half of its first value, the value at the shift.

    Exact for an exponential. None: not within these steps; 0 is never returned.
    """
    if len(bits) < TRAILING:
        return None
    smooth = _trailing(bits)
    met = smooth <= smooth[0] / 2
    return int(np.argmax(met)) if met.any() else None


def half_lives(steps: pl.DataFrame, found: Sequence[Visit]) -> tuple[float | None, int]:
    """Mean half-life of KL(informed || model) after a shift, and the number of visits it did not halve in.

    Those count their whole length. A visit that opens under UNDEFINED bits has nothing to halve.
    """
    pieces = by_visit(steps, found, steps["kl/model"].to_numpy())[1:]
    pieces = [piece for piece in pieces if piece[:TRAILING].mean() >= UNDEFINED]
    lives = [half_life(piece) for piece in pieces]
    counted = [len(p) if n is None else n for p, n in zip(pieces, lives, strict=True)]
    return float(np.mean(counted)) if counted else None, sum(n is None for n in lives)


def relearning_ratio(steps: pl.DataFrame, found: Sequence[Visit]) -> float | None:
    """Steps to learn a regime on its returns, over those of its first visit; sums are divided, not ratios averaged.

    Learned: the trailing mean over TRAILING steps of KL(informed || model) is at most half of the amnesic
    observer's mean on the first visit, one bar for all visits of a regime. A visit that never gets there counts
    its whole length. 1 - ratio is the savings of Ebbinghaus (1885). Under 1: relearning is faster.

    Returns:
        None where nothing returns, or the amnesic observer is under UNDEFINED bits from the truth.
    """
    mine = by_visit(steps, found, steps["kl/model"].to_numpy())
    amnesic = by_visit(steps, found, steps["kl/amnesic"].to_numpy())
    first: dict[int, tuple[float, int]] = {}
    relearned = learned = 0
    for visit, bits, ideal in zip(found, mine, amnesic, strict=True):
        if visit.nth == 0:
            bar = float(ideal.mean()) / 2
            first[visit.regime] = bar, _steps_to(bits, bar)
            continue
        bar, taken = first[visit.regime]
        if 2 * bar >= UNDEFINED:
            relearned, learned = relearned + _steps_to(bits, bar), learned + taken
    return relearned / learned if learned else None


def lca_agem2019(steps: pl.DataFrame, found: Sequence[Visit], beta: int = BETA) -> float | None:
    """1/(beta+1) sum_{b=0..beta} mean over first visits of KL after b steps (Chaudhry et al. 2019, arXiv 1812.00420).

    The b-shot score is prequential: on the batch that comes after b updates, which the weights have not met;
    theirs is on a test set. In bits. First visits shorter than beta + 1 steps are left out; None where all are.
    """
    pieces = by_visit(steps, found, steps["kl/model"].to_numpy())
    shots = [
        piece[: beta + 1]
        for visit, piece in zip(found, pieces, strict=True)
        if visit.nth == 0 and len(piece) > beta
    ]
    return float(np.mean(shots)) if shots else None


def _trailing(bits: Bits) -> Float[np.ndarray, " windows"]:
    return np.convolve(bits, np.ones(TRAILING) / TRAILING, "valid")


def _steps_to(bits: Bits, bar: float) -> int:
    """Steps until the trailing mean is at most the bar; all of them where it never is."""
    met = _trailing(bits) <= bar if len(bits) >= TRAILING else np.zeros(1, bool)
    return int(np.argmax(met)) + TRAILING if met.any() else len(bits)
