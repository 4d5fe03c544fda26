"""What the record costs: rows written a second, and a question to ten million of them; `make bench`.

Written are whole step tables, every part synced to disk as a run does it. Asked is for the mean bits of each regime
over all steps of ten cells, through `plasticity.load`; the table asked has the bits of every predictor, for what a
question does not name is not read.
"""

import statistics
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from plasticity.core.predictors import PREDICTORS
from plasticity.engine.scorer import COLUMNS
from plasticity.results.load import load
from plasticity.results.store import Cell, Run
from plasticity.results.table import Table

KL = [f"{column}/{name}" for column in ("kl", "kl_realised") for name in ("model", *PREDICTORS)]
"""The columns that every part must have."""
ALL = [f"{column}/{name}" for column in COLUMNS for name in ("model", *PREDICTORS)]


def part(rows: int, number: int, columns: list[str], seed: int = 0) -> dict[str, np.ndarray]:
    """Steps of a stream with ten regimes, and made-up bits."""
    rng, step = np.random.default_rng(seed), np.arange(rows) + number * rows
    head = {"step": step, "regime": (step // 100 % 10).astype(np.int32), "shift": step % 100 == 0}
    return head | {name: rng.random(rows) for name in columns}


@pytest.mark.parametrize("stretch", [25, 1000, 100_000])
def test_rows_written_a_second(stretch: int, benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """In parts of `stretch` rows, the quickstart's and larger. Prints; asserts that they are there."""
    parts, rows, rounds = (20, stretch, 5) if benchmark.enabled else (1, 25, 1)
    columns, table, times = part(rows, 0, ALL), Table(tmp_path), list[float]()

    def write() -> None:
        began = time.perf_counter()
        for number in range(parts):
            table.write(number, columns)
        times.append(time.perf_counter() - began)

    benchmark.pedantic(write, rounds=rounds, iterations=1)
    rate = parts * rows / statistics.median(times)
    benchmark.extra_info["rows a second"] = rate
    print(f"\n{len(columns)} columns, parts of {rows} rows: {rate:,.0f} rows/s")
    assert len(table.read(["step"])) == parts * rows


def test_ten_million_rows_are_asked(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Ten cells of a million steps. Prints the seconds; asserts the answer, by sums kept while writing."""
    parts, rows, rounds = (10, 100_000, 7) if benchmark.enabled else (2, 1000, 1)
    run, sums, counts = Run(tmp_path / "run"), np.zeros(10), np.zeros(10)
    run.begin("name: large\n", {})
    for seed in range(10):
        cell = Cell(run.path / "cells" / f"EWC-seed{seed}")
        cell.begin({"label": "EWC", "seed": seed, "index": seed}, f"{seed}", run.digest)
        for number in range(parts):
            columns = part(rows, number, KL, seed)
            cell.steps.write(number, columns)
            sums += np.bincount(columns["regime"], columns["kl/model"], 10)
            counts += np.bincount(columns["regime"], minlength=10)
    answers, times = list[pl.DataFrame](), list[float]()

    def ask() -> None:
        began = time.perf_counter()
        bits = load(run.path).steps.group_by("regime").agg(pl.col("kl/model").mean())
        answers.append(bits.sort("regime"))
        times.append(time.perf_counter() - began)

    benchmark.pedantic(ask, rounds=rounds, iterations=1)
    median = statistics.median(times)
    benchmark.extra_info["seconds"] = median
    print(
        f"\n{10 * parts * rows:,} rows: {median:.3f} s, slowest of {len(times)}: {max(times):.3f} s"
    )
    np.testing.assert_allclose(answers[-1]["kl/model"], sums / counts)
