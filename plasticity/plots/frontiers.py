"""The frontier: bits lost on the live regime against bits lost on fresh latents, learners beside the exact curve."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from plasticity.metrics.summary import interval
from plasticity.plots.style import INK, WIDTH, Look, blank, key, key_height, looks, style

LINEAR = 0.01
"""Bits up to which both scales are linear; beyond, logarithmic."""
TICKS = (0, 0.01, 0.1, 1, 10)


@style()
def frontier(
    learners: Mapping[str, Sequence[tuple[float, float]]],
    curve: Float[np.ndarray, "2 shares"],
    shares: Sequence[float],
    drawn: Mapping[str, Look] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A point per learner with the 95 % intervals of both numbers, and the curve of exact mixtures, the best there is.

    Args:
        learners: title -> (bits lost on the live regime, bits lost on fresh latents), one pair per seed.
        curve: the same of the exact mixtures.
        shares: b of each.
        drawn: title -> its look; None: that of its spelling.
        ax: where; None: on a figure of its own.
    """
    drawn = drawn or looks(learners)
    ax = ax or blank(WIDTH, 300 + key_height(learners, WIDTH - 80))
    for scale in (ax.set_xscale, ax.set_yscale):
        scale("symlog", linthresh=LINEAR)
    handles: dict[str, Artist] = {}
    (handles["exact mixtures"],) = ax.plot(*curve, color=INK, linewidth=1.8, marker=".", ms=6)
    for x, y, share in zip(*curve, shares, strict=True):
        place = {"xytext": (4, 4), "textcoords": "offset points", "size": 9}
        ax.annotate(f"b = {share:g}", (x, y), **place)
    ends = list[str]()
    for title, pairs in learners.items():
        values = np.array(pairs, float).T
        if not values.size or not np.isfinite(values).all():
            continue
        mean, half = values.mean(1), [interval([*each]) or 0.0 for each in values]
        look = drawn[title]
        error = {"xerr": half[:1], "yerr": half[1:], "elinewidth": 1.2, "capsize": 2}
        handles[title] = ax.errorbar(*mean, fmt="o", ms=7, color=look.colour, **error)[0]
        ends.append(f"{title} {mean[0]:z.3f}, {mean[1]:z.3f}")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(TICKS, [f"{tick:g}" for tick in TICKS], minor=False)
        axis.set_ticks([], minor=True)
    _, high = ax.get_xlim()
    ax.set_xlim(-LINEAR / 4, max(high, 1.0))
    ax.set_ylim(-LINEAR / 4, max(ax.get_ylim()[1], 4.0))
    ax.set_xlabel("bits lost on the live regime, over the continual observer")
    ax.set_ylabel("bits lost on fresh latents")
    key(ax, handles, 44)
    ax.set_label(f"bits lost on the live regime, on fresh latents: {'; '.join(ends)}")
    return ax
