"""What a step of pretraining costs at the papers' sizes, as ratios to a bare loop in the same run: `make bench`.

Bijection V = 20 with a transformer of width 192, depth 6, 6 heads, batch 128; Recurrence p = 17 with the same
network, batch 64 (wind tunnels' production sizes). The bare loop has its batches in memory.
"""

import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

from plasticity.core.learner import Spec
from plasticity.core.optimizer import AdamW
from plasticity.core.stream import Stream
from plasticity.core.tunnel import Tunnel
from plasticity.engine.config import Pretrain, TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.pretrain import _Pretraining, _PretrainingLoop, fresh
from plasticity.engine.trainer import fit
from plasticity.networks import Transformer
from plasticity.results.store import Cell
from streams import Bijection, Recurrence

SIZES: dict[str, tuple[Tunnel, int, int]] = {
    "bijection V 20, batch 128": (Bijection(20, 19), 37, 128),
    "recurrence p 17, batch 64": (Recurrence(17, 0.5), 16, 64),
}


def bare(world: Stream, network: Transformer, plan: Pretrain) -> float:
    """Seconds per step of the loop anybody would write, fused and clipped."""
    batches = [world[s] for s in range(plan.steps)]
    optimizer = torch.optim.AdamW(network.parameters(), plan.lr, weight_decay=0.0, fused=True)
    asked = world.asked
    began = time.perf_counter()
    for batch in batches:
        logits = network(batch.inputs)[:, asked]
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), batch.targets[:, asked].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), plan.clip)
        optimizer.step()
    return (time.perf_counter() - began) / plan.steps


def ours(world: Stream, network: Transformer, plan: Pretrain, folder: Path) -> float:
    """The same through the engine, batches drawn on the way; probes excluded."""
    spec = Spec(world.vocab, world.symbols, world.batch, world.time)
    loop = _PretrainingLoop(OnlineLearner(network, _Pretraining(plan), AdamW(plan.lr), spec))
    cell = Cell(folder)
    fit(cell, loop, StreamDataModule(world, plan.steps, score_steps=False), TrainerConfig())
    return cell.timing.read()["seconds"].item() / plan.steps


def data(world: Stream, plan: Pretrain) -> float:
    """Drawing the batches, with the amnesic observer's posterior."""
    began = time.perf_counter()
    for step in range(plan.steps):
        world[step]
    return (time.perf_counter() - began) / plan.steps


@pytest.fixture(autouse=True)
def every_core(benchmark: BenchmarkFixture) -> Iterator[None]:
    """These sizes profit from all cores; the rest of the suite runs on one."""
    before = torch.get_num_threads()
    if benchmark.enabled:
        torch.set_num_threads(os.cpu_count() or 1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("size", SIZES)
def test_pretraining_ratios(size: str, benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Prints the ratios; asserts nothing about time, because time is the machine's."""
    tunnel, length, batch = SIZES[size]
    rounds, steps, width, depth = (7, 6, 192, 6) if benchmark.enabled else (1, 1, 12, 1)
    plan = Pretrain(steps=steps, batch=batch, lr=3e-4)
    world = fresh([tunnel], plan, length, 0, probe=8)

    def network() -> Transformer:
        torch.manual_seed(0)
        return Transformer(tunnel.vocab, tunnel.symbols, width=width, depth=depth, heads=6)

    times: dict[str, list[float]] = {"bare loop": [], "ours": [], "of which data + posterior": []}
    places = iter(range(100))

    def once() -> None:
        times["bare loop"].append(bare(world, network(), plan))
        times["ours"].append(ours(world, network(), plan, tmp_path / str(next(places))))
        times["of which data + posterior"].append(data(world, plan))

    benchmark.pedantic(once, rounds=rounds, iterations=1)
    reference = statistics.median(times["bare loop"])
    for name, values in times.items():
        median = statistics.median(values)
        benchmark.extra_info[name] = median / reference
        print(
            f"\n{size:<26} {name:<26} {1000 * median:8.1f} ms/step {1 / median:8.2f} steps/s "
            f"{median / reference:.3f} x bare loop",
            end="",
        )
    print()
    assert all(len(values) == rounds for values in times.values())
