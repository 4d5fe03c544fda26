"""What was carried over and what was forgotten: pure functions of the step and probe tables. Bits; lower is better.

Every number has a formula id, `name/source`, because peers publish different numbers under one name.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float, Int

UNDEFINED = 0.01
"""Bits by which the amnesic and the continual ideal must differ for a skill to mean anything."""
OPENING = 10
"""Steps that count as the opening of a visit."""


class Visit(NamedTuple):
    """A span of the stream in which one regime is live: steps start <= s < stop."""

    regime: int
    start: int
    stop: int
    nth: int
    """0: the first visit to this regime; 1: the first return ..."""


def visits(steps: pl.DataFrame) -> list[Visit]:
    """The visits of a step table, in order. A new one begins at every row whose `shift` is true."""
    at, regime = steps["step"].to_numpy(), steps["regime"].to_numpy()
    starts = [0, *(int(i) for i in np.flatnonzero(steps["shift"].to_numpy()) if i)]
    found: list[Visit] = []
    for i, j in zip(starts, [*starts[1:], len(at)], strict=True):
        nth = sum(v.regime == regime[i] for v in found)
        found.append(Visit(int(regime[i]), int(at[i]), int(at[j - 1]) + 1, nth))
    return found


def window(steps: pl.DataFrame, start: int, stop: int) -> pl.DataFrame:
    """The rows with start <= step < stop."""
    return steps.filter(pl.col("step").is_between(start, stop - 1))


def openings(steps: pl.DataFrame, found: list[Visit], returns: bool) -> pl.DataFrame:
    """The first OPENING steps of every first visit, or of every return."""
    rows = [
        window(steps, v.start, min(v.stop, v.start + OPENING))
        for v in found
        if (v.nth > 0) == returns
    ]
    return pl.concat(rows) if rows else steps.head(0)


def mean(steps: pl.DataFrame, column: str) -> float | None:
    """The mean of a column; None where there are no rows, or where it is not finite."""
    values = steps[column].to_numpy()
    result = float(values.mean()) if len(values) else np.inf
    return result if np.isfinite(result) else None


def skill(steps: pl.DataFrame, predictor: str = "model") -> float | None:
    """(KL(amnesic) - KL(predictor)) / (KL(amnesic) - KL(continual)): a forecast skill score (Murphy 1988).

    0: the best any frozen model can do. 1: the ideal continual learner. Negative: updates do harm.
    Numerator and denominator are averaged over the window before dividing.

    Returns:
        None where the two ideals differ by under UNDEFINED bits: the skill is undefined.
    """
    if not len(steps):
        return None
    amnesic, mine, continual = (
        float(steps[f"kl/{name}"].to_numpy().mean()) for name in ("amnesic", predictor, "continual")
    )
    gap = amnesic - continual
    return (amnesic - mine) / gap if gap >= UNDEFINED else None


def probe_matrix(
    probes: pl.DataFrame, found: list[Visit], column: str = "kl/model"
) -> tuple[Int[np.ndarray, " checkpoints"], Float[np.ndarray, "checkpoints regimes"]]:
    """Bits on each regime's probe after each stretch: (steps, matrix). Row 0 is before any update."""
    regimes = probes["regime"].unique().sort().to_numpy()
    wide = probes.sort("step", "regime")
    at = wide["step"].unique().sort().to_numpy()
    return at, wide[column].to_numpy().reshape(len(at), len(regimes))


def task_matrix(
    probes: pl.DataFrame, found: list[Visit], column: str = "kl/model"
) -> Float[np.ndarray, "tasks tasks"]:
    """e[i, j]: bits on the probe of task j's regime after task i, where a task is a visit.

    The probe used is the last one within the visit; a visit that was never probed makes a row of NaN.
    """
    at, matrix = probe_matrix(probes, found, column)
    rows = []
    for visit in found:
        inside = np.flatnonzero((at > visit.start) & (at <= visit.stop))
        row = matrix[inside[-1]] if len(inside) else np.full(matrix.shape[1], np.nan)
        rows.append(row[[v.regime for v in found]])
    return np.stack(rows)


def forgetting_chaudhry2018(e: Float[np.ndarray, "tasks tasks"]) -> float | None:
    """1/(T-1) sum_{j<T} (e[T,j] - min_{l in j..T-1} e[l,j]), in bits (Chaudhry et al. 2018, arXiv 1801.10112).

    Theirs in accuracy, max of R minus the last R; with R = -e. Positive: worse than it once was.
    """
    tasks = len(e)
    if tasks < 2 or np.isnan(e).any():
        return None
    return float(np.mean([e[-1, j] - e[j:-1, j].min() for j in range(tasks - 1)]))


def bwt_gem2017(e: Float[np.ndarray, "tasks tasks"]) -> float | None:
    """1/(T-1) sum_{j<T} (e[j,j] - e[T,j]), in bits (Lopez-Paz & Ranzato 2017, arXiv 1706.08840; R = -e).

    Negative: later tasks made earlier ones worse.
    """
    tasks = len(e)
    if tasks < 2 or np.isnan(e).any():
        return None
    return float(np.mean([e[j, j] - e[-1, j] for j in range(tasks - 1)]))
