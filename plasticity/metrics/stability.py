"""Worst cases along the way, from probes at every stretch (De Lange et al. 2023, arXiv 2205.13452).

Theirs are taken after every update. Ours see what the probes see: the resolution is the stretch, and what rises
and falls within one is missed. In bits, lower is better; theirs in accuracy, with R = -e. Infinite bits are those of a
learner whose weights are lost: what meets them is infinite, or None where it is a time.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from plasticity.metrics.formula import Entry, formula
from plasticity.metrics.visits import UNDEFINED, Probed, Visit, tasks

EVALUATIONS = 10
"""Evaluations in a window of WF and WP: theirs, w = 10."""


class Gap(NamedTuple):
    """What the visit after it did to a regime that had just been live."""

    bits: float
    """Worst during the next visit, less what it was before."""
    recovery: int | None
    """Steps from the shift until half of the gap is closed; None: never, in `watched` steps."""
    watched: int
    lost: bool = False
    """Whether the learner's weights were lost before it closed, so that nothing is known."""


@formula(
    Entry(
        "min_acc/delange2023",
        "bits",
        "mean_(j<T) of the most bits on task j's probe after task j, to the end",
        "arXiv 2205.13452",
    )
)
def min_acc_delange2023(held: Probed, found: Sequence[Visit]) -> float | None:
    """1/(k-1) sum_{i<k} max_{n > end of task i} e[n, i]: min-ACC at the end, turned round.

    A task is a visit; where its regime returns, the evaluations while it is live again count too, as in theirs.
    """
    counted = tasks(held, found)
    column = {r: k for k, r in enumerate(held.regimes.tolist())}
    since = [held.bits[held.at > task.stop, column[task.regime]] for task in counted[:-1]]
    return _mean(np.array([np.fmax.reduce(bits) for bits in since]))


@formula(
    Entry(
        "wc_acc/delange2023",
        "bits",
        "e[T,T]/T + (1 - 1/T) min_acc: the worst case, with the last task as it is",
        "arXiv 2205.13452",
    )
)
def wc_acc_delange2023(held: Probed, found: Sequence[Visit]) -> float | None:
    """1/k e[T, k] + (1 - 1/k) min-ACC: WC-ACC at the end.

    None where the last visit is to a regime that is not probed, or ends before its probe.
    """
    counted = tasks(held, found)
    if not counted or counted[-1] != found[-1]:
        return None
    now = held.bits[held.last(counted[-1:])[0], held.regimes.tolist().index(counted[-1].regime)]
    share, least = 1 / len(counted), min_acc_delange2023(held, found)
    if len(counted) == 1:
        return float(now)
    return None if least is None else float(share * now + (1 - share) * least)


@formula(
    Entry(
        "min_acc/while_away",
        "bits",
        "mean over regimes of the most bits after the first visit, while another regime is live",
    )
)
def min_acc_while_away(held: Probed, found: Sequence[Visit]) -> float | None:
    """Mean over learned regimes of the most bits lost on them while they were away."""
    return _mean(worst(held, found))


def worst(held: Probed, found: Sequence[Visit]) -> Float[np.ndarray, " regimes"]:
    """Most bits e[n, r] over checkpoints n after the first visit to r, while another regime is live; NaN: no such n."""
    live = _live(held, found)
    learned = _first(held, found, 1)
    counts = (held.at[:, None] > learned) & (live[:, None] != held.regimes) & ~np.isnan(held.bits)
    most = np.where(counts, held.bits, -np.inf).max(0, initial=-np.inf)
    return np.where(counts.any(0), most, np.nan)


@formula(
    Entry(
        "wf10/delange2023",
        "bits",
        "mean over regimes of the largest rise within 10 probes, at least 0",
        "arXiv 2205.13452",
    )
)
def wf_delange2023(
    held: Probed, found: Sequence[Visit], evaluations: int = EVALUATIONS
) -> float | None:
    """WF^w: mean over regimes of max(0, max_{m<n} (e[n] - e[m])), m and n within w successive evaluations.

    A regime is evaluated from the checkpoint at which its first visit begins.
    """
    return _mean(_rise(_since_first(held, found), evaluations, 1))


@formula(
    Entry(
        "wp10/delange2023",
        "bits",
        "mean over regimes of the largest fall within 10 probes, at least 0",
        "arXiv 2205.13452",
    )
)
def wp_delange2023(
    held: Probed, found: Sequence[Visit], evaluations: int = EVALUATIONS
) -> float | None:
    """WP^w: mean over regimes of max(0, max_{m<n} (e[m] - e[n])): the fastest gain, where WF is the fastest loss."""
    return _mean(_rise(_since_first(held, found), evaluations, -1))


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
        if np.isinf(curve[[before, top]]).any():
            yield Gap(np.inf, None, horizon - after.start, lost=True)
            continue
        bits = float(curve[top] - curve[before])
        until = int(np.searchsorted(held.at, horizon, "right"))
        closed = np.flatnonzero(curve[top:until] <= curve[before] + bits / 2)
        steps = int(held.at[top + closed[0]]) - after.start if len(closed) else None
        lost = steps is None and bool(np.isinf(curve[top:until]).any())
        yield Gap(bits, steps, horizon - after.start, lost)


@formula(
    Entry(
        "stability_gap/delange2023",
        "bits",
        "most bits during the next visit less those at the end of the own",
        "arXiv 2205.13452",
    ),
    Entry(
        "stability_gap/recovery50",
        "steps",
        "from the shift until half of a gap is closed; never: until it returns or the end",
    ),
    Entry("stability_gap/never", "visits", "gaps that were never half closed"),
)
def stability_gaps(
    held: Probed, found: Sequence[Visit]
) -> tuple[float | None, float | None, int | None]:
    """Mean gap, mean recovery from it, and how many never were."""
    each = list(gaps(held, found))
    return (stability_gap_delange2023(each), *gap_recovery(each))


def stability_gap_delange2023(found: Sequence[Gap]) -> float | None:
    """Mean stability gap, in bits. Negative: the next regime only ever helped."""
    return _mean(np.array([gap.bits for gap in found]))


def gap_recovery(found: Sequence[Gap]) -> tuple[float | None, int | None]:
    """Mean steps until half of a gap is closed, and how many never were; those count all steps watched.

    Gaps under UNDEFINED bits are nothing to recover from. Ours: the paper shows recovery, but defines no time.
    """
    open_ = [gap for gap in found if gap.bits >= UNDEFINED]
    if any(gap.lost for gap in open_):
        return None, None
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
    bits: Float[np.ndarray, "checkpoints regimes"], evaluations: int, sign: int
) -> Float[np.ndarray, " regimes"]:
    """The largest rise (sign 1) or fall (-1) within so many successive rows, at least 0; NaN: never two evaluations.

    Infinite where some bits are.
    """
    lost = np.isinf(bits).any(0)
    found, kept = np.full(bits.shape[1], np.nan), np.where(np.isinf(bits), 0.0, sign * bits)
    for lag in range(1, min(evaluations, len(bits))):
        found = np.fmax(found, np.fmax.reduce(kept[lag:] - kept[:-lag], axis=0))
    return np.where(lost, np.inf, np.maximum(found, 0))


def _mean(values: Float[np.ndarray, " n"]) -> float | None:
    """The mean of what is defined; None if nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
