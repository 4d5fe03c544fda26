"""Skill: what part of all that could be carried over a learner does carry over."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Float

from plasticity.metrics.formula import Entry, Number, formula
from plasticity.metrics.trend import least_squares, per_visits
from plasticity.metrics.visits import UNDEFINED, Visit, mean, phase, window

RATIO = "(KL(amnesic) - KL(model)) / (KL(amnesic) - KL(continual)), means before dividing"


def skill(steps: pl.DataFrame, predictor: str = "model") -> float | None:
    """(KL(amnesic) - KL(predictor)) / (KL(amnesic) - KL(continual)): a forecast skill score (Murphy 1988).

    0: the best any frozen model can do. 1: the ideal continual learner. Negative: updates do harm.
    Numerator and denominator are averaged over the window before dividing.

    Returns:
        None where the two ideals differ by under UNDEFINED bits: the skill is undefined. Not finite where the
        predictor's bits are not.
    """
    if not len(steps):
        return None
    amnesic, mine, continual = (
        float(steps[f"kl/{name}"].to_numpy().mean()) for name in ("amnesic", predictor, "continual")
    )
    return closed(amnesic, mine, continual)


def closed(start: float, mine: float, ideal: float) -> float | None:
    """The share of the gap between start and ideal that is closed; None where they differ by under UNDEFINED bits."""
    gap = start - ideal
    return (start - mine) / gap if gap >= UNDEFINED else None


def skills(steps: pl.DataFrame, found: Sequence[Visit]) -> list[float | None]:
    """Skill of each visit."""
    ideals = steps.select("step", "kl/model", "kl/amnesic", "kl/continual")
    return [skill(window(ideals, v.start, v.stop)) for v in found]


@formula(
    Entry("skill", "", RATIO, "Murphy 1988"),
    Entry("skill/first_visits", "", "skill over first visits"),
    Entry("skill/returns", "", "skill over returns"),
    Entry("skill/switching", "", "skill of the switching observer"),
)
def skill_scores(steps: pl.DataFrame, found: Sequence[Visit]) -> tuple[Number, ...]:
    """Skill of the stream, of its first visits, of its returns; and of the switching observer."""
    windows = steps, phase(steps, found, returns=False), phase(steps, found, returns=True)
    known = mean(steps, "kl/switching") is not None
    return (*(skill(each) for each in windows), skill(steps, "switching") if known else None)


@formula(
    Entry(
        "gain",
        "",
        "(KL(frozen) - KL(model)) / (KL(frozen) - KL(continual)), means before dividing; frozen: the same network, "
        "of the same run and seed, never updated",
    )
)
def gain(steps: pl.DataFrame, frozen: Float[np.ndarray, " steps"] | None) -> float | None:
    """Skill from where this network starts, and not from the amnesic bound, where it may never have been.

    0: as good as never to learn; 1: the ideal continual learner. Of a network on the bound it is the skill.

    Args:
        steps: the step table.
        frozen: KL(informed || the network before any update) at each of the steps, in bits; None: not known.

    Returns:
        None where the frozen network and the continual observer differ by under UNDEFINED bits, too.
    """
    if frozen is None or not len(steps):
        return None
    mine, continual = (
        float(steps[f"kl/{name}"].to_numpy().mean()) for name in ("model", "continual")
    )
    return closed(float(frozen.mean()), mine, continual)


@formula(
    Entry(
        "skill_trend/wls",
        "per 100 visits",
        "weighted least-squares slope of the skill of a visit over its number; weight: steps x (KL(amnesic) - "
        "KL(continual))^2, the precision of a ratio whose numerator is as noisy in all",
    ),
    Entry("skill_trend/wls_low", "per 100 visits", "lower end of its 95 % interval, Student's t"),
    Entry("skill_trend/wls_high", "per 100 visits", "upper end"),
)
def skill_trend(steps: pl.DataFrame, found: Sequence[Visit]) -> tuple[float | None, ...]:
    """Slope of the skill of a visit over its number.

    A skill is a ratio. Where its numerator, a mean of n steps, has the variance s^2 / n in every visit, that of the
    skill is s^2 / (n gap^2), so that a visit in which hardly anything could be carried over says hardly anything.
    Weighing by n gap^2 is to fit the bits of the numerator, not their ratio. Visits of undefined skill are left out.
    """
    each = skills(steps, found)
    numbers = [k for k, s in enumerate(each) if s is not None]
    precision = []
    for k in numbers:
        rows = window(steps, found[k].start, found[k].stop)
        gap = rows["kl/amnesic"].to_numpy().mean() - rows["kl/continual"].to_numpy().mean()
        precision.append(len(rows) * gap**2)
    values = np.array([each[k] for k in numbers], float)
    return per_visits(least_squares(np.array(numbers, float), values, np.array(precision)))
