"""A sweep: what it runs, what it keeps, and what a kill or a failing cell costs; on every engine the same."""

import os
import re
import signal
import subprocess
import time
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

import plasticity
from plasticity import Batch, Learner, Prediction, Strategy
from plasticity.cli.common import contracts
from plasticity.launch.executors import Engine, share
from plasticity.launch.experiment import INDIFFERENT, CellSpec, Experiment, deciding, single
from plasticity.launch.sweep import Sweep, planned
from plasticity.tracking.headlines import FINAL

from ...calling import GOOD, Call, begun, refused

ROOT = Path(__file__).parents[3]
SWEEP = """\
experiment: good.yaml
set: {"stream.probe": 2}
grid:
  optimizer: [{type: SGD, lr: 0.1}, {type: SGD, lr: 0.01}]
  stream.tunnels.0.symbols: [2, 3]
seeds: [0, 1]
"""


def tables(folder: Path) -> dict[str, pl.DataFrame]:
    """Steps and probes of every cell below."""
    return {
        f"{cell.relative_to(folder)}/{table}": pl.read_parquet(sorted((cell / table).glob("*.parquet")))
        for cell in sorted(folder.glob("*/*/cells/*"))
        for table in ("steps", "probes")
    }  # fmt: skip


def finished(folder: Path) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in folder.glob("*/*/cells/*/summary.json")}


def sweep(text: str = SWEEP) -> None:
    Path("sweep.yaml").write_text(text)


def test_every_variation_is_a_run_and_nothing_is_done_twice(call: Call) -> None:
    sweep()
    done = call("sweep", "sweep.yaml", "--jobs", "1")
    assert done.code == 0 and "16 of 16 cells done now" in done.out, done
    before = finished(Path("runs"))
    assert len(before) == 16
    found = plasticity.load("runs/tiny-sweep").summary
    assert sorted(found["run"].unique()) and len(found) == 16 and found["done"].all()
    again = call("sweep", "sweep.yaml", "--jobs", "1")
    assert "0 of 16 cells done now" in again.out and finished(Path("runs")) == before
    sweep(SWEEP.replace("[0, 1]", "[1, 2]").replace("[2, 3]", "[3, 4]"))
    more = call("sweep", "sweep.yaml", "--jobs", "1")
    assert "12 of 16 cells done now" in more.out  # symbols 3 under seed 1 was there
    assert finished(Path("runs")).items() >= before.items()
    runs = plasticity.load("runs/tiny-sweep").runs
    for run in runs:
        seeds = yaml.safe_load((run.path / "experiment.yaml").read_text())["seeds"]
        assert {cell.seed for cell in run.cells()} == {*seeds}
    assert call("report", str(runs[0].path)).code == 0


def test_a_cell_is_what_run_makes_of_it(call: Call) -> None:
    sweep(SWEEP.replace("[2, 3]", "[3]"))
    assert call("sweep", "sweep.yaml", "--jobs", "1").code == 0
    words = ["--optimizer={type: SGD, lr: 0.01}", "--stream.tunnels.0.symbols=3", "--seeds=[0, 1]"]
    assert call("run", "good.yaml", *words, "--stream.probe=2", "--run-dir", "alone").code == 0
    (varied,) = [f for f in Path("runs/tiny-sweep").glob("*0.01*symbols=3*")]
    for cell in Path("alone/cells").iterdir():
        for table in ("steps", "probes"):
            one, other = (
                pl.read_parquet(sorted((c / table).glob("*.parquet")))
                for c in (cell, varied / "cells" / cell.name)
            )
            assert one.equals(other)


class Fragile(Strategy):
    """Fails unless a file says otherwise."""

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        if not Path("mended").exists():
            with open("tries", "a") as tries:
                tries.write("x")
            raise RuntimeError("as it was told\nin two lines")


