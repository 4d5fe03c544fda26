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

    @property
    def place(self) -> tuple[float, float]:
        """(live, fresh) of the learner, means over visits."""
        return float(self.live.mean()), float(self.fresh.mean())


def points(
    steps: pl.DataFrame, probes: pl.DataFrame, frontier: pl.DataFrame | None
) -> Points | None:
    """The learner beside the curve, at the last probe of each visit.

    Args:
        steps: the step table.
        probes: the probe table.
        frontier: the frontier table.

    Returns:
        None: there is no table or no row: nothing is held, or nothing is known of likelihoods.
    """
    if frontier is None or not len(frontier):
        return None
    curves = frontier.select(c for c in frontier.columns if "/" in c).to_numpy()
    ends, regime, beside = (frontier[k].to_numpy() for k in ("step", "regime", "fresh"))
    rows = {
        k: i
        for i, k in enumerate(zip(*(probes[k].to_list() for k in ("step", "regime")), strict=True))
    }
    model, continual, fresh_bits = (
        probes[k].to_numpy() for k in ("kl/model", "kl/continual", "kl_amnesic/model")
    )
    found = list[tuple[int, float, float, np.ndarray]]()
    for visit in visits(steps):
        last = int(np.searchsorted(ends, visit.stop, "right")) - 1
        if last < 0 or ends[last] <= visit.start:
            continue
        step = int(ends[last])
        mine, fresh = (rows.get((step, int(each[last]))) for each in (regime, beside))
        if mine is None or fresh is None:  # it was not probed
            continue
        live = model[mine] - continual[mine]
        found.append((step, live, fresh_bits[fresh], curves[last].reshape(2, -1)))
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
        "KL(informed || model) - KL(informed || continual) on the live regime's probe, mean over ends of visits",
    ),
    Entry(
        "frontier/fresh",
        "bits",
        "KL(amnesic || model) on fresh latents at the same probes, mean over them",
    ),
    Entry(
        "frontier/excess",
        "bits",
        "bits on fresh latents above the exact mixture that loses as much on the live regime, mean over them; the "
        "mixture gives a fresh latent a share b of the prior and weighs by Bayes' rule inside the episode",
    ),
)
def frontier_excess(
    steps: pl.DataFrame, probes: pl.DataFrame, frontier: pl.DataFrame | None
) -> tuple[float | None, float | None, float | None]:
    """Where the learner lies beside the curve of exact mixtures; None: undefined, or the learner is lost."""
    known = points(steps, probes, frontier)
    if known is None or not np.isfinite([*known.live, *known.fresh]).all():
        return None, None, None
    above = excess(known.live, known.fresh, known.curve)
    return float(known.live.mean()), float(known.fresh.mean()), float(above.mean())
