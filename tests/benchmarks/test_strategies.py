"""What each strategy costs: time per step and memory, as ratios to a bare loop; and that neither grows. `make bench`.

Cost is taken at the quickstart's size (width 64, depth 2, 8 sequences of 32 symbols, a shift every 20 steps), growth on
a tiny network that meets 2,000 shifts, two steps apart.
"""

import statistics
import time
from pathlib import Path

import polars as pl
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

import strategies
from plasticity import Network, Recipe, Strategy, discover, networks, recipe
from plasticity.checks.memory import held
from plasticity.core.learner import Spec
from plasticity.core.optimizer import AdamW
from plasticity.core.stream import Stream
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential
from plasticity.engine.pretrain import fresh_network
from plasticity.engine.trainer import fit
from plasticity.results.store import Cell
from streams import Markov

from .test_step import Recorded

KINDS: list[type[Strategy]] = list(discover(strategies.__name__).values())
QUICKSTART = recipe(networks.Transformer, width=64, depth=2, heads=4)
TINY = recipe(networks.Transformer, width=8, depth=1, heads=2)


def walked(
    strategy: Strategy, network: Recipe[Network], world: Stream, stretch: int, folder: Path
) -> tuple[OnlineLearner, pl.DataFrame]:
    """A learner at the end of the world, and its timing: seconds of each stretch."""
    spec = Spec(world.vocab, world.symbols, world.batch, world.time)
    learner = OnlineLearner(fresh_network(network, spec, 0), strategy, AdamW(1e-3), spec)
    cell, data = Cell(folder), StreamDataModule(world, stretch, score_steps=False)
    fit(cell, Prequential(learner), data, TrainerConfig(threads=1))
    return learner, cell.timing.read()


def bare(world: Stream) -> float:
    """Seconds per step of the loop anybody would write."""
    batches = [world[s] for s in range(len(world))]
    model = fresh_network(QUICKSTART, Spec(6, 6, 8, 32), 0)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.0, fused=True)
    began = time.perf_counter()
    for batch in batches:
        loss = torch.nn.functional.cross_entropy(
            model(batch.inputs).flatten(0, 1), batch.targets.flatten()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (time.perf_counter() - began) / len(batches)


def test_cost_of_every_strategy(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Prints the table; asserts nothing about time, because time is the machine's."""
    steps, rounds = (60, 5) if benchmark.enabled else (2, 1)
    world = Recorded([Markov(6, 0.3)], regimes=3, period=20, steps=steps, probe=1)
    times: dict[str, list[float]] = {"": [], **{kind.__name__: [] for kind in KINDS}}
    memory: dict[str, tuple[int, int]] = {}

    def once() -> None:
        times[""].append(bare(world))
        for kind in KINDS:
            folder = tmp_path / f"{kind.__name__}{len(times[''])}"
            made, timing = walked(kind(), QUICKSTART, world, steps, folder)
            times[kind.__name__].append(float(timing["seconds"].to_numpy().sum()) / steps)
            weights = sum(p.nbytes for p in made.network.parameters())
            memory[kind.__name__] = held(made.strategy), weights

    benchmark.pedantic(once, rounds=rounds, iterations=1, warmup_rounds=0)
    reference = statistics.median(times[""])
    print(f"\n{'bare loop':<22}{1000 * reference:8.2f} ms/step")
    for kind in sorted(memory, key=lambda name: statistics.median(times[name])):
        ratio, (bytes_held, weights) = statistics.median(times[kind]) / reference, memory[kind]
        benchmark.extra_info[kind] = ratio
        print(f"{kind:<22}{ratio:8.2f} x time {bytes_held / weights:8.2f} x the weights' memory")
    assert all(len(values) >= rounds for values in times.values())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_nothing_grows_with_the_number_of_regimes(
    benchmark: BenchmarkFixture, kind: type[Strategy], tmp_path: Path
) -> None:
    """Asserts that memory is the same after 10 regimes and after all; prints the ratio of times per step."""
    regimes, stretch = (2000 if benchmark.enabled else 20), 20

    def run() -> tuple[int, int, pl.DataFrame]:
        ends: list[int] = []
        for n in (10, regimes):
            world = Recorded([Markov(3, 0.5)], 10, 2, 2 * n, batch=2, time=6, probe=1)
            made, timing = walked(kind(), TINY, world, stretch, tmp_path / str(n))
            ends.append(held(made.strategy))
        return ends[0], ends[1], timing

    early, late, timing = benchmark.pedantic(run, rounds=1, iterations=1)
    seconds = timing["seconds"].to_numpy()
    if len(seconds) > 20:
        ratio = statistics.median(seconds[-10:]) / statistics.median(seconds[1:11])
        print(f"\n{kind.__name__:<22} time per step at the end / at regimes 10 to 110: {ratio:.2f}")
    assert late <= early, f"{early} bytes after 10 regimes, {late} after {regimes}"
