"""What adapting costs, visit by visit: regret, half-life, savings.

Everything is read from the step table, in bits per asked position, lower is better. An area is bits x steps.
Excess is bits over an observer: KL(informed || model) - KL(informed || observer). Over the continual observer it
leaves out what nobody could have known yet. What goes over visits is None where the learner's bits are not finite in
one of them: of a learner that is lost nothing is known but where.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Float

from plasticity.metrics.formula import IDEALS, Entry, formula
from plasticity.metrics.recovery import TRAILING
from plasticity.metrics.trend import PER, least_squares, per_visits, theil_sen
from plasticity.metrics.visits import UNDEFINED, Visit, by_visit

BETA = 10
"""Shots of the learning curve: theirs."""

Bits = Float[np.ndarray, " steps"]


def excess(steps: pl.DataFrame, over: str, predictor: str = "model") -> Bits:
    """KL(informed || predictor) - KL(informed || over) at every step, in bits; NaN where both are infinite."""
    with np.errstate(invalid="ignore"):
        return steps[f"kl/{predictor}"].to_numpy() - steps[f"kl/{over}"].to_numpy()


def costs(steps: pl.DataFrame, found: Sequence[Visit]) -> Float[np.ndarray, " visits"]:
    """Adaptation cost of each visit: mean excess over the continual observer, in bits (area per step)."""
    pieces = by_visit(steps, found, excess(steps, "continual"))
    return np.array([piece.mean() for piece in pieces])


@formula(
    Entry(
        "adaptation_trend/ols",
        "bits per 100 visits",
        "least-squares slope of a visit's mean of KL(model) - KL(continual)",
    ),
    Entry(
        "adaptation_trend/ols_low",
        "bits per 100 visits",
        "lower end of its 95 % interval, Student's t",
    ),
    Entry("adaptation_trend/ols_high", "bits per 100 visits", "upper end"),
    Entry(
        "adaptation_trend/theil_sen1968",
        "bits per 100 visits",
        "median slope over all pairs of visits",
        "Theil 1950, Sen 1968",
    ),
)
def adaptation_trend(steps: pl.DataFrame, found: Sequence[Visit]) -> tuple[float | None, ...]:
    """How what adapting costs grows from visit to visit, by least squares and by the median of slopes."""
    numbers, cost = np.arange(len(found), dtype=float), costs(steps, found)
    robust = theil_sen(numbers, cost)
    line = per_visits(least_squares(numbers, cost))
    return (*line, None if robust is None else PER * robust)


@formula(
    Entry(
        "adaptation_trend_first_visits/ols",
        "bits per 100 visits",
        "over first visits alone; above 0: plasticity is lost",
    ),
    Entry(
        "adaptation_trend_first_visits/ols_low",
        "bits per 100 visits",
        "lower end of its 95 % interval, Student's t",
    ),
    Entry("adaptation_trend_first_visits/ols_high", "bits per 100 visits", "upper end"),
)
def adaptation_trend_first_visits(
    steps: pl.DataFrame, found: Sequence[Visit]
) -> tuple[float | None, ...]:
    """The same over first visits, in which nothing was known before."""
    first = np.array([v.nth == 0 for v in found])
    return per_visits(
        least_squares(np.flatnonzero(first).astype(float), costs(steps, found)[first])
    )


@formula(
    Entry(
        "switch_regret/<over>",
        "bits x steps",
        "mean over shifts of sum of KL(model) - KL(observer)",
        "Herbster & Warmuth 1998",
    ),
    over=IDEALS[:2],
)
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


def half_life(bits: Bits) -> int | None:
    """Steps until the trailing mean over TRAILING steps is half of its first value, the value at the shift.

    Exact for an exponential. None: not within these steps; 0 is never returned.
    """
    if len(bits) < TRAILING:
        return None
    smooth = _trailing(bits)
    met = smooth <= smooth[0] / 2
    return int(np.argmax(met)) if met.any() else None


@formula(
    Entry(
        "half_life/informed",
        "steps",
        "from a shift until the mean of KL(model) over 5 steps has halved; never: the whole visit",
    ),
    Entry("half_life/never", "visits", "those in which it never did"),
)
def half_lives(steps: pl.DataFrame, found: Sequence[Visit]) -> tuple[float | None, int | None]:
    """Mean half-life of KL(informed || model) after a shift, and the number of visits it did not halve in.

    Those count their whole length. A visit that opens under UNDEFINED bits has nothing to halve.
    """
    pieces = by_visit(steps, found, steps["kl/model"].to_numpy())[1:]
    if not all(np.isfinite(piece).all() for piece in pieces):
        return None, None
    pieces = [piece for piece in pieces if piece[:TRAILING].mean() >= UNDEFINED]
    lives = [half_life(piece) for piece in pieces]
    counted = [len(p) if n is None else n for p, n in zip(pieces, lives, strict=True)]
    return float(np.mean(counted)) if counted else None, sum(n is None for n in lives)


@formula(
    Entry(
        "relearning_ratio/amnesic50",
        "",
        "steps on returns / on first visits, to half of the amnesic bits of the first visit",
    ),
    Entry(
        "savings/ebbinghaus1885",
        "",
        "1 - relearning_ratio; above 0: relearning is faster",
        "Ebbinghaus 1885",
    ),
)
def relearning(steps: pl.DataFrame, found: Sequence[Visit]) -> tuple[float | None, float | None]:
    """The ratio, and what it saves."""
    ratio = relearning_ratio(steps, found)
    return ratio, None if ratio is None else 1 - ratio


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
    if not all(np.isfinite(piece).all() for piece in mine):
        return None
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


@formula(
    Entry(
        "lca10/agem2019",
        "bits",
        "mean over visits of KL(model) after 0..10 steps, on batches not yet met",
        "arXiv 1812.00420",
    ),
    Entry("lca10/first_visits", "bits", "the same over first visits alone"),
)
def learning_curve_areas(
    steps: pl.DataFrame, found: Sequence[Visit]
) -> tuple[float | None, float | None]:
    """Of all tasks, which are visits; and of those in which nothing was known before."""
    return lca_agem2019(steps, found), lca_agem2019(steps, found, first=True)


def lca_agem2019(
    steps: pl.DataFrame, found: Sequence[Visit], beta: int = BETA, first: bool = False
) -> float | None:
    """1/(beta+1) sum_{b=0..beta} mean over tasks of KL after b steps (Chaudhry et al. 2019, arXiv 1812.00420, eq. 4).

    The b-shot score is prequential: on the batch that comes after b updates, which the weights have not met;
    theirs is on a test set. In bits. Visits shorter than beta + 1 steps are left out; None where all are.

    Args:
        steps: the step table.
        found: its visits.
        beta: shots.
        first: over first visits alone.
    """
    pieces = by_visit(steps, found, steps["kl/model"].to_numpy())
    shots = [
        piece[: beta + 1]
        for visit, piece in zip(found, pieces, strict=True)
        if len(piece) > beta and not (first and visit.nth)
    ]
    return float(np.mean(shots)) if shots else None


def _trailing(bits: Bits) -> Float[np.ndarray, " windows"]:
    return np.convolve(bits, np.ones(TRAILING) / TRAILING, "valid")


def _steps_to(bits: Bits, bar: float) -> int:
    """Steps until the trailing mean is at most the bar; all of them where it never is."""
    met = _trailing(bits) <= bar if len(bits) >= TRAILING else np.zeros(1, bool)
    return int(np.argmax(met)) + TRAILING if met.any() else len(bits)
