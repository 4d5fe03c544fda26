"""Checks of a metric: a formula with its entry, tried on made-up tables of cells of every kind."""

import math
import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from plasticity.checks.chance import global_chance_untouched
from plasticity.core.errors import did_you_mean
from plasticity.core.predictors import FRONTIER, MODEL, MOVED
from plasticity.metrics.formula import Formula, Number
from plasticity.metrics.glossary import clash, own
from plasticity.metrics.tables import Tables
from plasticity.results.shapes import BITS, FRESH, REALISED

Subject = Formula[..., object]
CLOSE = 1e-9
"""Largest relative gap between numbers that ought to be equal."""


class Shape(NamedTuple):
    """Of a cell."""

    steps: int
    visits: int
    regimes: int
    every: int
    """Steps between probes."""
    optional: bool = True
    """Whether the tables that a run may lack are there."""


SHAPES = {
    "regimes that return": Shape(240, 8, 3, 10),
    "first visits only": Shape(120, 3, 3, 10),
    "one visit": Shape(60, 1, 1, 10),
    "a last visit that is cut off": Shape(230, 7, 3, 10),
    "few steps, and no probe after the first": Shape(3, 1, 1, 4),
    "nothing but steps and probes": Shape(120, 3, 3, 10, optional=False),
}
LOST = "a learner whose weights are lost on the way"


