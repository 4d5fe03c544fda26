"""Our engine against Avalanche's own loop, as ratios within one run: `make bench`. Rounds alternate.

The quickstart's network, a transformer of width 64 and depth 2, on 8 sequences of 32 symbols, six of them. Nothing is
scored, and batches are made beforehand on both sides. "inner" is the time of a step without what happens at a shift,
"whole" with it. The first regime, in which nothing is remembered yet, does not count. It is the process's own time,
on one thread, because growth compares moments that are minutes apart, and a busy machine is not the same at both.
"""

import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pytest_benchmark.fixture import BenchmarkFixture

from plasticity import Strategy, Stream
from plasticity.avalanche import Criterion, to_avalanche
from plasticity.forward import Forward
from plasticity.guests import fenced
from plasticity.learner import Learner, Spec
from plasticity.metrics import standard
from plasticity.networks import Transformer
from plasticity.optimizer import AdamW
from plasticity.store import Cell
from plasticity.tunnel import Batch
from plasticity.walk import Hardware, walk
from strategies import EWC, Finetune, Replay
from streams import Abrupt, Markov

SPEC = Spec(vocab=6, symbols=6, batch=8, time=32)


class Times(NamedTuple):
    """Seconds of this process per step, in each regime."""

    inner: list[float]
    whole: list[float]


Run = Callable[[], Times]


class Recorded(Abrupt):
    """A stream whose batches were made beforehand, so that data cost nothing."""

    def __getitem__(self, step: int) -> Batch:
        if not hasattr(self, "made"):
            self.made = [super(Recorded, self).__getitem__(s) for s in range(self.steps)]
        return self.made[step]


def stream(period: int, regimes: int) -> Recorded:
    made = Recorded([Markov(6, 0.3)], period, period * regimes, SPEC.batch, SPEC.time, probe=8)
    assert len(made[0].inputs) == SPEC.batch
    return made


def network() -> Transformer:
    torch.manual_seed(0)
    return Transformer(6, 6, width=64, depth=2, heads=4)


def ours(make: Callable[[], Strategy], world: Recorded, folder: Path) -> Run:
    """Through Learner and Lightning, the clock read when a shift begins and when it has ended."""

    def run() -> Times:
        strategy, marks = make(), [(0.0, time.process_time())]
        shift = strategy.shift

        def timed(learner: Learner) -> None:
            began = time.process_time()
            shift(learner)
            marks.append((began, time.process_time()))

        setattr(strategy, "shift", timed)  # noqa: B010 a module refuses a method that it has
        learner = Learner(network(), strategy, AdamW(), SPEC, standard())
        cell = Cell(folder / str(len(list(folder.iterdir()))))
        walk(cell, learner, Forward(world, len(world), score_steps=False), Hardware())
        pairs = list(zip(marks[1:], marks[2:], strict=False))
        inner = [(after[0] - before[1]) / world.period for before, after in pairs]
        return Times(inner, [(b[0] - a[0]) / world.period for a, b in pairs])

    return run


