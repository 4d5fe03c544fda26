"""Worst cases along the way, from probes at every stretch (De Lange et al. 2023, arXiv 2205.13452).

Theirs are taken after every update. Ours see what the probes see: the resolution is the stretch, and what rises
and falls within one is missed. In bits, lower is better; theirs in accuracy, with R = -e.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from plasticity.metrics.visits import UNDEFINED, Probed, Visit

EVALUATIONS = 10
"""Evaluations in a window of WF and WP: theirs, w = 10."""


class Gap(NamedTuple):
    """What the visit after it did to a regime that had just been live."""

    bits: float
    """Worst during the next visit, less what it was before."""
    recovery: int | None
    """Steps from the shift until half of the gap is closed; None: never, in `watched` steps."""
    watched: int


def worst(held: Probed, found: Sequence[Visit]) -> Float[np.ndarray, " regimes"]:
    """Most bits e[n, r] over checkpoints n after the first visit to r, while another regime is live; NaN: no such n."""
    live = _live(held, found)
    learned = _first(held, found, 1)
    counts = (held.at[:, None] > learned) & (live[:, None] != held.regimes) & ~np.isnan(held.bits)
    most = np.where(counts, held.bits, -np.inf).max(0, initial=-np.inf)
    return np.where(np.isinf(most), np.nan, most)


def min_acc_delange2023(held: Probed, found: Sequence[Visit]) -> float | None:
    """Mean over learned regimes of the most bits ever lost on them since: their min-ACC, turned round."""
    return _mean(worst(held, found))


def wc_acc_delange2023(held: Probed, found: Sequence[Visit]) -> float | None:
    """1/k e[T, live] + 1/k sum over the other k-1 learned regimes of their `worst`: WC-ACC at the end.

    None where the regime that is live at the end is not probed.
    """
    here = held.regimes == (_live(held, found)[-1] if len(held.at) else -1)
    if not here.any():
        return None
    return _mean(np.where(here, held.bits[-1], worst(held, found)))


def wf_delange2023(
    held: Probed, found: Sequence[Visit], evaluations: int = EVALUATIONS
) -> float | None:
    """WF^w: mean over regimes of max(0, max_{m<n} (e[n] - e[m])), m and n within w successive evaluations.

    A regime is evaluated from the checkpoint at which its first visit begins.
    """
    return _mean(_rise(_since_first(held, found), evaluations))


def wp_delange2023(
    held: Probed, found: Sequence[Visit], evaluations: int = EVALUATIONS
) -> float | None:
    """WP^w: mean over regimes of max(0, max_{m<n} (e[m] - e[n])): the fastest gain, where WF is the fastest loss."""
    return _mean(_rise(-_since_first(held, found), evaluations))


def gaps(held: Probed, found: Sequence[Visit]) -> Iterator[Gap]:
    """The stability gap of every visit to a probed regime that another regime follows.

    bits = max_{n in the next visit} e[n, r] - e[end of this visit, r]. Recovery is looked for from the worst
    checkpoint of the next visit on, until r returns or the stream ends.
    """
    column = {r: k for k, r in enumerate(held.regimes.tolist())}
    counted = [v for v in found if v.regime in column]
    last = iter(held.last(counted).tolist())
    back = _back(counted, int(held.at[-1]) if len(held.at) else 0)
    for visit, after in zip(found, found[1:], strict=False):
        if visit.regime not in column:
            continue
        before, horizon = next(last), back[visit.start]
        first, end = np.searchsorted(held.at, [after.start, after.stop], "right")
        if before < 0 or first == end or after.regime == visit.regime:
            continue
        curve = held.bits[:, column[visit.regime]]
        top = int(first + np.argmax(curve[first:end]))
        bits = float(curve[top] - curve[before])
        until = int(np.searchsorted(held.at, horizon, "right"))
        closed = np.flatnonzero(curve[top:until] <= curve[before] + bits / 2)
        steps = int(held.at[top + closed[0]]) - after.start if len(closed) else None
        yield Gap(bits, steps, horizon - after.start)


def stability_gap_delange2023(found: Sequence[Gap]) -> float | None:
    """Mean stability gap, in bits. Negative: the next regime only ever helped."""
    return _mean(np.array([gap.bits for gap in found]))


def gap_recovery(found: Sequence[Gap]) -> tuple[float | None, int]:
    """Mean steps until half of a gap is closed, and how many never were; those count all steps watched.

    Gaps under UNDEFINED bits are nothing to recover from. Ours: the paper shows recovery, but defines no time.
    """
    open_ = [gap for gap in found if gap.bits >= UNDEFINED]
    times = [gap.watched if gap.recovery is None else gap.recovery for gap in open_]
    return _mean(np.array(times, float)), sum(gap.recovery is None for gap in open_)


def _live(held: Probed, found: Sequence[Visit]) -> Int[np.ndarray, " checkpoints"]:
    """The regime of the update just before each checkpoint; -1 before any."""
    place = np.searchsorted([v.start for v in found], held.at, "left") - 1
    return np.where(place >= 0, np.array([v.regime for v in found])[place], -1)


def _first(held: Probed, found: Sequence[Visit], edge: int) -> Float[np.ndarray, " regimes"]:
    """Where the first visit to each regime starts (edge 0) or stops (edge 1); infinity: never visited."""
    edges = {v.regime: (v.start, v.stop)[edge] for v in found if v.nth == 0}
    return np.array([edges.get(r, np.inf) for r in held.regimes.tolist()], float)


def _back(found: Sequence[Visit], end: int) -> dict[int, int]:
    """Start of a visit -> start of the next visit to its regime, or the end."""
    coming: dict[int, int] = {}
    times: dict[int, int] = {}
    for visit in reversed(found):
        times[visit.start] = coming.get(visit.regime, end)
        coming[visit.regime] = visit.start
    return times


def _since_first(held: Probed, found: Sequence[Visit]) -> Float[np.ndarray, "checkpoints regimes"]:
    """The bits of each regime from the start of its first visit on; NaN before."""
    return np.where(held.at[:, None] >= _first(held, found, 0), held.bits, np.nan)


def _rise(
    bits: Float[np.ndarray, "checkpoints regimes"], evaluations: int
) -> Float[np.ndarray, " regimes"]:
    """The largest rise within so many successive rows, at least 0; NaN: never two evaluations."""
    found = np.full(bits.shape[1], np.nan)
    for lag in range(1, min(evaluations, len(bits))):
        found = np.fmax(found, np.fmax.reduce(bits[lag:] - bits[:-lag], axis=0))
    return np.maximum(found, 0)


def _mean(values: Float[np.ndarray, " n"]) -> float | None:
    """The mean of what is defined; None if nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
