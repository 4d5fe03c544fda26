"""What the stored tables say about visits and their probes. Bits; lower is better.

Every number has a formula id, `name/source`, because peers publish different numbers under one name.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float, Int, Num

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


class Probed(NamedTuple):
    """Bits on the probe of every probed regime after every stretch; row 0 is before any update.

    A regime below 0 is no regime of the stream (fresh latents), and is left out. Where there are very many
    regimes only some are probed. NaN: not probed at that checkpoint.
    """

    at: Int[np.ndarray, " checkpoints"]
    """Updates made so far."""
    regimes: Int[np.ndarray, " regimes"]
    """Sorted."""
    bits: Float[np.ndarray, "checkpoints regimes"]

    def last(self, found: Sequence[Visit]) -> Int[np.ndarray, " visits"]:
        """The last checkpoint within each visit, start < at <= stop; -1 where there is none."""
        if not len(self.at):
            return np.full(len(found), -1)
        rows = np.searchsorted(self.at, [v.stop for v in found], "right") - 1
        inside = (rows >= 0) & (self.at[rows] > [v.start for v in found])
        return np.where(inside, rows, -1)


def visits(steps: pl.DataFrame) -> list[Visit]:
    """The visits of a step table, in order. A new one begins at every row whose `shift` is true.

    Its regime is the one that is live at most of its steps; of equals, the first. Where batches mix regimes the live
    one is that of the larger weight by the schedule's law, which the table has in each row. (Older tables have the
    most frequent regime of each batch there, which is another one at some steps, and not at most.)
    """
    at, regime = steps["step"].to_numpy(), steps["regime"].to_numpy()
    starts = [0, *(int(i) for i in np.flatnonzero(steps["shift"].to_numpy()) if i)]
    found: list[Visit] = []
    seen: Counter[int] = Counter()
    for i, j in zip(starts, [*starts[1:], len(at)], strict=True):
        ((live, _),) = Counter(regime[i:j].tolist()).most_common(1)
        found.append(Visit(live, int(at[i]), int(at[j - 1]) + 1, seen[live]))
        seen[live] += 1
    return found


def by_visit(
    steps: pl.DataFrame, found: Sequence[Visit], values: Num[np.ndarray, " rows"]
) -> list[Num[np.ndarray, " _"]]:
    """One number per row of a step table, cut into visits."""
    at = steps["step"].to_numpy()
    first, last = (np.searchsorted(at, [v[edge] for v in found]) for edge in (1, 2))
    return [values[i:j] for i, j in zip(first, last, strict=True)]


def window(steps: pl.DataFrame, start: int, stop: int) -> pl.DataFrame:
    """The rows with start <= step < stop of a step table, which is in the order of its steps."""
    first, last = np.searchsorted(steps["step"].to_numpy(), [start, stop])
    return steps.slice(int(first), int(last - first))


def phase(
    steps: pl.DataFrame, found: Sequence[Visit], returns: bool, opening: int | None = None
) -> pl.DataFrame:
    """The rows of every first visit, or of every return.

    Args:
        steps: the step table.
        found: its visits.
        returns: returns rather than first visits.
        opening: only so many steps of each; None: all.
    """
    at, keep = steps["step"].to_numpy(), np.zeros(len(steps), bool)
    for visit in found:
        if (visit.nth > 0) == returns:
            stop = visit.stop if opening is None else min(visit.stop, visit.start + opening)
            first, last = np.searchsorted(at, [visit.start, stop])
            keep[first:last] = True
    return steps.filter(keep)


def mean(steps: pl.DataFrame, column: str) -> float | None:
    """The mean of a column; None where there are no rows, no such column, or it is not finite."""
    values = steps[column].to_numpy() if column in steps.columns else np.empty(0)
    result = float(values.mean()) if len(values) else np.inf
    return result if np.isfinite(result) else None


def probed(probes: pl.DataFrame, column: str = "kl/model") -> Probed:
    """A column of the probe table as a matrix."""
    held = probes.filter(pl.col("regime") >= 0)
    at, row = np.unique(held["step"].to_numpy(), return_inverse=True)
    regimes, place = np.unique(held["regime"].to_numpy(), return_inverse=True)
    bits = np.full((len(at), len(regimes)), np.nan)
    bits[row, place] = held[column].to_numpy()
    return Probed(at, regimes, bits)


def tasks(held: Probed, found: Sequence[Visit]) -> list[Visit]:
    """The visits that count as tasks: to a regime that is probed, and long enough for a probe to fall into them."""
    known = set(held.regimes.tolist())
    last = held.last(found).tolist()
    return [v for v, row in zip(found, last, strict=True) if v.regime in known and row >= 0]


def task_matrix(held: Probed, found: Sequence[Visit]) -> Float[np.ndarray, "tasks tasks"]:
    """e[i, j]: bits on the probe of task j's regime after task i; the probe used is the last one within the visit."""
    counted = tasks(held, found)
    return held.bits[held.last(counted)][:, _columns(held, counted)]


def learned(held: Probed, found: Sequence[Visit]) -> Float[np.ndarray, " tasks"]:
    """e[j, j]: bits on each task's probe right after it; the diagonal of the task matrix."""
    counted = tasks(held, found)
    return held.bits[held.last(counted), _columns(held, counted)]


def final(held: Probed, found: Sequence[Visit]) -> Float[np.ndarray, " tasks"]:
    """e[T, j]: bits on each task's probe after the last one; the bottom row of the task matrix."""
    counted = tasks(held, found)
    return held.bits[held.last(counted[-1:])[:, None], _columns(held, counted)].reshape(-1)


def untouched(held: Probed, found: Sequence[Visit]) -> Float[np.ndarray, " tasks"]:
    """b[j]: bits on the probe of task j's regime before any update; NaN if that was not probed.

    Peers take a random initialisation here. Ours is the pretrained network: what was transferred is what the
    stream taught, and what pretraining taught is not counted.
    """
    counted = tasks(held, found)
    if not len(held.at) or held.at[0]:
        return np.full(len(counted), np.nan)
    return held.bits[0, _columns(held, counted)]


def _columns(held: Probed, counted: Sequence[Visit]) -> Int[np.ndarray, " tasks"]:
    return np.searchsorted(held.regimes, [v.regime for v in counted])
