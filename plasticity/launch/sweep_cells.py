"""Cells of variations: made ordinary runs, done by many processes, and put into one table."""

import json
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from plasticity.core.names import folder_name
from plasticity.engine.pretrain_key import WEIGHTS
from plasticity.launch import cells
from plasticity.launch.cells import CellJob, case
from plasticity.launch.executors import Engine, share
from plasticity.launch.experiment import single
from plasticity.launch.folder import environment, resolved
from plasticity.launch.sweep import Point
from plasticity.report.verdict import divergence
from plasticity.results.load import load
from plasticity.results.shapes import expect
from plasticity.results.store import Cell, Run


class Task(NamedTuple):
    """One cell."""

    case: CellJob
    run: Run
    order: int
    """Its place in tables."""
    retries: int

    @property
    def cell(self) -> Cell:
        """Where it lies."""
        name = folder_name(self.case.strategy, f"-seed{self.case.seed}")
        return Cell(self.run.path / "cells" / name)

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.run.path.name}/{self.cell.name}"


class Outcome(NamedTuple):
    """A cell that was tried."""

    name: str
    kept: bool
    """Whether it was done before."""
    failure: str | None
    """What went wrong at the last try; None: it is done."""


def prepare(points: Sequence[Point], retries: int) -> list[Task]:
    """Write what makes each variation an ordinary run, and list its cells, the seeds outermost.

    Args:
        points: of one sweep.
        retries: how often a cell that fails is tried again, from its checkpoint.
    """
    tasks = list[tuple[int, Task]]()
    for _, experiment, run, _ in points:
        text = resolved(replace(experiment, seeds=_with_earlier(experiment.seeds, run)))
        begun = (run.path / "environment.json").exists()
        run.begin(text, run.environment if begun else environment())
        for nth, seed in enumerate(experiment.seeds):
            for index, (label, contender) in enumerate(experiment.contenders().items()):
                one = single(experiment, contender, seed)
                made = case(one, experiment.name, contender.network.cls.__name__, label, None)
                tasks.append((nth, Task(made, run, 1000 * seed + index, retries)))
    return [task for _, task in sorted(tasks, key=lambda pair: pair[0])]


def run(tasks: Sequence[Task], engine: Engine) -> Iterator[Outcome]:
    """Pretrain what is needed, each network once, then do every cell; those that are done come first.

    A cell that fails harms no other: its last traceback lies in its folder, as error.txt.
    """
    left = list[Task]()
    for task in tasks:
        if task.cell.done:
            yield Outcome(task.name, True, None)
        else:
            left.append(task)
    wanted = cells.networks(task.case for task in left)
    todo = [(*each, path) for path, each in wanted.items() if not (path / WEIGHTS).exists()]
    for _ in share(_pretrain, todo, engine, lambda *_: None):
        pass  # one that failed fails again in its cells, by name
    yield from share(_try, [(task,) for task in left], engine, _lost)


def table(points: Sequence[Point]) -> pl.DataFrame:
    """One row per variation and cell: what it sets, label, seed, and every number."""
    frames = [
        load(point.run.path)
        .summary.drop("run")
        .select(
            pl.lit(Path(point.run.path).name).alias("run"),
            *[pl.lit(json.dumps(v)).alias(k) for k, v in point.settings.items()],
            pl.all(),
        )
        for point in points
        if point.run.cells()
    ]
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()


def diverged(cells: pl.DataFrame) -> str:
    """Under which seeds a strategy diverged, and at which step; "": under none. The others say nothing of it.

    Args:
        cells: rows of `table`, of one variation and strategy.
    """
    if "diverged/step" not in cells.columns:
        return ""
    lost = cells.drop_nulls("diverged/step").select("seed", "diverged/step")
    return divergence(dict(lost.iter_rows())) if len(lost) else ""


def _pretrain(name: str, key: Any, path: Path) -> None:
    try:
        cells.pretrain_one(name, key, path)
    except Exception:
        return


def _try(task: Task) -> Outcome:
    """One cell, as often as it takes."""
    failure = None
    for _ in range(1 + task.retries):
        try:
            cells.carry_out(task.case, task.run, task.cell, task.order)
            task.cell.error.unlink(missing_ok=True)
            return Outcome(task.name, False, None)
        except Exception as error:
            failure = f"{type(error).__name__}: {error}".partition("\n")[0]
            task.cell.fail(traceback.format_exc())
    return Outcome(task.name, False, failure)


def _lost(arguments: tuple[Any, ...], why: str) -> Outcome:
    """A cell whose workers died, which nothing in them could tell."""
    (task,) = arguments
    task.cell.fail(f"{why}\n")
    return Outcome(task.name, False, why.partition("\n")[0])


def _with_earlier(seeds: Sequence[int], run: Run) -> list[int]:
    """These seeds, and those that were run here before."""
    file = run.path / "experiment.yaml"
    before = run.config.get("seeds", []) if file.exists() else []
    expect(file, before, [int], "seeds")
    return sorted({*seeds, *before})
