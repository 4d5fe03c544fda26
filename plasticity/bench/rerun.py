"""Rerun: cells of a results file drawn at random, run again from nothing, and compared."""

import random
from collections.abc import Iterator, Mapping, Sequence

from plasticity.bench.contest import Contest
from plasticity.bench.results import BenchResults, Score
from plasticity.bench.suite import Suite
from plasticity.bench.tuning_record import Fault
from plasticity.core.errors import ConfigError, Problem
from plasticity.launch import cells
from plasticity.launch.cells import Done
from plasticity.launch.executors import Engine

TOLERANCES: Mapping[str, float] = {
    "skill": 0.03,
    "forgetting": 0.2,
    "recovery": 5.0,
    "pretrained_gap": 0.02,
    "trainable": 0.0,
}
"""How far a number may be from that of the same cell run again; bits, steps. On the processor that it was made on it is
the same to the bit; another one rounds otherwise, and thousands of updates make more of that: up to .007 of skill and
.06 bits of forgetting in five cells of cpu-small without vector instructions. Milliseconds are a machine's own, and are
not compared."""


def draw(results: BenchResults, count: int, seed: int) -> list[int]:
    """Places in `results.cells`, sorted: so many, each as likely as any other.

    Raises:
        ConfigError: there are not so many.
    """
    if count > (most := len(results.cells)):
        text = f"expected at most {most}, the cells of the file, got {count}"
        raise ConfigError([Problem("--rerun", text)])
    return sorted(random.Random(seed).sample(range(len(results.cells)), count))


def unlike(one: Score, other: Score) -> list[str]:
    """Keys of `TOLERANCES` in which two measurements of one cell differ by more."""
    found = list[str]()
    for key, tolerance in TOLERANCES.items():
        here, there = getattr(one, key), getattr(other, key)
        if here is None or there is None:
            same = here is there
        else:
            same = abs(here - there) <= tolerance
        found += [key] * (not same)
    return found


class Rerun:
    """Some cells of verified results, to be run again in a folder of their own.

    Args:
        results: verified.
        suite: theirs, with their contenders.
        drawn: places in `results.cells`.
        out: an empty folder: what was kept elsewhere proves nothing.
        jobs: processes.

    Raises:
        ConfigError: the contenders' arguments give other labels than the file's; or some part cannot be built.
    """

    def __init__(
        self, results: BenchResults, suite: Suite, drawn: Sequence[int], out: str, jobs: int
    ):
        for mine, theirs in zip(suite.labels(), results.strategies, strict=True):
            if mine != theirs:
                text = f"expected the label {mine}, by its arguments"
                raise ConfigError([Problem(f"strategies.{theirs}", text)])
        self.contest, self.jobs = Contest(suite, out, jobs), jobs
        known = {
            (each.stream, each.network, each.strategy, each.seed): each
            for each in self.contest.counted(list(results.rates))
        }
        self.theirs = {i: results.cells[i] for i in drawn}
        self.cases = {
            i: known[c.stream, c.network, c.strategy, c.seed] for i, c in self.theirs.items()
        }

    def __len__(self) -> int:
        """Pretrainings and cells."""
        return len(cells.networks(self.cases.values())) + len(self.cases)

    def run(self) -> Iterator[Done]:
        """Everything; yields each part as it is done."""
        yield from cells.pretrain(cells.networks(self.cases.values()), Engine(jobs=self.jobs))
        yield from cells.run(self.cases.values(), self.contest.places, Engine(jobs=self.jobs))

    def faults(self) -> list[Fault]:
        """Numbers of the file that are not those found here, within TOLERANCES. Needs `run` done."""
        found = list[Fault]()
        for i, case in self.cases.items():
            mine = self.contest.score(case)
            for key in unlike(mine, self.theirs[i]):
                here, there = getattr(mine, key), getattr(self.theirs[i], key)
                text = f"expected {here} to {TOLERANCES[key]:g}, as {case.name} run again here has it, got {there}"
                found.append((f"cells.{i}.{key}", text))
        return found
