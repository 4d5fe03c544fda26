"""Sweep: variations of one experiment, each an ordinary run: all that are listed, or those that a sampler chooses."""

import itertools
import json
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from plasticity.config.schema import parse
from plasticity.config.yaml_source import Located, read
from plasticity.core.bounded import Natural
from plasticity.core.errors import ConfigError, Problem
from plasticity.core.names import check_name, folder_name
from plasticity.launch.cells import case
from plasticity.launch.experiment import Experiment, briefly, single, typed
from plasticity.launch.space import Dimension, TrialSampler
from plasticity.launch.validate import build_all
from plasticity.results.sealed import digest
from plasticity.results.store import Run

FIXED = ("seeds", "seed", "out", "name")
"""Keys of an experiment that a sweep decides itself."""
PARTS = ("set", "grid", "points", "space")
"""Keys of a sweep that hold keys of its experiment."""
LONG = 8
"""Characters of a number beyond which the name of a folder holds four of its digits; the hash holds all."""


@dataclass
class Sweep:
    """Variations of one experiment: every combination of the grid, with each of the points, under every seed.

    Or a search: the trials that a sampler chooses from a space, each of them a variation.
    A key is written as on the command line: `strategies.2.strength`, `optimizer.lr`, `stream.tunnels.0.symbols`.

    Args:
        experiment: its YAML, seen from the folder of this file.
        set: key -> value, of every variation.
        grid: key -> values, of which every combination is run.
        points: mappings key -> value that belong together.
        space: key -> which values it may take; in place of grid and points.
        sampler: how trials are chosen from the space.
        seeds: those of every variation; empty: the experiment's own.
        name: runs lie in <out>/<name>; null: the experiment's name, and -sweep.
    """

    experiment: str
    set: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    points: Sequence[Mapping[str, Any]] = ()
    space: Mapping[str, Dimension] = field(default_factory=dict)
    sampler: TrialSampler | None = None
    seeds: Sequence[Natural] = ()
    name: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            check_name(self.name)
        if self.space and self.sampler is None:
            raise ValueError("space: expected a `sampler` beside it, which chooses the trials")
        if self.sampler is not None and not self.space:
            raise ValueError("sampler: expected a `space` beside it, from which it chooses")
        if self.space and (self.grid or self.points):
            text = "expected neither `grid` nor `points` beside it; `choices` take their place"
            raise ValueError(f"space: {text}")
        if not (self.grid or self.points or self.space or self.seeds):
            raise ValueError("expected `grid`, `points`, `space` or `seeds`, got none of them")
        if empty := [key for key, values in self.grid.items() if not values]:
            raise ValueError(f"grid: expected at least one value of {empty[0]!r}")
        for key in {*self.grid, *self.space, *self.set}.union(*self.points) & {*FIXED}:
            part = "space" if key in self.space else "grid"
            raise ValueError(f"{part}: {key!r} is not varied: it is a key of the sweep itself")

    def settings(self) -> list[dict[str, Any]]:
        """What each variation sets, the grid's last key innermost.

        Of a search, whose trials are chosen later: the first value of every key, and each other end of one key.
        """
        if self.space:
            first = {key: each.ends[0] for key, each in self.space.items()}
            others = [{k: end} for k, each in self.space.items() for end in each.ends[1:]]
            return [first, *({**first, **other} for other in others)]
        combined = [
            dict(zip(self.grid, values, strict=True))
            for values in itertools.product(*self.grid.values())
        ]
        return [{**point, **values} for point in self.points or [{}] for values in combined]

    def kin(self, key: str) -> list[Any]:
        """The listed values of a key."""
        listed = [point[key] for point in self.points if key in point]
        choices = self.space[key].choices if key in self.space else ()
        return [*self.grid.get(key, ()), *listed, *choices]


class Point(NamedTuple):
    """One variation."""

    settings: dict[str, Any]
    experiment: Experiment
    run: Run
    """Where its cells lie; named by what decides its numbers, but for the seeds."""
    warnings: Sequence[Problem] = ()
    """Strategies that cannot act in it."""


