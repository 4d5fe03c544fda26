"""Board: the strategies of several results files, a row for each, with what a reader must know to believe it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from plasticity.bench import leaderboard
from plasticity.bench.leaderboard import LeaderboardRow, cells, rows
from plasticity.bench.rerun import TOLERANCES, unlike
from plasticity.bench.results import BenchResults, Score
from plasticity.bench.suite import Suite, today
from plasticity.report.page import Chapter, NumberTable, Page, Section, Words

TITLES = (
    "",
    "suite",
    "hash",
    "rank",
    "skill",
    "gain",
    "excess",
    "forgetting",
    "cost",
    "memory",
    "budget",
    "tuned on",
    "commit",
    "reproduced by",
    "file",
)
NOTE = (
    "A row is a strategy in one results file; a click on a title sorts. Compare rows of one hash: it is of all that "
    "decides a suite's numbers. skill, gain: mean and 95 % interval over blocks. excess: frontier/excess, in bits. "
    "cost: of a step, Finetune's being 1. "
    "memory: bytes that the strategy remembers, at most. tuned on: held-out worlds x seeds x learning rates. "
    "commit: of the source; + where it was changed. reproduced by: other files with the same strategy in the same "
    "suite, measured at another time, all of whose cells agree to "
    f"{', '.join(f'{key} {value:g}' for key, value in TOLERANCES.items())}. None of that is proof: "
    "`plasticity bench submit FILE --rerun K` computes ideals and K cells again."
)
LEAD = "Results of one benchmark or several, with all that is needed to believe them, or not."


class BoardRow(NamedTuple):
    """One strategy of one file."""

    cells: list[str]
    """As `TITLES`."""
    skill: float
    """By which the board is sorted."""


def board(files: Mapping[str, BenchResults], suites: Sequence[Suite] = ()) -> list[BoardRow]:
    """All rows, the best mean skill first within each suite.

    Args:
        files: name -> results.
        suites: that are known, for what a hash does not say.
    """
    known = {suite.hash: suite for suite in suites}
    found = [
        BoardRow([*_cells(name, of, row, known.get(today(of.suite.hash)), files)], _mean(row.skill))
        for name, of in files.items()
        for row in rows(of)
    ]
    return sorted(found, key=lambda row: (row.cells[2], -row.skill))


def page(files: Mapping[str, BenchResults], suites: Sequence[Suite] = ()) -> Page:
    """The board as one sortable table.

    Args:
        files: name -> results.
        suites: that are known.
    """
    lines = [(row.cells, False) for row in board(files, suites)]
    blocks = [NumberTable(TITLES, lines, "board"), Words(NOTE, "small")]
    return Page("Leaderboard", LEAD, [Chapter("", [Section("", blocks)])])


def reproductions(name: str, strategy: str, files: Mapping[str, BenchResults]) -> Iterator[str]:
    """Names of the other files in which the same strategy came out alike, and was measured anew.

    Args:
        name: of the file.
        strategy: label.
        files: name -> results.
    """
    mine = files[name]
    own = _scores(mine, strategy)
    for other, of in files.items():
        if other == name or today(of.suite.hash) != today(mine.suite.hash):
            continue
        if of.strategies.get(strategy) != mine.strategies[strategy]:
            continue
        theirs = _scores(of, strategy)
        if own.keys() != theirs.keys():
            continue
        copied = all(own[key].ms_per_step == theirs[key].ms_per_step for key in own)
        if not copied and not any(unlike(own[key], theirs[key]) for key in own):
            yield other


def _cells(
    name: str,
    of: BenchResults,
    row: LeaderboardRow,
    suite: Suite | None,
    files: Mapping[str, BenchResults],
) -> Iterator[str]:
    shown = dict(zip(leaderboard.TITLES, cells(row), strict=True))
    memory = max(cell.memory_bytes for cell in of.cells if cell.strategy == row.strategy)
    made = of.environment
    yield row.strategy
    yield f"{of.suite.name} {of.suite.version}"
    yield today(of.suite.hash)[:8]
    yield from (shown[name] for name in ("rank", "skill", "gain", "excess", "forgetting", "cost"))
    yield f"{memory:,}"
    yield _budget(suite)
    yield _tuned(suite, of, row.strategy)
    yield f"{(made.commit or '-')[:8]}{'+' * made.changed}"
    yield ", ".join(reproductions(name, row.strategy, files)) or "-"
    yield name


def _budget(suite: Suite | None) -> str:
    """What a strategy may cost; "-" where the suite is not known."""
    if suite is None:
        return "-"
    each = f"{suite.updates.steps} per {suite.updates.per}"
    if suite.budget is None:
        return each
    limits = (f"{key} {value:g}" for key, value in vars(suite.budget).items() if value is not None)
    return "; ".join([each, *limits])


def _tuned(suite: Suite | None, of: BenchResults, strategy: str) -> str:
    hows = {choice.how for choice in of.rates if choice.strategy == strategy}
    if hows != {"tuned"}:
        return "own rate" if hows == {"own"} else "-"
    if suite is None:
        return "held-out worlds"
    part = suite.tuning
    return f"{', '.join(part.streams)} x {len(part.seeds)} x {len(part.lrs)}"


def _scores(of: BenchResults, strategy: str) -> dict[tuple[str, str, int], Score]:
    return {(c.stream, c.network, c.seed): c for c in of.cells if c.strategy == strategy}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else -np.inf


def names(paths: Sequence[Path]) -> list[str]:
    """What each file is called: its name, or its path where two are called alike."""
    short = [path.name for path in paths]
    return [str(p) if short.count(p.name) > 1 else p.name for p in paths]
