"""The numbers of one cell, derived from its stored tables and from nothing else."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from plasticity.bracket import PREDICTORS
from plasticity.metrics.plasticity import recovery_skill50
from plasticity.metrics.retention import (
    bwt_gem2017,
    forgetting_chaudhry2018,
    mean,
    openings,
    skill,
    task_matrix,
    visits,
    window,
)


def summarise(steps: pl.DataFrame, probes: pl.DataFrame) -> dict[str, Any]:
    """Formula id -> number (bits per asked position unless the name says otherwise); None: undefined.

    `recovery/skill50` is the mean over visits, in steps, where a visit that never recovers counts its
    whole length; `recovery/never` counts those. Visits in which skill is undefined have no recovery.
    """
    found = visits(steps)
    defined = [v for v in found if skill(window(steps, v.start, v.stop)) is not None]
    first, back = openings(steps, found, returns=False), openings(steps, found, returns=True)
    recoveries = [recovery_skill50(steps, visit) for visit in defined]
    lengths = [visit.stop - visit.start for visit in defined]
    tasks = task_matrix(probes, found)
    summary: dict[str, Any] = {
        "steps": len(steps),
        "visits": len(found),
        "skill": skill(steps),
        "skill/first_visits": skill(_of(steps, found, returns=False)),
        "skill/returns": skill(_of(steps, found, returns=True)),
        "forgetting/chaudhry2018": forgetting_chaudhry2018(tasks),
        "bwt/gem2017": bwt_gem2017(tasks),
        "recovery/skill50": sum(
            n if r is None else r for r, n in zip(recoveries, lengths, strict=True)
        )
        / len(defined)
        if defined
        else None,
        "recovery/never": sum(r is None for r in recoveries),
    }
    for name in ("model", *PREDICTORS):
        summary[f"kl/{name}"] = mean(steps, f"kl/{name}")
        summary[f"kl_first_visit/{name}"] = mean(first, f"kl/{name}")
        summary[f"kl_return/{name}"] = mean(back, f"kl/{name}")
        summary[f"loss/{name}"] = mean(steps, f"kl_realised/{name}")
    for reference in ("continual", "amnesic"):
        summary[f"kl_{reference}/model"] = mean(steps, f"kl_{reference}/model")
    for reference in ("informed", "continual", "amnesic"):
        excess = steps["kl_realised/model"] - steps[f"kl_realised/{reference}"]
        summary[f"excess_loss/{reference}"] = mean(pl.DataFrame({"": excess}), "")
    summary["tv/model"] = mean(steps, "tv/model")
    summary["entropy_error/model"] = mean(steps, "entropy_error_amnesic/model")
    return summary


def interval(values: Sequence[float]) -> float | None:
    """Half the width of the 95 % interval of a mean, by Student's t; None for a single value."""
    n = len(values)
    if n < 2:
        return None
    return float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n))


def _of(steps: pl.DataFrame, found: list[Any], returns: bool) -> pl.DataFrame:
    """The rows of all first visits, or of all returns."""
    spans = [(v.start, v.stop) for v in found if (v.nth > 0) == returns]
    keep = pl.lit(False)
    for start, stop in spans:
        keep = keep | pl.col("step").is_between(start, stop - 1)
    return steps.filter(keep)