def tables(shape: Shape, since: int | None = None, value: float = math.nan) -> Tables:
    """Made-up bits: visits of equal length to the regimes in turn, every regime probed, and fresh latents too.

    Args:
        shape: of the cell.
        since: step from which on the learner's bits are `value`; None: all are fine.
        value: nan, where its weights were lost.
    """
    rng, steps, length = np.random.default_rng(0), shape.steps, -(-shape.steps // shape.visits)
    step = np.arange(steps)
    regime = (step // length % shape.regimes).astype(np.int32)
    told = {name: rng.random(steps) for name in (*BITS, *REALISED)}
    told |= {"kl/informed": np.zeros(steps), "kl/amnesic": told["kl/amnesic"] + 1}
    head = {"step": step, "regime": regime, "shift": (step % length == 0) & (step > 0)}
    at, who = np.arange(0, steps + 1, shape.every), np.arange(-1, shape.regimes, dtype=np.int32)
    probed = {"step": np.repeat(at, len(who)), "regime": np.tile(who, len(at))}
    size, some = len(at) * len(who), (*BITS, *REALISED, *FRESH, MOVED)
    probes = pl.DataFrame(probed | {name: rng.random(size) for name in some})
    lines = pl.DataFrame(head | {"answers": np.full(steps, 12, np.int32)} | told)
    if not shape.optional:
        return Tables(lines.drop("answers"), probes)
    condition = pl.DataFrame({"step": at, "rank/model": np.linspace(5, 9, len(at))})
    live = regime[np.maximum(at - 1, 0)]
    mixed = {name: rng.random(len(at)) for name in FRONTIER}
    frontier = pl.DataFrame({"step": at, "regime": live, "fresh": np.full(len(at), -1)} | mixed)
    alone = {r: 0.1 * r for r in range(shape.regimes)}
    lines, probes, condition = (spoiled(t, since, value) for t in (lines, probes, condition))
    return Tables(lines, probes, condition, alone, told["kl/amnesic"], frontier)


def spoiled(table: pl.DataFrame, since: int | None, value: float) -> pl.DataFrame:
    """The table, the learner's numbers in it being `value` from step `since` on; None: as they are."""
    own = [name for name in table.columns if name.endswith(f"/{MODEL}") and since is not None]
    late = pl.col("step") >= (since or 0)
    return table.with_columns(
        pl.when(late).then(value).otherwise(pl.col(name)).alias(name) for name in own
    )


def numbers(of: Subject, what: str, found: Tables) -> Mapping[str, Number]:
    """The numbers of a formula, of a cell of this kind.

    Raises:
        AssertionError: it fails there.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return of.numbers(found)
    except Exception as error:
        raise AssertionError(
            f"of {what}: {type(error).__name__}: {error}; expected a number, or None where it is undefined"
        ) from error


def check_entry_is_whole(of: Subject) -> None:
    """Id and equation are there; an id that ends in a year has a source; no other number is called like it."""
    for entry in of.entries:
        assert entry.id.strip() and entry.formula.strip(), (
            f"{entry}: expected an id and an equation, as the glossary has them"
        )
        year = entry.id.rpartition("/")[2][-4:].isdigit()
        assert entry.source or not year, (
            f"{entry.id} is named after a paper; expected it as the source: Entry(id, unit, formula, source)"
        )
        others = [each for each in own() if each != of]
        assert not clash(entry, others), (
            f"there is a number {entry.id!r} already; expected an id of its own, as `{entry.id}/mine2026`"
        )


def check_asks_for_what_there_is(of: Subject) -> None:
    """Every parameter without a default is something that is known of a cell."""
    there = [name for name in dir(Tables) if not name.startswith("_")]
    there += [name for name in Tables.__dataclass_fields__ if name not in there]
    for name in of.needs:
        near = did_you_mean(name, there) or f" Known: {', '.join(sorted(there))}"
        assert name in there, f"its parameter {name!r} is nothing that is known of a cell.{near}"


def check_gives_its_numbers(of: Subject) -> None:
    """Of any cell: one number for each entry, Python's or NumPy's, or None where it is undefined."""
    for what, shape in SHAPES.items():
        for key, value in numbers(of, what, tables(shape)).items():
            assert any(entry.explains(key) for entry in of.entries), (
                f"it gave {key!r}, which none of its entries explains"
            )
            real = isinstance(value, int | float | np.integer | np.floating)
            assert value is None or (real and not isinstance(value, bool)), (
                f"of {what}: {key} is {value!r}; expected a number, or None where it is undefined"
            )


def check_is_a_function_of_the_tables(of: Subject) -> None:
    """The same tables give the same numbers, are left as they were, and no chance is used."""
    for what, shape in SHAPES.items():
        found, untouched = tables(shape), tables(shape)
        with global_chance_untouched(", ".join(of.keys), "nowhere"):
            one, other = numbers(of, what, found), numbers(of, what, found)
        assert alike(one, other), f"of {what}: two calls gave {one} and {other}; expected the same"
        for name in ("steps", "probes", "condition", "frontier"):
            table, before = getattr(found, name), getattr(untouched, name)
            assert table is None or table.equals(before, null_equal=True), (
                f"it changed the table {name!r}; expected it to be left as it was"
            )


def check_makes_nothing_of_what_is_lost(of: Subject) -> None:
    """Where a learner's bits are no numbers from some step on, nothing depends on what would have come after."""
    for shape in list(SHAPES.values())[:4]:
        for since in (0, shape.steps // 3, shape.steps - 1):
            lost = numbers(of, LOST, tables(shape, since))
            for value in (0.0, 0.7, 1e6):
                other = numbers(of, LOST, tables(shape, since, value))
                for key, number in lost.items():
                    if number is None or not math.isfinite(number) or key == "diverged/step":
                        continue
                    assert alike({key: number}, {key: other[key]}), (
                        f"{key} is {number:.6g} of a learner that was lost at step {since} of {shape.steps}, and "
                        f"{other[key]} had its bits been {value:g} from there on; expected None: it is not known"
                    )


def alike(one: Mapping[str, Number], other: Mapping[str, Number]) -> bool:
    """Whether numbers are equal, NaN being equal to itself."""
    if one.keys() != other.keys():
        return False
    pairs = [(one[key], other[key]) for key in one]
    return all(
        a == b
        or (a is not None and b is not None and (math.isclose(a, b, rel_tol=CLOSE) or a != a != b))
        for a, b in pairs
    )


METRIC_CHECKS = [
    check_entry_is_whole,
    check_asks_for_what_there_is,
    check_gives_its_numbers,
    check_is_a_function_of_the_tables,
    check_makes_nothing_of_what_is_lost,
]
"""Cheap ones first."""
