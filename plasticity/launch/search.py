"""Search: trials that a sampler chooses by the numbers of those before, each an ordinary variation.

No study is stored. The same command chooses again, in the same order and from the same seed; what it chose before is
done, costs nothing, and leads to the same next choices. So a search that was killed goes on as if it had not been.
"""

import json
from collections.abc import Iterator
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from plasticity.core.errors import ConfigError, one_line
from plasticity.launch.executors import Engine
from plasticity.launch.space import Dimension, TrialSampler
from plasticity.launch.sweep import Point, Variations
from plasticity.launch.sweep_cells import Outcome, Task, prepare, run, table

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution


class Tried(NamedTuple):
    """A trial that was chosen, and what came of it."""

    number: int
    """From 0, in the order of the choices."""
    settings: dict[str, Any]
    point: Point | None
    """None: it cannot be built."""
    refusal: str = ""
    """Why it cannot be built."""
    failed: bool = False
    """Whether a cell of it failed; the sampler then learns nothing from it."""
    value: float | None = None
    """Mean of the objective over the seeds; None: it counts as the worst."""

    @property
    def name(self) -> str:
        """For people."""
        said = ", ".join(f"{k}={json.dumps(v)}" for k, v in self.settings.items())
        return f"trial {self.number} ({said})"


class Search:
    """The trials of a sweep with a `space`.

    Args:
        of: the sweep.
        engine: what does the cells.
        retries: how often a cell that fails is tried again, from its checkpoint.
    """

    def __init__(self, of: Variations, engine: Engine, retries: int):
        assert of.sweep.sampler is not None, "a sweep with a sampler"
        self.of, self.engine, self.retries = of, engine, retries
        self.sampler = of.sweep.sampler
        self.tried: list[Tried] = []

    def run(self) -> Iterator[Outcome]:
        """Choose a batch of trials, do their cells, tell the sampler their numbers in their order; and again."""
        study, space = _study(self.sampler), self.of.sweep.space
        laws = {key: _law(each) for key, each in space.items()}
        while left := self.sampler.trials - len(self.tried):
            asked = [study.ask(laws) for _ in range(min(left, self.sampler.batch))]
            chosen = [self._chosen(each) for each in asked]
            points = {each.point.run.path: each.point for each in chosen if each.point}
            tasks = prepare([*points.values()], self.retries)
            yield from run(tasks, self.engine)
            for trial, each in zip(asked, chosen, strict=True):
                told = self._looked_at(each, tasks)
                self.tried.append(told)
                _tell(study, trial, told, self.sampler.worst)

    @property
    def best(self) -> Tried | None:
        """The first of the best trials; None: none has a number."""
        sign = 1 if self.sampler.direction == "maximize" else -1
        valued = [(sign * each.value, each) for each in self.tried if each.value is not None]
        return max(valued, key=lambda pair: pair[0])[1] if valued else None

    @property
    def points(self) -> list[Point]:
        """The variations that were tried, each once."""
        return [*{each.point.run.path: each.point for each in self.tried if each.point}.values()]

    def table(self) -> pl.DataFrame:
        """One row per variation and cell, as of any sweep; with the trial, its objective, and its line to run it."""
        found, best = table(self.points), self.best
        first = {each.point.run.path: each for each in reversed(self.tried) if each.point}
        rows = [
            (path.name, of.number, of.value, of is best, self.of.command(of.settings))
            for path, of in first.items()
        ]
        kinds = {"run": pl.String, "trial": pl.Int64, "objective": pl.Float64, "best": pl.Boolean}
        about = pl.DataFrame(rows, {**kinds, "command": pl.String}, orient="row")
        if not len(found):
            return found
        told = found.join(about, on="run", how="left", maintain_order="left")
        return told.select(*kinds, pl.exclude(*kinds))

    def _chosen(self, trial: "Trial") -> Tried:
        """The variation that a trial of the study stands for."""
        space = self.of.sweep.space
        settings = {key: _value(each, trial.params[key]) for key, each in space.items()}
        try:
            return Tried(trial.number, settings, self.of.point(settings))
        except ConfigError as error:
            return Tried(trial.number, settings, None, one_line(str(error)))

    def _looked_at(self, trial: Tried, tasks: list[Task]) -> Tried:
        """The trial with what its cells, if there are any, came to."""
        if trial.point is None:
            return trial
        cells = [task.cell for task in tasks if task.run.path == trial.point.run.path]
        if not all(cell.done for cell in cells):
            return trial._replace(failed=True)
        every = [cell.summary for cell in cells]
        values = [each.get(self.sampler.objective) for each in every]
        sound = [v for v in values if v is not None]
        if len(sound) < len(values) or any(each.get("diverged/step") is not None for each in every):
            return trial
        return trial._replace(value=fmean(sound))


def _study(sampler: TrialSampler) -> "Study":
    """A new study of Optuna's, in memory."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kinds = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
    chooser = kinds[sampler.type](seed=sampler.seed)
    return optuna.create_study(sampler=chooser, direction=sampler.direction)


def _law(of: Dimension) -> "BaseDistribution":
    """What Optuna chooses a value from; of choices, their places."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if of.low is None or of.high is None:
        return CategoricalDistribution(tuple(range(len(of.choices))))
    if of.whole:
        return IntDistribution(int(of.low), int(of.high), of.log, int(of.step or 1))
    return FloatDistribution(of.low, of.high, of.log, of.step)


def _value(of: Dimension, chosen: Any) -> Any:
    """What a setting is, of what Optuna chose."""
    if of.choices:
        return of.choices[chosen]
    return float(f"{chosen:.12g}") if of.step is not None and not of.whole else chosen


def _tell(study: "Study", trial: "Trial", told: Tried, worst: float) -> None:
    from optuna.trial import TrialState

    if told.failed:
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, worst if told.value is None else told.value)
