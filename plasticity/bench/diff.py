"""Difference of two results files: what was asked otherwise, and what came out otherwise, paired by cell."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from rich.markup import escape
from rich.table import Table as RichTable

from plasticity.bench.leaderboard import skill, units
from plasticity.bench.results import BenchResults
from plasticity.config.recipe import plain
from plasticity.report.verdict import Difference, corrected

QUIET = ("command", "threads")
"""Of an environment, what changes no number."""
NOTE = (
    "with its 95 % interval over blocks (stream x network), or over the seeds of a single one (Student's t). Surely: a "
    "paired t test at 5 %, corrected (Holm) for every strategy of the table."
)
Key = tuple[str, str, int]
"""Stream, network, seed."""


class DiffRow(NamedTuple):
    """One strategy in both files."""

    strategy: str
    before: float | None
    """Mean skill over the cells that both have; None: it diverged in one, or they share none."""
    after: float | None
    difference: Difference | None
    """Of the second file less the first, a value per block, or per seed where there is one block."""
    cells: int
    """How many both have, with a skill."""


class BenchDiff(NamedTuple):
    """Of a first and a second results file."""

    changes: list[tuple[str, str, str]]
    """(key, in the first, in the second) of all that was asked, chosen or used otherwise."""
    rows: list[DiffRow]
    """In the order of the first file."""


def diff(first: BenchResults, second: BenchResults) -> BenchDiff:
    """Second less first, of every strategy that both have under one label.

    Args:
        first: results.
        second: others, of the same suite or of another: only cells of the same stream, network and seed are paired.
    """
    found = [
        _row(label, _skills(first, label), _skills(second, label))
        for label in first.strategies
        if label in second.strategies
    ]
    tested = corrected([row.difference for row in found if row.difference])
    after = iter(tested)
    rows = [row._replace(difference=next(after)) if row.difference else row for row in found]
    return BenchDiff([*_changes(first, second)], rows)


def shown(found: BenchDiff, names: tuple[str, str]) -> RichTable:
    """The rows, for a terminal.

    Args:
        found: the difference.
        names: of the two files.
    """
    caption = f"Skill over the cells that both have. Δ: {names[1]} less {names[0]}, {NOTE}"
    table = RichTable(caption=escape(caption), box=None, header_style="bold", pad_edge=False)
    for title in ("", *names, "Δ skill", "surely differs", "cells"):
        table.add_column(escape(title), justify="right" if title else "left")
    for row in found.rows:
        bits = ("-" if v is None else f"{v:z.3f}" for v in (row.before, row.after))
        apart = row.difference
        told = ("-", "-") if apart is None else (apart.shown(3), "yes" if apart.sure else "no")
        table.add_row(*map(escape, (row.strategy, *bits, *told, str(row.cells))))
    return table


def _row(label: str, before: Mapping[Key, float], after: Mapping[Key, float]) -> DiffRow:
    shared = [key for key in before if key in after]
    pairs = np.array([[before[key], after[key]] for key in shared])
    if not len(pairs) or not np.isfinite(pairs).all():
        return DiffRow(label, None, None, None, len(pairs))
    blocks = [*dict.fromkeys(key[:2] for key in shared)]
    seeds = [*dict.fromkeys(key[2] for key in shared)]
    apart = np.full((len(blocks), len(seeds)), np.nan)
    for key, (one, other) in zip(shared, pairs, strict=True):
        apart[blocks.index(key[:2]), seeds.index(key[2])] = other - one
    one, other = pairs.mean(0).tolist()
    return DiffRow(label, one, other, Difference(units(apart).tolist()), len(pairs))


def _skills(results: BenchResults, label: str) -> dict[Key, float]:
    """Of its cells, where skill is defined; infinite where the learner's weights were lost."""
    found = {(c.stream, c.network, c.seed): skill(c) for c in results.cells if c.strategy == label}
    return {key: value for key, value in found.items() if not np.isnan(value)}


def _changes(first: BenchResults, second: BenchResults) -> Iterator[tuple[str, str, str]]:
    one, other = (dict(_flat(_asked(each), "")) for each in (first, second))
    for key in dict.fromkeys([*one, *other]):
        here, there = (str(each.get(key, "not there")) for each in (one, other))
        if here != there:
            yield key, here, there


def _asked(results: BenchResults) -> dict[str, Any]:
    """All that is no outcome."""
    made = {k: v for k, v in plain(results.environment).items() if k not in QUIET}
    rates = {f"{r.network} {r.strategy}": r.lr for r in results.rates}
    return {
        "suite": plain(results.suite),
        "strategies": plain(results.strategies),
        "learning rate": rates,
        "environment": made,
    }


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inside in value.items():
            yield from _flat(inside, f"{path}.{key}" if path else key)
    else:
        yield path, value