def theirs(name: str, world: Stream, period: int, reservoir: bool = False, **arguments: Any) -> Run:
    """Avalanche's strategy of that name, `train` called for one experience after the other."""
    from avalanche.training import plugins, storage_policy, supervised

    benchmark = to_avalanche(world)

    class Stamps(plugins.SupervisedPlugin):
        def before_training_epoch(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
            self.began = time.process_time()

        def after_training_epoch(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
            self.took = time.process_time() - self.began

    def run() -> Times:
        model, stamps, inner, whole = network(), Stamps(), list[float](), list[float]()
        guests: list[Any] = [stamps]
        if reservoir:
            policy = storage_policy.ReservoirSamplingBuffer(max_size=200)
            guests.append(plugins.ReplayPlugin(mem_size=200, storage_policy=policy))
        with fenced(0):
            warnings.simplefilter("ignore")
            strategy = getattr(supervised, name)(
                model=model,
                optimizer=AdamW()(list(model.parameters()), None),
                criterion=Criterion(),
                train_mb_size=SPEC.batch,
                train_epochs=1,
                plugins=guests,
                evaluator=plugins.EvaluationPlugin(),
                **arguments,
            )
            for experience in benchmark.train_stream:
                began = time.process_time()
                strategy.train(experience, shuffle=False)
                whole.append((time.process_time() - began) / period)
                inner.append(stamps.took / period)
        return Times(inner[1:-1], whole[1:-1])

    return run


def alternate(
    subjects: dict[str, Run], benchmark: BenchmarkFixture, rounds: int
) -> dict[str, list[Times]]:
    times: dict[str, list[Times]] = {name: [] for name in subjects}

    def once() -> None:
        for name, run in subjects.items():
            times[name].append(run())

    benchmark.pedantic(once, rounds=rounds, iterations=1, warmup_rounds=1 if rounds > 1 else 0)
    return {name: values[-rounds:] for name, values in times.items()}


def median(values: Sequence[Sequence[float]]) -> float:
    """Of all regimes of all rounds."""
    return statistics.median([value for each in values for value in each])


def test_a_step_against_avalanches(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Prints the ratios; asserts nothing about time, because time is the machine's."""
    rounds, period, regimes = (5, 100, 4) if benchmark.enabled else (1, 2, 4)
    world, everything = stream(period, regimes), period * SPEC.batch
    pairs: dict[str, tuple[Run, Run]] = {
        "naive": (ours(Finetune, world, tmp_path), theirs("Naive", world, period)),
        "ewc": (
            ours(EWC, world, tmp_path),
            theirs("EWC", world, period, ewc_lambda=0.4, mode="online", decay_factor=1.0),
        ),
        "ewc, all sequences": (
            ours(lambda: EWC(samples=everything), world, tmp_path),
            theirs("EWC", world, period, ewc_lambda=0.4),
        ),
        "replay": (
            ours(lambda: Replay(capacity=200), world, tmp_path),
            theirs("Replay", world, period, mem_size=200),
        ),
    }
    subjects = {f"{name}/ours": pair[0] for name, pair in pairs.items()}
    subjects |= {f"{name}/theirs": pair[1] for name, pair in pairs.items()}
    found = alternate(dict(sorted(subjects.items())), benchmark, rounds)
    for name in pairs:
        mine, other = found[f"{name}/ours"], found[f"{name}/theirs"]
        line = f"\n{name:<20}"
        for what in Times._fields:
            a, b = (median([getattr(t, what) for t in side]) for side in (mine, other))
            by_round = [
                statistics.median(getattr(x, what)) / statistics.median(getattr(y, what))
                for x, y in zip(mine, other, strict=True)
            ]
            benchmark.extra_info[f"{name}, {what}"] = a / b
            line += f" {what}: {1000 * a:6.2f} against {1000 * b:6.2f} ms/step = {a / b:.2f} x"
            line += f" [{min(by_round):.2f}, {max(by_round):.2f}];"
        print(line, end="")
    print()
    assert all(len(values) == rounds for values in found.values())


def test_growth_with_the_number_of_regimes(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Prints a regime's time around the last tenth over that around the first; asserts nothing about time."""
    rounds, period, regimes = (3, 5, 122) if benchmark.enabled else (1, 2, 14)
    world, ten = stream(period, regimes), max(regimes // 12, 1)
    subjects = {
        "finetune, ours": ours(Finetune, world, tmp_path),
        "ewc, ours": ours(EWC, world, tmp_path),
        "replay, ours": ours(lambda: Replay(capacity=200), world, tmp_path),
        "Naive": theirs("Naive", world, period),
        "EWC": theirs("EWC", world, period, ewc_lambda=0.4),
        "EWC, online": theirs(
            "EWC", world, period, ewc_lambda=0.4, mode="online", decay_factor=1.0
        ),
        "Replay": theirs("Replay", world, period, mem_size=200),
        "Naive + reservoir": theirs("Naive", world, period, reservoir=True),
    }
    found = alternate(subjects, benchmark, rounds)
    for name, rows in found.items():
        line = f"\n{name:<18}"
        for what in Times._fields:
            early = median([getattr(row, what)[ten // 2 : ten + ten // 2 + 1] for row in rows])
            late = median([getattr(row, what)[-ten:] for row in rows])
            benchmark.extra_info[f"{name}, {what}"] = late / early
            line += f" {what}: {1000 * early:6.2f} -> {1000 * late:6.2f} ms/step = {late / early:.2f} x;"
        print(line, end="")
    print()
    assert all(len(values) == rounds for values in found.values())
