"""How fast a learner adapts, and the condition of its network over time."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from plasticity.metrics.formula import Entry, formula
from plasticity.metrics.skill import skills
from plasticity.metrics.trend import least_squares
from plasticity.metrics.visits import Visit, by_visit, window

TRAILING = 5
"""Steps of the trailing mean by which recovery is judged."""
PER = 1000
"""Steps per which the trend of a condition is given."""


def recovery_skill50(steps: pl.DataFrame, visit: Visit, predictor: str = "model") -> int | None:
    """Steps after a shift until the learner has closed half the gap between the two ideals.

    The first s at which the trailing mean over TRAILING steps of KL(predictor) is at or below that of
    (KL(amnesic) + KL(continual)) / 2, both within this visit: a windowed skill of 1/2.

    Returns:
        s in steps (TRAILING at least), or None if the visit ended first.
    """
    rows = window(steps, visit.start, visit.stop)
    mine = rows[f"kl/{predictor}"].to_numpy()
    ideals = (rows["kl/amnesic"].to_numpy() + rows["kl/continual"].to_numpy()) / 2
    if len(mine) < TRAILING:
        return None
    kernel = np.ones(TRAILING) / TRAILING
    met = np.convolve(mine, kernel, "valid") <= np.convolve(ideals, kernel, "valid")
    return int(np.argmax(met)) + TRAILING if met.any() else None


@formula(
    Entry(
        "recovery/skill50",
        "steps",
        "until the mean of KL over 5 steps is half-way between the ideals'; never: the whole visit",
    ),
    Entry("recovery/never", "visits", "those that never got there"),
)
def recoveries(steps: pl.DataFrame, found: Sequence[Visit]) -> tuple[float | None, int | None]:
    """Mean recovery over the visits in which skill is defined, and how many never did; those count their whole length.

    None where the learner's bits are not finite in one of them.
    """
    each = skills(steps, found)
    defined = [visit for visit, s in zip(found, each, strict=True) if s is not None]
    pieces = by_visit(steps, defined, steps["kl/model"].to_numpy())
    if not all(np.isfinite(piece).all() for piece in pieces):
        return None, None
    taken = [recovery_skill50(steps, visit) for visit in defined]
    counted = [v.stop - v.start if t is None else t for v, t in zip(defined, taken, strict=True)]
    return sum(counted) / len(defined) if defined else None, sum(t is None for t in taken)


@formula(
    Entry("in_context/first", "bits", "KL(amnesic, model) on fresh latents, before any update"),
    Entry("in_context/last", "bits", "the same at the end"),
    Entry(
        "in_context/damage", "bits", "last - first; above 0: updates harmed in-context inference"
    ),
)
def in_context_damage(probes: pl.DataFrame) -> tuple[float | None, float | None, float | None]:
    """In-context inference before any update and at the end, and the difference."""
    fresh = in_context(probes)
    return (*fresh, fresh[1] - fresh[0]) if fresh else (None, None, None)


def in_context(probes: pl.DataFrame) -> tuple[float, float] | None:
    """KL(amnesic || model) on episodes with fresh latents, at the first checkpoint and at the last, in bits.

    They are the probes of regimes below 0, one per tunnel, and the mean is over those. On fresh latents the
    amnesic observer is the ideal, so this is what in-context inference falls short by; the difference is what
    the updates did to it. None where there is no such probe.
    """
    fresh = probes.filter(pl.col("regime") < 0)
    if not len(fresh):
        return None
    at, bits = fresh["step"].to_numpy(), fresh["kl_amnesic/model"].to_numpy()
    return float(bits[at == at.min()].mean()), float(bits[at == at.max()].mean())


@formula(
    Entry("<column>/mean", "its own", "mean over measurements of a column of the condition table"),
    Entry("<column>/first", "its own", "the first measurement"),
    Entry("<column>/last", "its own", "the last measurement"),
    Entry("<column>/slope", "per 1000 steps", "least-squares slope"),
)
def condition_trends(condition: pl.DataFrame | None, lost: int | None) -> dict[str, float | None]:
    """`<column>/mean`, `/first`, `/last` and `/slope` of every number in a condition table but `step`.

    The table has one row per probe time; the unit is the column's own, and the slope is that of the
    least-squares line, per PER steps. Rows where a column was not measured (NaN) are left out; None: too few are left.

    Args:
        condition: the table; None: nobody looked.
        lost: updates after which the weights were not finite: what was measured from then on is of no network, and
            all but the first number is None; None: never.
    """
    if condition is None or not len(condition):
        return {}
    ordered = condition.sort("step")
    at = ordered["step"].to_numpy().astype(float)
    whole = lost is None or at[-1] < lost
    found: dict[str, float | None] = {}
    for column in ordered.columns:
        if column == "step" or not ordered[column].dtype.is_numeric():
            continue
        values = ordered[column].to_numpy().astype(float)
        known = np.isfinite(values) & (whole or at < (lost or 0))
        values, line = values[known], least_squares(at[known], values[known])
        some = len(values) > 0
        found[f"{column}/mean"] = float(values.mean()) if some and whole else None
        found[f"{column}/first"] = float(values[0]) if some else None
        found[f"{column}/last"] = float(values[-1]) if some and whole else None
        found[f"{column}/slope"] = PER * line.slope if line and whole else None
    return found
