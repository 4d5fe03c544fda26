"""Numbers of a cell: those that it stored, or what today's formulas make of its tables. No torch."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
from jaxtyping import Float

from plasticity.metrics.glossary import glossary, plugged
from plasticity.metrics.skill import closed, gain
from plasticity.metrics.summary import finite, summarise
from plasticity.results.shapes import BITS
from plasticity.results.store import Cell

BAND = ["step", "kl/model", "kl/amnesic", "kl/continual"]
"""Of the step table, what a gain is made of."""
Unmoved = Mapping[tuple[int, str], Sequence[Cell]]
"""(seed, network and how far it was pretrained) -> cells of the strategy Frozen, of one run."""


def unmoved(cells: Iterable[Cell]) -> Unmoved:
    """Those of the cells whose network is never updated, by what makes them comparable to others."""
    found: dict[tuple[int, str], list[Cell]] = {}
    for cell in cells:
        if (cell.meta.get("strategy") or {}).get("type") == "Frozen":
            found.setdefault(_network(cell), []).append(cell)
    return found


def numbers(cell: Cell, frozen: Unmoved | None = None) -> dict[str, Any] | None:
    """Formula id -> number of a cell; of an unfinished one, those so far; None: nothing is stored yet.

    A summary from before a number of today was thought of is derived anew, from its tables, and so is each where
    plugins bring metrics, whose equations may have changed since; what is not in them stays
    as it was stored (`cost/`, `network/`, `world/`), and what they lack is None (code lengths, where answers were not
    counted).

    Args:
        cell: finished or not.
        frozen: of its run; None: they are looked for.
    """
    if not cell.done:
        return derived(cell, frozen=frozen)
    stored = cell.summary
    if not plugged()[0] and today() <= stored.keys():
        return stored | {"gain": _gain(cell, stored, frozen)}
    kept = {k: v for k, v in stored.items() if k.startswith(("cost/", "network/", "world/"))}
    found = derived(cell, frozen=frozen)
    return stored if found is None else found | kept


@cache
def today() -> set[str]:
    """Ids of the numbers that every summary of today has."""
    return {entry.id for entry in glossary() if "<" not in entry.id} | BITS.keys()


@runtime_checkable
class OwnSummary(Protocol):
    """What a stream tells of a learner that no other could."""

    def summary(self, steps: pl.DataFrame, probes: pl.DataFrame) -> dict[str, float | None]:
        """Name -> number, from the tables of a cell."""
        ...


def derived(
    cell: Cell, stream: OwnSummary | None = None, frozen: Unmoved | None = None
) -> dict[str, Any] | None:
    """The numbers of a cell from its tables, by today's formulas; None: there are no steps or no probes yet.

    Args:
        cell: finished or not.
        stream: the world, if what only it can tell is wanted too.
        frozen: of its run; None: they are looked for.
    """
    tables = cell.steps, cell.probes, cell.condition, cell.frontier
    steps, probes, condition, frontier = (each.read() for each in tables)
    if not (len(steps) and len(probes)):
        return None
    own = stream.summary(steps, probes) if stream else {}
    start = never_updated(cell, steps, frozen)
    found = summarise(steps, probes, condition, frozen=start, frontier=frontier)
    return found | finite({f"world/{k}": v for k, v in own.items()})


def never_updated(
    cell: Cell, steps: pl.DataFrame, frozen: Unmoved | None = None
) -> Float[np.ndarray, " steps"] | None:
    """KL(informed || the same network, never updated) at the steps of a cell, from the one that ran beside it.

    That is the cell of the strategy Frozen with the same seed and network, which met the same batches.

    Args:
        cell: whose.
        steps: its step table, or those of its columns that BAND names.
        frozen: of its run; None: they are looked for.

    Returns:
        bits; None: there is none beside it, or not yet at all these steps.
    """
    for other in _twins(cell, frozen):
        table = other.steps.read(BAND)
        both = steps.select("step", "kl/amnesic").join(table, on="step") if len(table) else table
        alike = len(both) == len(steps) and np.allclose(
            both["kl/amnesic"], both["kl/amnesic_right"]
        )
        if alike:
            return both["kl/model"].to_numpy()
    return None


def _gain(cell: Cell, stored: Mapping[str, Any], frozen: Unmoved | None) -> float | None:
    """Of a finished cell, by what lies beside it now: by its numbers, if that is finished too."""
    twins = _twins(cell, frozen)
    for other in twins:
        its = other.summary if other.done else {}
        if its and all(
            math.isclose(stored[k] or math.nan, its.get(k) or math.nan, rel_tol=1e-9, abs_tol=1e-8)
            for k in ("steps", "kl/amnesic", "kl/continual")
        ):
            bits = [its.get("kl/model"), stored["kl/model"], stored["kl/continual"]]
            return None if None in bits else finite({"": closed(*bits)})[""]
    if not twins or not len(steps := cell.steps.read(BAND)):
        return None
    return finite({"": gain(steps, never_updated(cell, steps, frozen))})[""]


def _twins(cell: Cell, frozen: Unmoved | None) -> Sequence[Cell]:
    """The cells in which the same network met the same batches and was never updated."""
    if frozen is None:
        frozen = unmoved(Cell(p.parent) for p in cell.path.parent.glob("*/cell.json"))
    return frozen.get(_network(cell), ())


def _network(cell: Cell) -> tuple[int, str]:
    return cell.seed, json.dumps([cell.meta.get("network"), cell.meta.get("pretrained_gap")])