def test_a_cell_that_fails_is_named_tried_again_and_harms_no_other(call: Call) -> None:
    fewer = SWEEP.replace("[2, 3]", "[3]")
    sweep(fewer.replace("set: {", "set: {strategies: [{type: Finetune}, {type: Fragile}], "))
    done = call("sweep", "sweep.yaml", "--jobs", "1", "--retries", "2")
    assert done.code == 1 and "4 of 8 cells failed" in done.err, done
    assert (
        len(re.findall("failed: .*Fragile-seed[01]: RuntimeError: as it was told$", done.err, re.M))
        == 4
    )
    assert len(Path("tries").read_text()) == 4 * 3
    assert len(finished(Path("runs"))) == 4
    (error, *_) = Path("runs").glob("*/*/cells/Fragile*/error.txt")
    assert "in two lines" in error.read_text()
    before = finished(Path("runs"))
    Path("mended").touch()
    done = call("sweep", "sweep.yaml", "--jobs", "1")
    assert done.code == 0 and "4 of 8 cells done now" in done.out
    assert finished(Path("runs")).items() >= before.items()
    assert not [*Path("runs").glob("*/*/cells/*/error.txt")]


def test_a_sweep_of_seeds_alone_is_called_as_its_experiment(call: Call) -> None:
    """In a folder, which was called unnamed."""
    sweep("experiment: good.yaml\nseeds: [0]\n")
    assert call("sweep", "sweep.yaml", "--jobs", "1").code == 0
    (run,) = plasticity.load("runs/tiny-sweep").runs
    assert run.name == "tiny" and run.path.name.startswith("tiny-")


def test_a_killed_worker_and_a_killed_driver_lose_no_finished_cell(call: Call) -> None:
    text = SWEEP.replace('"stream.probe": 2', '"stream.probe": 2, stream.steps: 200')
    sweep(text.replace("symbols: [2, 3]", "symbols: [3]"))
    folder = Path("runs")
    process = begun("sweep", "sweep.yaml")
    assert process.pid
    try:
        until(lambda: len(finished(folder)) >= 2)
        before = finished(folder)
        os.kill(workers(process.pid)[0], signal.SIGKILL)
        until(lambda: len(finished(folder)) >= len(before) + 1)
        orphans = workers(process.pid)
    finally:
        process.kill()
        process.join()
    before = finished(folder) | before
    again = call("sweep", "sweep.yaml", "--jobs", "1")
    assert again.code == 0
    assert "of 8 cells done now" in again.out and "0 of 8" not in again.out
    assert len(finished(folder)) == 8 and finished(folder).items() >= before.items()
    assert not [pid for pid in orphans if Path(f"/proc/{pid}").exists()]
    assert call("sweep", "sweep.yaml", "--jobs", "1", "--to", "quiet").code == 0
    undisturbed = tables(Path("quiet"))
    for name, table in tables(folder).items():
        assert table.equals(undisturbed[name], null_equal=True), name


def workers(parent: int) -> list[int]:
    """Processes of joblib's that have this parent, and are not its bookkeepers."""
    told = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in told.splitlines()[1:]]
    return [int(p) for p, of, what in rows if of == str(parent) and "popen_loky" in what]


