"""What waits: commands that read YAML train nothing, and those that read runs compute nothing on tensors."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ...calling import Call

TRAINING = {"pytorch_lightning", "lightning_fabric", "torchmetrics", "torchvision", "avalanche"}
HEAVY = TRAINING | {"torch", "wandb"}
COUNTING = {"polars", "pyarrow", "scipy.special", "scipy.stats", "river"}


def brought(code: str, folder: Path) -> set[str]:
    """The modules that an interpreter has after this."""
    code = f"import sys; sys.argv = ['plasticity']\n{code}\nprint('\\n', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return {*done.stdout.splitlines()[-1].split()}


def command(*words: str) -> str:
    """A command, and on after its end."""
    return f"""
from plasticity.cli import main
sys.argv = ['plasticity', *{words!r}]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code"""


@pytest.fixture
def runs(call: Call, tmp_path: Path) -> Path:
    """A folder with a finished run `a`, the same as `b`, and `c`, a part of whose cells is not done."""
    done = call("run", "good.yaml", "--run-dir", "a")
    assert done.code == 0, done.err
    for name in "bc":
        shutil.copytree("a", name)
    for summary in Path("c").glob("cells/*/summary.json"):
        summary.unlink()
    return tmp_path


@pytest.mark.parametrize(
    "first",
    [
        "plasticity",
        "plasticity.cli",
        "plasticity.results.load",
        "plasticity.report.run_report",
        "plasticity.report.comparison",
        "plasticity.metrics.summary",
        "plasticity.core.predictors",
        "plasticity.core.errors",
        "plasticity.core.bounded",
    ],
)
def test_what_reads_runs_brings_no_torch(first: str, tmp_path: Path) -> None:
    assert not HEAVY & brought(f"import {first}", tmp_path)


@pytest.mark.parametrize(
    "first",
    ["plasticity.launch.experiment", "plasticity.launch.validate", "plasticity.launch.folder",
     "plasticity.launch.sweep", "plasticity.bench.suite", "plasticity.networks", "streams", "strategies"],
)  # fmt: skip
def test_what_reads_a_yaml_brings_no_lightning(first: str, tmp_path: Path) -> None:
    found = brought(f"import {first}", tmp_path)
    assert "torch" in found and not found & (TRAINING | {"wandb"})


def test_a_tunnel_waits_with_what_it_counts_by(tmp_path: Path) -> None:
    assert not COUNTING & brought("import streams, strategies, plasticity.networks", tmp_path)


def test_runs_are_read_without_torch(runs: Path) -> None:
    for code in (
        "import plasticity; print(plasticity.load('.').summary)",
        command("report", "a", "c", "--to", "page.html", "--export", "figures"),
        command("compare", "a", "b", "c"),
    ):
        assert not HEAVY & brought(code, runs), code
    assert Path("page.html").exists() and Path("compare.html").exists()


def test_a_yaml_is_checked_without_lightning(call: Call, tmp_path: Path) -> None:
    for words in (
        ("list",),
        ("explain", "EWC"),
        ("explain", "metric", "skill"),
        ("validate", "good.yaml"),
        ("validate", "good.yaml", "--loggers=[{type: CSVLogger}]"),
        ("explain", "TensorBoardLogger"),
        ("schema",),
        ("run", "good.yaml", "--print-config"),
        ("init", "new.yaml"),
    ):
        assert not TRAINING & brought(command(*words), tmp_path), words
    assert Path("new.yaml").exists()
