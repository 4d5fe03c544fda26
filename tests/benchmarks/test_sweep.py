"""How well a sweep scales: 24 cells by one process and by two, here and on Ray, and that all give the same to the bit.

`make bench`. Efficiency is the time of one process over twice that of two, the start of workers included.
"""

import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

EXPERIMENT = """\
stream: {type: Recurring, tunnels: [{type: Markov, symbols: 3}], regimes: 2, period: 50, steps: 1000, time: 16}
network: {type: LSTM, width: 16, depth: 1}
optimizer: {type: AdamW, lr: 1.0e-3}
strategies: [{type: Finetune}, {type: EWC, strength: 1}]
stretch: 50
wandb: {mode: disabled}
hardware: {threads: 1}
"""
SWEEP = "experiment: base.yaml\ngrid: {optimizer.lr: [1.0e-3, 3.0e-3, 1.0e-2, 3.0e-2]}\nseeds: [0, 1, 2]\n"


def test_scaling(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Prints the table; asserts that every engine gives the same numbers, and nothing about time."""
    if not benchmark.enabled:
        pytest.skip(
            "it takes minutes; tests/plasticity/launch/test_sweep.py asks for the same numbers in little"
        )
    (tmp_path / "base.yaml").write_text(EXPERIMENT)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    ways = {"1 process": ["--jobs=1"], "2 processes": ["--jobs=2"]}
    if find_spec("ray"):
        ways["2 processes of Ray"] = ["--jobs=2", "--engine=ray"]
    seconds: dict[str, float] = {}

    def once() -> None:
        for name, words in ways.items():
            began = time.perf_counter()
            command = [sys.executable, "-m", "plasticity", "sweep", "sweep.yaml", *words]
            subprocess.run([*command, "--to", name], cwd=tmp_path, check=True, capture_output=True)
            seconds[name] = time.perf_counter() - began

    benchmark.pedantic(once, rounds=1, iterations=1, warmup_rounds=0)
    for name, taken in seconds.items():
        used = 1 if name == "1 process" else 2
        efficiency = seconds["1 process"] / used / taken
        print(f"\n{name:<20}{taken:7.1f} s   efficiency {efficiency:.2f}")
    tables = [cells(tmp_path / name) for name in ways]
    assert tables[0] and all(found.keys() == tables[0].keys() for found in tables)
    for found in tables[1:]:
        for name, table in found.items():
            assert table.equals(tables[0][name], null_equal=True), name


def cells(folder: Path) -> dict[str, pl.DataFrame]:
    """The steps of every cell."""
    return {
        str(cell.relative_to(folder)): pl.read_parquet(sorted((cell / "steps").glob("*.parquet")))
        for cell in sorted(folder.glob("*/*/cells/*"))
    }
