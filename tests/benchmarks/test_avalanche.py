"""Our engine against Avalanche's own loop, as ratios within one run: `make bench`. Rounds alternate.

The quickstart's network, a transformer of width 64 and depth 2, on 8 sequences of 32 symbols, six of them. Nothing is
scored, and batches are made beforehand on both sides. Ours steps by fused AdamW. Avalanche is timed twice: with
torch.optim.AdamW as its user writes it, which is not fused ("as written"; without decay, so that the rule is the same),
and handed our fused one ("ours fused"). "inner" is the time of a step without what happens at a shift,
"whole" with it. The first regime, in which nothing is remembered yet, does not count. It is the process's own time,
on one thread, because growth compares moments that are minutes apart, and a busy machine is not the same at both.
"""

import math
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.stats import t

from plasticity import AnswerKey, Batch, Learner, Strategy, Stream
from plasticity.core.learner import Spec
from plasticity.core.optimizer import AdamW
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential
from plasticity.engine.trainer import fit
from plasticity.integrations.avalanche import Criterion, to_avalanche
from plasticity.integrations.avalanche_host import fenced
from plasticity.networks import Transformer
from plasticity.results.store import Cell
from strategies import EWC, Finetune, Replay
from streams import Abrupt, Markov

SPEC = Spec(vocab=6, symbols=6, batch=8, time=32)


class Times(NamedTuple):
    """Seconds of this process per step, in each regime."""

    inner: list[float]
    whole: list[float]


Run = Callable[[], Times]


class Recorded(Abrupt):
    """A stream whose batches and shifts were made beforehand, as Avalanche's experiences are: data cost nothing."""

    def keyed(self, step: int) -> tuple[Batch, AnswerKey]:
        if not hasattr(self, "made"):
            self.made = [super(Recorded, self).keyed(s) for s in range(len(self))]
        return self.made[step]

    def shifts(self, step: int) -> bool:
        if not hasattr(self, "begins"):
            self.begins = [super(Recorded, self).shifts(s) for s in range(len(self))]
        return self.begins[step]


def stream(period: int, regimes: int) -> Recorded:
    made = Recorded([Markov(6, 0.3)], period, period * regimes, SPEC.batch, SPEC.time, probe=8)
    assert len(made[0].inputs) == SPEC.batch and not made.shifts(0)
    return made


def network() -> Transformer:
    torch.manual_seed(0)
    return Transformer(6, 6, width=64, depth=2, heads=4)


def ours(make: Callable[[], Strategy], world: Recorded, folder: Path) -> Run:
    """Through OnlineLearner and Lightning, the clock read when a shift begins and when it has ended."""

    def run() -> Times:
        strategy, marks = make(), [(0.0, time.process_time())]
        on_shift = strategy.on_shift

        def timed(learner: Learner) -> None:
            began = time.process_time()
            on_shift(learner)
            marks.append((began, time.process_time()))

        setattr(strategy, "on_shift", timed)  # noqa: B010 a module refuses a method that it has
        loop = Prequential(OnlineLearner(network(), strategy, AdamW(), SPEC))
        cell = Cell(folder / str(len(list(folder.iterdir()))))
        fit(cell, loop, StreamDataModule(world, len(world), score_steps=False), TrainerConfig())
        pairs = list(zip(marks[1:], marks[2:], strict=False))
        inner = [(after[0] - before[1]) / world.period for before, after in pairs]
        return Times(inner, [(b[0] - a[0]) / world.period for a, b in pairs])

    return run


def theirs(
    name: str,
    world: Stream,
    period: int,
    reservoir: bool = False,
    fused: bool = True,
    **arguments: Any,
) -> Run:
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
        params = list(model.parameters())
        written = torch.optim.AdamW(params, lr=1e-3, weight_decay=0.0)
        with fenced(0):
            warnings.simplefilter("ignore")
            strategy = getattr(supervised, name)(
                model=model,
                optimizer=AdamW()(params, None) if fused else written,
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


def ratio(mine: list[Times], other: list[Times], what: str) -> tuple[float, float]:
    """Of a round's medians: mean over rounds, and half of its 95 % interval."""
    a, b = ([statistics.median(getattr(times, what)) for times in side] for side in (mine, other))
    rounds = [x / y for x, y in zip(a, b, strict=True)]
    if (n := len(rounds)) < 2:
        return rounds[0], math.inf
    return statistics.mean(rounds), t.ppf(0.975, n - 1) * statistics.stdev(rounds) / n**0.5


def test_a_step_against_avalanches(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Prints the ratios; asserts nothing about time, because time is the machine's."""
    rounds, period, regimes = (12, 100, 4) if benchmark.enabled else (1, 2, 4)
    world, everything = stream(period, regimes), period * SPEC.batch
    pairs: dict[str, tuple[Callable[[], Strategy], str, dict[str, Any]]] = {
        "naive": (Finetune, "Naive", {}),
        "ewc": (EWC, "EWC", {"ewc_lambda": 0.4, "mode": "online", "decay_factor": 1.0}),
        "ewc, all sequences": (lambda: EWC(samples=everything), "EWC", {"ewc_lambda": 0.4}),
        "replay": (lambda: Replay(capacity=200), "Replay", {"mem_size": 200}),
    }
    subjects: dict[str, Run] = {}
    for name, (make, peer, arguments) in pairs.items():
        subjects[f"{name}/ours"] = ours(make, world, tmp_path)
        for other, fused in (("as written", False), ("ours fused", True)):
            subjects[f"{name}/{other}"] = theirs(peer, world, period, fused=fused, **arguments)
    found = alternate(subjects, benchmark, rounds)
    for name in pairs:
        mine = found[f"{name}/ours"]
        for other in ("as written", "ours fused"):
            line = f"\n{name:<18} against AdamW {other}:"
            for what in Times._fields:
                a, b = (
                    1000 * median([getattr(times, what) for times in side])
                    for side in (mine, found[f"{name}/{other}"])
                )
                mean, half = ratio(mine, found[f"{name}/{other}"], what)
                benchmark.extra_info[f"{name}, {other}, {what}"] = mean
                line += f" {what} {a:6.2f} / {b:6.2f} ms, {mean:.3f} +- {half:.3f};"
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