class Variations:
    """What a sweep makes of its experiment; nothing is written.

    Args:
        file: the sweep.
        words: `--key=value`, put over the experiment before any variation.
        contracts: what a YAML chooses among.
        out: folder of all runs; None: the experiment's own.

    Raises:
        ConfigError: the file describes no sweep; with every problem.
    """

    def __init__(
        self, file: Path, words: Sequence[str], contracts: Sequence[type], out: str | None = None
    ):
        self.tree = read(file)
        self.sweep = parse(Sweep, self.tree, contracts)
        self.base = file.parent / self.sweep.experiment
        self.words, self.contracts, self.out = tuple(words), contracts, out

    def points(self, every: Iterable[Mapping[str, Any]]) -> list[Point]:
        """The variations that set this, each once.

        Raises:
            ConfigError: with the problems of every variation, each told once.
        """
        found, problems = dict[Path, Point](), list[Problem]()
        for settings in every:
            try:
                point = self.point(settings)
            except ConfigError as error:
                problems += [_placed(self.tree, problem) for problem in error.problems]
                continue
            found[point.run.path] = point
        if problems:
            raise ConfigError(problems)
        return [*found.values()]

    def point(self, settings: Mapping[str, Any]) -> Point:
        """The variation that sets this.

        Raises:
            ConfigError: it cannot be built; with every problem.
        """
        varied = read(self.base, [*self.words, *self._set(settings)])
        experiment = parse(Experiment, varied, self.contracts)
        experiment = self._named(experiment, settings)
        _, warnings = build_all(experiment, varied)
        if self.sweep.sampler and (n := len(experiment.contenders())) > 1:
            text = f"expected one network and one strategy, whose numbers decide, got {n} of both: say which by `set`"
            raise ConfigError([self.tree.problem(("sampler",), text)])
        ending, parent = f"-{_hash(experiment)}", Path(experiment.out) / (self.sweep.name or "")
        path = parent / folder_name(experiment.name, ending)
        if not path.exists():  # beside fewer values it was called otherwise
            path = next(iter(sorted(parent.glob(f"*{ending}"))), path)
        told = [_placed(self.tree, each) for each in warnings]
        return Point(dict(settings), experiment, Run(path), told)

    def command(self, settings: Mapping[str, Any]) -> str:
        """The line that runs a variation by itself."""
        seeds = [f"--seeds={list(self.sweep.seeds)}"] if self.sweep.seeds else []
        words = [os.path.normpath(self.base), *self.words, *self._set(settings), *seeds]
        return shlex.join(["plasticity", "run", *words])

    def _set(self, settings: Mapping[str, Any]) -> list[str]:
        """What a variation puts over its experiment."""
        return [f"--{k}={json.dumps(v)}" for k, v in [*self.sweep.set.items(), *settings.items()]]

    def _named(self, experiment: Experiment, settings: Mapping[str, Any]) -> Experiment:
        """With the sweep's seeds, a name that says what the variation sets, and everything in one folder."""
        sweep = self.sweep
        sweep.name = sweep.name or f"{experiment.name}-sweep"
        said = ",".join(f"{_short(k)}={_word(v, sweep.kin(k))}" for k, v in settings.items())
        seeds = list(sweep.seeds or experiment.seeds or [experiment.seed])
        name = folder_name(said) if said else experiment.name  # seeds alone vary nothing
        folder = str(
            Path(self.out or experiment.out).absolute()
        )  # workers elsewhere begin elsewhere
        return replace(experiment, seeds=seeds, name=name, out=folder)


def planned(
    file: Path, words: Sequence[str], contracts: Sequence[type], out: str | None = None
) -> tuple[Sweep, list[Point]]:
    """The sweep that a file describes, and its variations: as `Variations` has them.

    Raises:
        ConfigError: with the problems of every variation, each told once.
    """
    of = Variations(file, words, contracts, out)
    return of.sweep, of.points(of.sweep.settings())


def _short(key: str) -> str:
    """The last word of a key, and the number before it."""
    *_, number, word = ["", *key.split(".")]
    return f"{number}.{word}" if number.isdecimal() else word


def _word(value: Any, kin: Sequence[Any]) -> str:
    """A value, as briefly as tells it from others of its key: `Hazard`, where only one is of this type."""
    if typed(value):
        return briefly(value, [*kin, value])
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{value:.4g}" if isinstance(value, float) and len(text) > LONG else text


def _hash(experiment: Experiment) -> str:
    """Of all that decides the numbers of its cells, but for the seed."""
    inputs = [
        case(single(experiment, contender, 0), "", "", label, None).inputs()
        for label, contender in experiment.contenders().items()
    ]
    return digest(inputs)[:8]


def _placed(tree: Located, problem: Problem) -> Problem:
    """A problem of the command line that a setting brought, at its place in the file of the sweep."""
    where, _, key = problem.where.partition(": ")
    places = [path for path in tree.values if path and path[0] in PARTS]
    for path in places if where == "command line" else ():
        name = str(path[-1])
        if key == name or key.startswith(f"{name}.") or name.startswith(f"{key}."):
            return tree.problem(path, f"{key}: {problem.text}")
    return problem
