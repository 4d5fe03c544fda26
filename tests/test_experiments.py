"""Every YAML in experiments/ runs, its record re-runs to the bit, and wandb is told what the record says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from plasticity import Network, Optimizer, Strategy, Stream, Tunnel, cli, launch, plugins
from plasticity.experiment import Experiment
from plasticity.networks.matched import parameters
from plasticity.recipes import plain
from plasticity.schema import parse
from plasticity.store import Cell, Run
from plasticity.yamlfile import read

from .test_resume import environment

ROOT = Path(__file__).parent.parent
YAMLS = sorted((ROOT / "experiments").rglob("*.yaml"))
FULL = [path for path in YAMLS if path.parent.name == "full"]
"""Of a size that no test can run; they are built."""
COMPARED = [path for path in YAMLS if path.parent.name in ("full", "small")]
"""Whose networks are compared."""
SHRUNK = (
    "--stream.steps=3",
    "--stream.batch=2",
    "--stream.probe=2",
    "--pretrain.steps=2",
    "--pretrain.batch=2",
    "--stretch=3",
    "--wandb.mode=disabled",
    "--hardware.accelerator=cpu",
    "--hardware.threads=1",
)


def name(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def plasticity(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", ["plasticity", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0


def experiment(file: Path, *overrides: str) -> Experiment:
    plugins.load()
    contracts = [Tunnel, Stream, Network, Strategy, Optimizer]
    return parse(Experiment, read(file, overrides), contracts)


def test_there_are_experiments() -> None:
    assert "quickstart.yaml" in {path.name for path in YAMLS}


@pytest.mark.parametrize("file", FULL, ids=lambda path: path.stem)
def test_what_is_too_large_to_run_is_built(file: Path) -> None:
    launch.rehearse(experiment(file))


@pytest.mark.parametrize("file", COMPARED, ids=name)
def test_networks_that_are_compared_are_of_one_size(file: Path) -> None:
    """Within 3 % of the transformer."""
    found = experiment(file)
    stream = found.stream.build(seed=0)
    given = {"vocab": stream.vocab, "symbols": stream.symbols}
    sizes = [parameters(network.build(**given)) for network in found.networks]
    assert len(sizes) == 4
    assert all(abs(size / sizes[0] - 1) < 0.03 for size in sizes)


@pytest.mark.parametrize("file", sorted({*YAMLS} - {*FULL}), ids=name)
def test_every_experiment_runs_and_its_record_runs_again(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shrunken YAML, then one cell of it again, from the resolved YAML that the run wrote down."""
    monkeypatch.setattr("plasticity.bracket.SAMPLE", 512)  # most of the time, else
    monkeypatch.chdir(tmp_path)
    shrunk = (*SHRUNK, f"--out={tmp_path / 'runs'}")
    plasticity(monkeypatch, "run", file, "--run-dir", "first", *shrunk)
    resolved, wanted = Path("first/experiment.yaml"), experiment(file, *shrunk)
    assert plain(experiment(resolved)) == plain(wanted)
    cells = Run(Path("first")).cells()
    assert len(cells) == len(wanted.contenders()) * len(wanted.seeds or [wanted.seed])
    assert all(cell.done and len(cell.steps.read()) == 3 for cell in cells)

    last = cells[-1]
    only = {"network": last.meta["network"], "strategy": last.meta["strategy"], "seed": last.seed}
    words = [f"--{key}={json.dumps(value)}" for key, value in only.items()]
    words += ["--networks=[]", "--strategies=[]", "--seeds=[]"]
    out = f"--out={tmp_path / 'elsewhere'}"  # so that pretraining is not taken from the cache
    plasticity(monkeypatch, "run", resolved, "--run-dir", "second", *words, out)
    (again,) = Run(Path("second")).cells()
    assert again.steps.read().equals(last.steps.read())
    assert again.probes.read().equals(last.probes.read())


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a small run with wandb offline was started, with a home of its own."""
    folder = tmp_path_factory.mktemp("offline")
    (folder / "home").mkdir()
    words = ["run", str(ROOT / "experiments/quickstart.yaml"), "--run-dir", "run", *SHRUNK]
    small = [
        "--wandb.mode=offline",
        "--stretch=2",
        "--stream.steps=5",
        "--strategies=[{type: Finetune}]",
    ]
    outside = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "home")}
    outside["MPLCONFIGDIR"] = str(folder / "reader")  # torchmetrics imports matplotlib
    base = {k: v for k, v in environment().items() if not k.startswith(("WANDB", "XDG"))}
    subprocess.run(
        [sys.executable, "-m", "plasticity", *words, *small, "--pretrain.steps=0"],
        check=True,
        cwd=folder,
        env=base | outside,
    )
    return folder


@pytest.fixture(scope="module")
def told(offline: Path) -> dict[str, list[dict[str, Any]]]:
    """What wandb wrote down, by kind of record, read by wandb itself."""
    (file,) = offline.rglob("*.wandb")
    words = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    base = os.environ | {"HOME": str(offline / "reader")}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=base)
    found: dict[str, list[dict[str, Any]]] = {}
    for line in done.stdout.splitlines():
        record = json.loads(line)
        found.setdefault(record["type"], []).append(record[record["type"]])
    return found


def cell_of(offline: Path) -> Cell:
    (cell,) = Run(offline / "run").cells()
    return cell


def test_wandb_is_told_the_means_of_the_record(
    offline: Path, told: dict[str, list[dict[str, Any]]]
) -> None:
    cell = cell_of(offline)
    rows = [record["item"] for record in told["history"]]
    assert [row["stream/step"] for row in rows] == [2, 4, 5]
    steps = cell.steps.read()
    columns = [c for c in steps.columns if "/" in c]
    for row, start, stop in zip(rows, (0, 2, 4), (2, 4, 5), strict=True):
        window = steps.filter(pl.col("step").is_between(start, stop - 1))
        finite = [c for c in columns if window[c].is_finite().all()]
        assert {k for k in row if k.startswith("window/")} == {f"window/{c}" for c in finite}
        assert "kl/model" in finite and "kl/continual" in finite
        for column in finite:
            assert row[f"window/{column}"] == pytest.approx(window[column].mean(), abs=1e-12)
        probes = cell.probes.read().filter(pl.col("step") == stop)
        for regime, value in zip(probes["regime"], probes["kl/model"], strict=True):
            assert row[f"probe/{_probe(regime)}"] == pytest.approx(value, abs=1e-12)


def test_wandb_draws_over_steps_of_the_stream(told: dict[str, list[dict[str, Any]]]) -> None:
    axes = {metric["glob_name"]: metric["step_metric"] for metric in told["metric"]}
    assert axes == dict.fromkeys(["window/*", "probe/*", "final/*"], "stream/step")


def test_wandbs_summary_is_the_cells(offline: Path, told: dict[str, list[dict[str, Any]]]) -> None:
    summary: dict[str, Any] = {}
    for record in told["summary"]:
        summary |= record["update"]
    final = {k.removeprefix("final/"): v for k, v in summary.items() if k.startswith("final/")}
    wanted = {k: v for k, v in cell_of(offline).summary.items() if v is not None}
    assert "skill" in wanted
    assert final == pytest.approx(wanted)


def test_wandb_knows_the_resolved_yaml(
    offline: Path, told: dict[str, list[dict[str, Any]]]
) -> None:
    (run,) = told["run"]
    config = {k: v for k, v in run["config"]["update"].items() if k != "_wandb"}
    cell = cell_of(offline)
    wanted = plain(experiment(offline / "run/experiment.yaml"))
    assert config == wanted | {k: cell.meta[k] for k in ("network", "strategy", "seed")}
    assert run["display_name"] == cell.name and run["run_group"] == "quickstart-run"


def test_nothing_is_written_outside_the_run_directory(offline: Path) -> None:
    """Neither at home, where caches lie, nor in the current folder: `wandb sync` finds all in the run."""
    strays = [
        str(path.relative_to(offline))
        for path in offline.rglob("*")
        if path.is_file() and path.relative_to(offline).parts[0] not in ("run", "reader")
    ]
    assert strays == []


def _probe(regime: int) -> str:
    """What a probe is called in wandb."""
    return f"regime{regime}" if regime >= 0 else f"fresh{-1 - regime}"
