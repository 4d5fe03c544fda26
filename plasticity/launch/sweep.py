"""Sweep: variations of one experiment, each an ordinary run, their cells done by many processes."""

import itertools
import json
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from plasticity.config.schema import parse
from plasticity.config.yaml_source import Located, read
from plasticity.core.bounded import Natural
from plasticity.core.errors import ConfigError, Problem
from plasticity.core.names import check_name, folder_name
from plasticity.engine.pretrain_key import WEIGHTS
from plasticity.launch import cells
from plasticity.launch.cells import CellJob, case
from plasticity.launch.executors import Engine, share
from plasticity.launch.experiment import Experiment, single
from plasticity.launch.folder import environment, resolved
from plasticity.launch.validate import build_all
from plasticity.report.verdict import divergence
from plasticity.results.load import load
from plasticity.results.sealed import digest
from plasticity.results.shapes import expect
from plasticity.results.store import Cell, Run

FIXED = ("seeds", "seed", "out", "name")
"""Keys of an experiment that a sweep decides itself."""


@dataclass
class Sweep:
    """Variations of one experiment: every combination of the grid, with each of the points, under every seed.

    A key is written as on the command line: `strategies.2.strength`, `optimizer.lr`, `stream.tunnels.0.symbols`.

    Args:
        experiment: its YAML, seen from the folder of this file.
        set: key -> value, of every variation.
        grid: key -> values, of which every combination is run.
        points: mappings key -> value that belong together.
        seeds: those of every variation; empty: the experiment's own.
        name: runs lie in <out>/<name>; null: the experiment's name, and -sweep.
    """

    experiment: str
    set: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    points: Sequence[Mapping[str, Any]] = ()
    seeds: Sequence[Natural] = ()
    name: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            check_name(self.name)
        if not (self.grid or self.points or self.seeds):
            raise ValueError("expected `grid`, `points` or `seeds`, got none of them")
        if empty := [key for key, values in self.grid.items() if not values]:
            raise ValueError(f"grid: expected at least one value of {empty[0]!r}")
        for key in {*self.grid, *self.set}.union(*self.points) & {*FIXED}:
            raise ValueError(f"grid: {key!r} is not varied: it is a key of the sweep itself")

    def settings(self) -> list[dict[str, Any]]:
        """What each variation sets, the grid's last key innermost."""
        combined = [
            dict(zip(self.grid, values, strict=True))
            for values in itertools.product(*self.grid.values())
        ]
        return [{**point, **values} for point in self.points or [{}] for values in combined]


class Point(NamedTuple):
    """One variation."""

    settings: dict[str, Any]
    experiment: Experiment
    run: Run
    """Where its cells lie; named by what decides its numbers, but for the seeds."""
    warnings: Sequence[Problem] = ()
    """Strategies that cannot act in it."""


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


def planned(
    file: Path, words: Sequence[str], contracts: Sequence[type], out: str | None = None
) -> tuple[Sweep, list[Point]]:
    """The sweep that a file describes, and its variations; nothing is written yet.

    Args:
        file: the sweep.
        words: `--key=value`, put over the experiment before any variation.
        contracts: what a YAML chooses among.
        out: folder of all runs; None: the experiment's own.

    Raises:
        ConfigError: with the problems of every variation, each told once.
    """
    tree = read(file)
    sweep = parse(Sweep, tree, contracts)
    base = file.parent / sweep.experiment
    found, problems = dict[Path, Point](), list[Problem]()
    for settings in sweep.settings():
        own = [f"--{k}={json.dumps(v)}" for k, v in [*sweep.set.items(), *settings.items()]]
        try:
            varied = read(base, [*words, *own])
            experiment = parse(Experiment, varied, contracts)
            experiment = _named(sweep, experiment, settings, out)
            _, warnings = build_all(experiment, varied)
        except ConfigError as error:
            problems += [_placed(tree, problem) for problem in error.problems]
            continue
        folder = folder_name(experiment.name, f"-{_hash(experiment)}")
        path = Path(experiment.out) / (sweep.name or "") / folder
        told = [_placed(tree, each) for each in warnings]
        found[path] = Point(settings, experiment, Run(path), told)
    if problems:
        raise ConfigError(problems)
    return sweep, [*found.values()]


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


def _named(
    sweep: Sweep, experiment: Experiment, settings: Mapping[str, Any], out: str | None
) -> Experiment:
    """The variation with the sweep's seeds, a name that says what it sets, and everything in one folder."""
    sweep.name = sweep.name or f"{experiment.name}-sweep"
    said = ",".join(f"{_short(key)}={_word(value)}" for key, value in settings.items())
    seeds = list(sweep.seeds or experiment.seeds or [experiment.seed])
    name = folder_name(said) if said else experiment.name  # seeds alone vary nothing
    folder = str(Path(out or experiment.out).absolute())  # workers elsewhere begin elsewhere
    return replace(experiment, seeds=seeds, name=name, out=folder)


def _short(key: str) -> str:
    """The last word of a key, and the number before it."""
    *_, number, word = ["", *key.split(".")]
    return f"{number}.{word}" if number.isdecimal() else word


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _hash(experiment: Experiment) -> str:
    """Of all that decides the numbers of its cells, but for the seed."""
    inputs = [
        case(single(experiment, contender, 0), "", "", label, None).inputs()
        for label, contender in experiment.contenders().items()
    ]
    return digest(inputs)[:8]


def _with_earlier(seeds: Sequence[int], run: Run) -> list[int]:
    """These seeds, and those that were run here before."""
    file = run.path / "experiment.yaml"
    before = run.config.get("seeds", []) if file.exists() else []
    expect(file, before, [int], "seeds")
    return sorted({*seeds, *before})


def _placed(tree: Located, problem: Problem) -> Problem:
    """A problem of the command line that a setting brought, at its place in the file of the sweep."""
    where, _, key = problem.where.partition(": ")
    places = [path for path in tree.values if path[:1] in (("set",), ("grid",), ("points",))]
    for path in places if where == "command line" else ():
        name = str(path[-1])
        if key == name or key.startswith(f"{name}.") or name.startswith(f"{key}."):
            return tree.problem(path, f"{key}: {problem.text}")
    return problem
