"""How fast a learner adapts."""

import numpy as np
import polars as pl

from plasticity.metrics.retention import Visit, window

TRAILING = 5
"""Steps of the trailing mean by which recovery is judged."""


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
