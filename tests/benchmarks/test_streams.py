"""What a stream costs, however many regimes it has and wherever it is opened; ratios within one run. `make bench`.

The quickstart's size: a transformer of width 64 and depth 2, 8 sequences of 32 symbols. A step is the batch, the
observers' predictions, their learning and the learner's; the time is the process's own, on one thread.
"""

import statistics
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from plasticity import Stream, networks
from plasticity.core.learner import Spec
from plasticity.core.optimizer import AdamW
from plasticity.engine import archive
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential
from plasticity.engine.scorer import COLUMNS
from plasticity.engine.trainer import fit
from plasticity.metrics.summary import summarise
from plasticity.results.store import Cell
from strategies import Finetune
from streams import Abrupt, Compositional, FromFile, Markov

from ..streams.schedules.test_schedules import SMALL, make

STEPS = 2000


def world(kind: type[Abrupt], regimes: int, batch: int) -> Stream:
    """STEPS steps through that many regimes."""
    tunnels, period = [Markov(6, 0.3)], STEPS // regimes
    return kind(tunnels, period=period, steps=STEPS, batch=batch, time=4 * batch, probe=batch)


def seconds(stream: Stream, width: int, folder: Path) -> tuple[float, int]:
    """Seconds of a whole walk, probes and all; bytes that the observers keep at its end."""
    spec = Spec(stream.vocab, stream.symbols, stream.batch, stream.time)
    network = networks.Transformer(6, 6, width=width, depth=2, heads=4)
    loop = Prequential(OnlineLearner(network, Finetune(), AdamW(), spec))
    data = StreamDataModule(stream, 100)
    began = time.process_time()
    fit(Cell(folder), loop, data, TrainerConfig(threads=1))
    return time.process_time() - began, len(archive.packed(data.state_dict()))


@pytest.mark.parametrize("kind", [Abrupt, Compositional])
def test_a_thousand_regimes_cost_what_ten_cost(
    kind: type[Abrupt], benchmark: BenchmarkFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prints the ratio; asserts nothing about time. Memory is asserted: it is bounded."""
    rounds, batch, width, far = (5, 8, 64, 1000) if benchmark.enabled else (1, 1, 8, 200)
    if not benchmark.enabled:
        monkeypatch.setattr(f"{__name__}.STEPS", far)
        monkeypatch.setattr("plasticity.observers.reference.SAMPLE", 512)
    found: dict[int, list[tuple[float, int]]] = {10: [], far: []}

    def once() -> None:
        for regimes, each in found.items():
            stream = world(kind, regimes, batch)
            each.append(seconds(stream, width, tmp_path / f"{regimes}-{len(each)}"))

    benchmark.pedantic(once, rounds=rounds, iterations=1)
    few, many = ([s for s, _ in each[-rounds:]] for each in found.values())
    ratios = [b / a for a, b in zip(few, many, strict=True)]
    kept = {regimes: each[-1][1] for regimes, each in found.items()}
    ratio = statistics.median(many) / statistics.median(few)
    benchmark.extra_info["ratio"] = ratio
    print(
        f"\n{kind.__name__}: {far:,} regimes against 10: {ratio:.3f} x [{min(ratios):.3f}, {max(ratios):.3f}] of the "
        f"time; observers' state {kept[far]:,} against {kept[10]:,} bytes"
    )
    assert kept[far] < 3 * kept[10]


def test_any_step_is_as_near_as_the_first(benchmark: BenchmarkFixture) -> None:
    """Prints, for every schedule, the time of batch 10^6 over that of batch 0."""
    rounds = 200 if benchmark.enabled else 1
    subjects = {kind.__name__: make(kind, steps=None) for kind in SMALL if kind is not FromFile}
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in subjects}

    def once() -> None:
        for name, stream in subjects.items():
            nth = len(times[name][0])
            for far, each in zip((0, 10**6), times[name], strict=True):
                began = time.process_time()
                _ = stream[far + nth]
                each.append(time.process_time() - began)

    benchmark.pedantic(once, rounds=rounds, iterations=1)
    for name, (near, far) in times.items():
        ratio = statistics.median(far) / statistics.median(near)
        print(f"\n{name:<14} batch 10^6 against batch 0: {ratio:.3f} x", end="")
    print()
    assert all(len(far) >= rounds for _, far in times.values())


def test_a_summary_of_a_thousand_visits(benchmark: BenchmarkFixture) -> None:
    """Every number of a cell of 100,000 steps and 1,000 visits, derived from its tables."""
    rng, n = np.random.default_rng(0), 100_000 if benchmark.enabled else 1_000
    names = [
        f"{column}/{who}"
        for column in COLUMNS
        for who in ("model", "informed", "switching", "continual", "amnesic", "uniform")
    ]
    step = np.arange(n)
    steps = pl.DataFrame(
        {"step": step, "regime": step // 100 % 200, "shift": step % 100 == 0}
        | {name: rng.random(n) for name in names}
        | {f"kl/{who}": rng.random(n) for who in ("memoryless", "position")}
        | {f"kl_realised/{who}": rng.random(n) for who in ("memoryless", "position")}
    )
    at = np.repeat(np.arange(0, n + 1, 500), 16)
    regimes = np.tile(np.arange(0, 200, 13)[:16], len(at) // 16)
    probes = pl.DataFrame({"step": at, "regime": regimes} | {k: rng.random(len(at)) for k in names})
    numbers = benchmark(summarise, steps, probes)
    assert numbers["visits"] == n // 100
