"""The razor: how far a learner is from its start on what it learns, which is said to foretell what it forgets."""

from collections.abc import Sequence

import polars as pl

from plasticity.core.predictors import MOVED
from plasticity.metrics.formula import Entry, formula
from plasticity.metrics.visits import Visit, learned, probed


@formula(
    Entry(
        "razor/shenfeld2025",
        "bits",
        "KL(network before any update, model) on the live regime's probe, mean over ends of visits",
        "arXiv 2509.04259",
    )
)
def razor_shenfeld2025(probes: pl.DataFrame, found: Sequence[Visit]) -> float | None:
    """E_x KL(pi_0(.|x) || pi(.|x)) over the task that is learned, at the end of each task (their section 4).

    None: stored before that was, or no visit is probed.
    """
    if MOVED not in probes.columns:
        return None
    bits = learned(probed(probes, MOVED), found)
    return float(bits.mean()) if len(bits) else None
