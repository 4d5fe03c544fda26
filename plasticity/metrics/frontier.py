"""The frontier's numbers: where a learner lies beside the exact mixtures, and how many bits above their curve."""

from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float

from plasticity.metrics.formula import Entry, formula
from plasticity.metrics.visits import visits


class Points(NamedTuple):
    """A learner and the exact curve, at the last probe of each visit."""

    steps: list[int]
    """Updates made."""
    live: Float[np.ndarray, " visits"]
    """KL(informed || model) - KL(informed || continual) on the live regime's probe, in bits."""
    fresh: Float[np.ndarray, " visits"]
    """KL(amnesic || model) on fresh latents, in bits."""
    curve: Float[np.ndarray, "visits 2 shares"]
    """(live, fresh) of the exact mixtures, in bits; live rises with the share."""


def points(steps: pl.DataFrame, probes: pl.DataFrame, frontier: pl.DataFrame) -> Points | None:
    """The learner beside the curve, at the last probe of each visit.

    Args:
        steps: the step table.
        probes: the probe table.
        frontier: the frontier table; one with no rows where nothing is held, or nothing is known of likelihoods.

    Returns:
        None: no visit has a row.
    """
    if not len(frontier):
        return None
    names = [c for c in frontier.columns if "/" in c]
    found = list[tuple[int, float, float, np.ndarray]]()
    for visit in visits(steps):
        rows = frontier.filter((pl.col("step") > visit.start) & (pl.col("step") <= visit.stop))
        for row in rows.tail(1).iter_rows(named=True):
            at = probes.filter(pl.col("step") == row["step"])
            mine, fresh = (at.filter(pl.col("regime") == row[k]) for k in ("regime", "fresh"))
            live = mine["kl/model"].item() - mine["kl/continual"].item()
            curve = np.array([row[name] for name in names]).reshape(2, -1)
            found.append((row["step"], live, fresh["kl_amnesic/model"].item(), curve))
    if not found:
        return None
    at, live, fresh, curve = zip(*found, strict=True)
    return Points(list(at), np.array(live), np.array(fresh), np.stack(curve))


def excess(
    live: Float[np.ndarray, " n"],
    fresh: Float[np.ndarray, " n"],
    curve: Float[np.ndarray, "n 2 shares"],
) -> Float[np.ndarray, " n"]:
    """Bits on fresh latents above the exact mixture that loses as much on the live regime.

    Between two shares the curve is taken for straight, which is above it: the excess is a lower bound. One who loses
    more on the live regime than the amnesic observer (b = 1) is held against 0; one who loses less than the continual
    observer, by the luck of a probe, against b = 0.
    """
    found = [y - np.interp(x, c[0], c[1]) for x, y, c in zip(live, fresh, curve, strict=True)]
    return np.array(found)


@formula(
    Entry(
        "frontier/live",
        "bits",
        "mean over visits of KL(model) - KL(continual) on the live regime's probe, at the visit's last checkpoint",
    ),
    Entry("frontier/fresh", "bits", "the same of KL(amnesic, model) on fresh latents"),
    Entry(
        "frontier/excess",
        "bits",
        "mean over visits of frontier/fresh less what the exact mixture has there that loses as much on the live "
        "regime: what it costs beyond what belief must cost",
    ),
)
def frontier_means(
    steps: pl.DataFrame, probes: pl.DataFrame, frontier: pl.DataFrame | None
) -> tuple[float | None, float | None, float | None]:
    """Means over visits, in bits; None where no mixture was recorded, or the learner's bits are not finite."""
    known = None if frontier is None else points(steps, probes, frontier)
    if known is None or not np.isfinite([*known.live, *known.fresh]).all():
        return None, None, None
    above = excess(known.live, known.fresh, known.curve)
    return float(known.live.mean()), float(known.fresh.mean()), float(above.mean())
