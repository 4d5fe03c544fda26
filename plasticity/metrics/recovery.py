"""How fast a learner adapts, and the condition of its network over time."""

import numpy as np
import polars as pl

from plasticity.metrics.trend import least_squares
from plasticity.metrics.visits import Visit, window

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


def condition_trends(condition: pl.DataFrame) -> dict[str, float | None]:
    """`<column>/mean`, `/first`, `/last` and `/slope` of every number in a condition table but `step`.

    The table has one row per probe time; the unit is the column's own, and the slope is that of the
    least-squares line, per PER steps. Rows where a column is not finite are left out; None: too few are left.
    """
    if not len(condition):
        return {}
    ordered = condition.sort("step")
    at = ordered["step"].to_numpy().astype(float)
    found: dict[str, float | None] = {}
    for column in ordered.columns:
        if column == "step" or not ordered[column].dtype.is_numeric():
            continue
        values = ordered[column].to_numpy().astype(float)
        known = np.isfinite(values)
        values, line = values[known], least_squares(at[known], values[known])
        found[f"{column}/mean"] = float(values.mean()) if len(values) else None
        found[f"{column}/first"] = float(values[0]) if len(values) else None
        found[f"{column}/last"] = float(values[-1]) if len(values) else None
        found[f"{column}/slope"] = PER * line.slope if line else None
    return found