def until(true: Any) -> None:
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("kind", "module", "address"),
    [
        ("local", "joblib", None),
        ("ray", "ray", None),
        ("dask", "distributed", None),
        ("slurm", "submitit", "local"),
    ],
)
@pytest.mark.filterwarnings(
    "ignore"
)  # of sockets and processes that these libraries leave to the end
def test_every_engine_does_every_task_once_and_names_the_one_that_kills_its_workers(
    kind: Any, module: str, address: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_spec(module) is None:
        pytest.skip(f"{module} is missing")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.1:6379")  # nobody's
    if kind == "slurm":
        monkeypatch.setattr("submitit.Job._results_timeout_s", 1)  # a network file system's delay
    work = [("8 // 7",), ("__import__('os')._exit(9)",), ("30 // 7",), ("50 // 7",)]
    told = share(eval, work, Engine(kind, 2, address), lambda task, why: (task, why[:24]))
    assert sorted(told, key=str) == [(work[1], "its worker died 4 times,"), 1, 4, 7]
    if kind == "local":  # whose workers serve the next call too
        assert sorted(share(divmod, [(n, 7) for n in (8, 30, 50)], Engine())) == [
            (1, 1),
            (4, 2),
            (7, 1),
        ]


NUMBER = "expected an integer of 1 or more, got 'x'"


@pytest.mark.parametrize(
    ("text", "told"),
    {
        "seeds: [0]\nexperiment: god.yaml": "no such file. Did you mean 'good.yaml'?",
        "name: x": "expected `grid`, `points`, `space` or `seeds`, got none of them",
        "gird: {optimizer.lr: [1]}": ":2:1: gird: unknown key 'gird'. Did you mean 'grid'?",
        "grid: {stream.perod: [3]}": ":2:22: grid.stream.perod: stream.perod: unknown key 'perod'",
        "grid: {stream.period: [3, x]}": f":2:23: grid.stream.period: stream.period: {NUMBER}",
        "grid: {stream.period: []}": "grid: expected at least one value of 'stream.period'",
        "grid: {seed: [3]}": "'seed' is not varied: it is a key of the sweep itself",
        "points: [{strategies.7.lr: 1}]": ":2:28: points.0.strategies.7.lr: strategies: there is no item '7'",
    }.items(),
)
def test_what_is_wrong_is_said_at_its_place(text: str, told: str, call: Call) -> None:
    sweep(text if "experiment" in text else f"experiment: good.yaml\n{text}")
    assert told in refused(call, "sweep", "sweep.yaml")
    assert told in refused(call, "validate", "sweep.yaml")


def test_validate_knows_a_sweep(call: Call) -> None:
    sweep()
    done = call("validate", "sweep.yaml", "good.yaml")
    assert done.out.startswith(
        "sweep.yaml: fine, a sweep of 16 cells (4 variations)\ngood.yaml: fine"
    )


def test_what_is_measured_of_the_network_decides_too(call: Call) -> None:
    """Cells that were done without a measurement do not pass for cells with it; nor is any key forgotten."""
    Path("world.yaml").write_text(GOOD)
    Path("sweep.yaml").write_text("experiment: world.yaml\ngrid: {condition.every: [0, 1]}\n")
    _, points = planned(Path("sweep.yaml"), [], contracts())
    first, second = (deciding(single(p.experiment, spec(p.experiment), 0)) for p in points)
    assert first.keys() | {*INDIFFERENT} == {each.name for each in fields(Experiment)}
    assert {key for key in first if first[key] != second[key]} == {"condition"}
    assert len({p.run.path for p in points}) == 2


def spec(experiment: Experiment) -> CellSpec:
    """The first contender."""
    return next(iter(experiment.contenders().values()))


def test_points_are_combined_with_the_grid() -> None:
    made = Sweep("x", points=[{"a": 1, "b": 2}, {"a": 3}], grid={"c": [4, 5]})
    assert made.settings() == [
        {"a": 1, "b": 2, "c": 4},
        {"a": 1, "b": 2, "c": 5},
        {"a": 3, "c": 4},
        {"a": 3, "c": 5},
    ]


def test_our_sweep_for_wandb_runs_what_its_agent_would(call: Call) -> None:
    """The agent's own expansion of the command, for the extremes of every parameter."""
    plan = yaml.safe_load((ROOT / "experiments" / "sweeps" / "wandb.yaml").read_text())
    for extreme in (0, -1):
        chosen = {
            key: {
                "value": law["values"][extreme] if "values" in law else law[("min", "max")[extreme]]
            }
            for key, law in plan["parameters"].items()
        }
        flags = create_sweep_command_args({"args": chosen})["args"]
        program, run, file, *words = [
            word for part in plan["command"] for word in (flags if part == "${args}" else [part])
        ]
        assert (program, run) == ("plasticity", "run")
        done = call(run, str(ROOT / file), *words, "--wandb.mode=offline", "--print-config")
        assert done.code == 0, done
        made = yaml.safe_load(done.out)
        strength, rate, seed = (chosen[key]["value"] for key in plan["parameters"])
        assert made["strategies"][0]["strength"] == strength and made["seed"] == seed
        assert made["optimizer"]["lr"] == rate
    assert plan["metric"]["name"] == FINAL["skill"]
