"""Contest: pretrain every network, choose every learning rate in worlds that do not count, then run what counts."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from plasticity.bench.results import (
    SCHEMA,
    BenchResults,
    Environment,
    How,
    Identity,
    Score,
    TunedRate,
)
from plasticity.bench.suite import Suite
from plasticity.core.errors import ConfigError, Problem
from plasticity.core.predictors import MODEL, PREDICTORS
from plasticity.launch import cells
from plasticity.launch.cells import CellJob, Done, case
from plasticity.launch.executors import Engine
from plasticity.launch.experiment import single
from plasticity.launch.folder import environment
from plasticity.launch.validate import build_all
from plasticity.metrics.summary import summarise
from plasticity.results.shapes import expect

COSTS = ("cost/ms_per_step", "cost/trainable", "cost/memory_bytes")
"""Numbers of a cell that are in no table."""


class Contest:
    """One suite in one folder. All that is done is kept, so that the same contest goes on where it was stopped.

    Args:
        suite: what is asked.
        out: folder of all runs; cells lie in <out>/bench/<suite>/cells.
        jobs: processes; each computes with its share of the cores.

    Raises:
        ConfigError: some part cannot be built, or this machine lacks what it asks for.
    """

    def __init__(self, suite: Suite, out: str, jobs: int):
        self.suite, self.out, self.jobs = suite, out, jobs
        self.folder = Path(out) / "bench" / suite.name
        self.places = self.folder / "cells"
        worlds = [suite.experiments(out, tuning) for tuning in (True, False)]
        first, *others = (each for world in worlds for each in world.values())
        build_all(first)
        for each in others:  # the strategies have been built by now
            build_all(replace(each, strategies=each.strategies[:1]))
        self.how: dict[tuple[str, str], How] = {
            (network, strategy): cells.rate(single(first, contender, 0))
            for network, strategy, contender in suite.entrants()
        }

    def run(self) -> Iterator[Done]:
        """Everything; yields each part as it is done.

        Raises:
            ConfigError: a cell took more than the suite's budget; it names what, and whose.
        """
        yield from cells.pretrain(self.networks(), Engine(jobs=self.jobs))
        yield from self._within_budget(self.tuning())
        yield from self._within_budget(self.counted(self.choices()))

    def __len__(self) -> int:
        """Pretrainings and cells, done or not."""
        entered = len(self.how) * len(self.suite.streams) * len(self.suite.seeds)
        return len(self.networks()) + len(self.tuning()) + entered

    def networks(self) -> dict[Path, Any]:
        """Every pretraining that is needed."""
        rates = dict.fromkeys(self.how)
        return cells.networks([*self._cases(True, rates), *self._cases(False, rates)])

    def tuning(self) -> list[CellJob]:
        """Every rate of the grid, in every held-out world, for all that have a rate to choose."""
        tuned = [who for who, how in self.how.items() if how == "tuned"]
        return [
            each
            for lr in self.suite.tuning.lrs
            for each in self._cases(True, dict.fromkeys(tuned, lr))
        ]

    def choices(self) -> list[TunedRate]:
        """The rate with the best mean skill over the held-out worlds; of equals, the lowest. Needs `tuning` done."""
        found: dict[tuple[str, str], dict[float, list[float | None]]] = {}
        for each in self.tuning():
            assert each.lr is not None
            mine = found.setdefault((each.network, each.strategy), {})
            mine.setdefault(each.lr, []).append(each.cell(self.places).summary.get("skill"))
        made = []
        for (network, strategy), how in self.how.items():
            skills = {lr: _mean(s) for lr, s in found.get((network, strategy), {}).items()}
            named = {f"{lr:g}": skill for lr, skill in skills.items()}
            made.append(TunedRate(network, strategy, how, best(skills), named))
        return made

    def counted(self, choices: list[TunedRate]) -> list[CellJob]:
        """The cells that count, at these rates; the seeds outermost."""
        return self._cases(False, {(c.network, c.strategy): c.lr for c in choices})

    def results(self) -> BenchResults:
        """What was found. Needs `run` done."""
        suite, choices = self.suite, self.choices()
        labels = suite.labels()
        strategies = [*suite.strategies, *suite.contenders]
        return BenchResults(
            SCHEMA,
            Identity(suite.name, suite.version, suite.hash),
            {k: s.resolved() for k, s in zip(labels, strategies, strict=True)},
            labels[len(suite.strategies) :],
            Environment(**environment()),
            choices,
            [self.score(each) for each in self.counted(choices)],
        )

    def score(self, each: CellJob) -> Score:
        """The numbers of a cell that is done."""
        cell = each.cell(self.places)
        expect(cell.path / "summary.json", cell.summary, dict.fromkeys(COSTS, float))
        tables = cell.steps.read(), cell.probes.read()
        found = cell.summary | summarise(*tables, frontier=cell.frontier.read())  # today's formulas
        return Score(
            each.stream,
            each.network,
            each.strategy,
            each.seed,
            each.lr,
            found["skill"],
            found["forgetting/chaudhry2018"],
            found["recovery/skill50"],
            found["cost/ms_per_step"],
            found["cost/trainable"],
            found["cost/memory_bytes"],
            cell.meta.get("pretrained_gap"),
            {who: found[f"kl/{who}"] for who in (MODEL, *PREDICTORS)},
            found["diverged/step"],
            found["frontier/excess"],
            found.get("cost/forward"),
            found.get("cost/backward"),
        )

    def _within_budget(self, wanted: list[CellJob]) -> Iterator[Done]:
        """Run them, and look at each that is done."""
        named = {each.name: each for each in wanted}
        for done in cells.run(wanted, self.places, Engine(jobs=self.jobs)):
            if self.suite.budget:
                summary = named[done.name].cell(self.places).summary
                problems = [
                    Problem(f"budget.{key}", f"{text}, by {done.name}")
                    for key, text in self.suite.budget.excess(summary)
                ]
                if problems:
                    raise ConfigError(problems)
            yield done

    def _cases(self, tuning: bool, rates: dict[tuple[str, str], Any]) -> list[CellJob]:
        """One for each seed, world, and (network, strategy) that has an entry among the rates."""
        worlds = self.suite.experiments(self.out, tuning)
        return [
            case(
                single(experiment, contender, seed),
                name,
                network,
                strategy,
                rates[network, strategy],
            )
            for seed in (self.suite.tuning if tuning else self.suite).seeds
            for name, experiment in worlds.items()
            for network, strategy, contender in self.suite.entrants()
            if (network, strategy) in rates
        ]


def best(skills: dict[float, float | None]) -> float | None:
    """The rate with the highest skill, undefined being the lowest; of equals, the lowest rate. None: no rates."""
    worst = -math.inf
    return min(
        skills, key=lambda lr: (-(worst if (s := skills[lr]) is None else s), lr), default=None
    )


def _mean(skills: list[float | None]) -> float | None:
    known = [s for s in skills if s is not None]
    return sum(known) / len(known) if len(known) == len(skills) else None
