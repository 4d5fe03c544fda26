"""What a step costs, as ratios within one run: `make bench`. Rounds alternate, so that a busy machine hurts both.

The quickstart's size: a transformer of width 64 and depth 2, 8 sequences of 32 symbols, six of them.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from plasticity.core.learner import Spec
from plasticity.core.optimizer import AdamW
from plasticity.core.stream import Stream
from plasticity.core.tunnel import AnswerKey, Batch
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential
from plasticity.engine.trainer import fit
from plasticity.networks import Transformer
from plasticity.observers.reference import ReferencePredictors
from plasticity.results.store import Cell
from strategies import Finetune
from streams import Markov, Recurring

STEPS, ROUNDS = 100, 15


class Recorded(Recurring):
    """A stream whose batches were made beforehand, so that data cost nothing."""

    def keyed(self, step: int) -> tuple[Batch, AnswerKey]:
        if not hasattr(self, "made"):
            self.made = [super(Recorded, self).keyed(s) for s in range(len(self))]
        return self.made[step]


def stream(kind: type[Recurring] = Recurring) -> Stream:
    return kind([Markov(6, 0.3)], regimes=3, period=100, steps=STEPS)


def network() -> Transformer:
    torch.manual_seed(0)
    return Transformer(6, 6, width=64, depth=2, heads=4)


def bare(world: Stream) -> Callable[[], float]:
    """The loop anybody would write."""
    batches = [world[s] for s in range(STEPS)]
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.0, fused=True)

    def run() -> float:
        began = time.perf_counter()
        for batch in batches:
            logits = model(batch.inputs)
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return (time.perf_counter() - began) / STEPS

    return run


def engine(world: Stream, folder) -> Callable[[], float]:
    """The same through OnlineLearner, Finetune and Lightning; the recorder's own clock, scoring excluded."""
    rounds = iter(range(1000))

    def run() -> float:
        cell = Cell(folder / str(next(rounds)))
        spec = Spec(6, 6, 8, 32)
        loop = Prequential(OnlineLearner(network(), Finetune(), AdamW(), spec))
        fit(cell, loop, StreamDataModule(world, STEPS, score_steps=False), TrainerConfig())
        return cell.timing.read()["seconds"].item() / STEPS

    return run


def observers(world: Stream) -> Callable[[], float]:
    """Drawing the batch, and the three observers' predictions of it."""

    def run() -> float:
        reference = ReferencePredictors(world)
        began = time.perf_counter()
        for step in range(STEPS):
            keyed, groups = world.keyed(step), world.groups(step)
            reference.predict(*keyed, groups, step)
            reference.absorb(*keyed, groups, step)
        return (time.perf_counter() - began) / STEPS

    return run


@pytest.fixture
def rounds(benchmark: BenchmarkFixture) -> int:
    return ROUNDS if benchmark.enabled else 1


def test_step_ratios(benchmark: BenchmarkFixture, rounds: int, tmp_path) -> None:
    """Prints the ratios; asserts nothing about time, because time is the machine's."""
    recorded = stream(Recorded)
    subjects = {
        "bare loop": bare(recorded),
        "Finetune in Lightning": engine(recorded, tmp_path),
        "data + three observers": observers(stream()),
    }
    times: dict[str, list[float]] = {name: [] for name in subjects}

    def once() -> None:
        for name, run in subjects.items():
            times[name].append(run())

    benchmark.pedantic(once, rounds=rounds, iterations=1, warmup_rounds=1 if rounds > 1 else 0)
    reference = statistics.median(times["bare loop"])
    for name, values in times.items():
        ratio = statistics.median(values) / reference
        benchmark.extra_info[name] = ratio
        low, high = np.percentile(values, [25, 75]) * 1000
        ms = 1000 * statistics.median(values)
        print(
            f"\n{name:<24} {ms:6.2f} ms/step  [{low:.2f}, {high:.2f}]  {ratio:.3f} x bare loop",
            end="",
        )
    print()
    assert all(len(values) >= rounds for values in times.values())
