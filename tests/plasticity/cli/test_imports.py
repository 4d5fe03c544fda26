"""What waits: commands that read YAML train nothing, and those that read runs compute nothing on tensors."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from ...calling import Call

TRAINING = {"pytorch_lightning", "lightning_fabric", "torchmetrics", "torchvision", "avalanche"}
HEAVY = TRAINING | {"torch", "wandb"}
COUNTING = {"polars", "pyarrow", "scipy.special", "scipy.stats", "river"}


def brought(steps: Iterable[str], folder: Path) -> dict[str, set[str]]:
    """The modules that each of these has newly brought into one interpreter; what one brings, no later one can."""
    code = "import json, sys\nfound, before = {}, set()\n"
    for step in steps:
        code += (
            f"{step}\nfound[{step!r}] = [*{{*sys.modules}} - before]\nbefore = {{*sys.modules}}\n"
        )
    code += "open('brought.json', 'w').write(json.dumps(found))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "brought.json").read_text())
    return {step: {*modules} for step, modules in found.items()}


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


def test_what_reads_runs_brings_no_torch(tmp_path: Path) -> None:
    names = ("plasticity", "plasticity.cli", "plasticity.results.load", "plasticity.report.run_report",
        "plasticity.report.comparison", "plasticity.metrics.summary", "plasticity.core.predictors",
        "plasticity.core.errors", "plasticity.core.bounded")  # fmt: skip
    for step, modules in brought([f"import {name}" for name in names], tmp_path).items():
        assert not HEAVY & modules, step


def test_what_reads_a_yaml_brings_no_lightning(tmp_path: Path) -> None:
    """And a tunnel waits with what it counts by."""
    parts = ["streams", "strategies", "plasticity.networks"]
    names = [*parts, "plasticity.launch.experiment", "plasticity.launch.validate",
        "plasticity.launch.folder", "plasticity.launch.sweep", "plasticity.bench.suite"]  # fmt: skip
    steps = [f"import {name}" for name in names]
    found = brought(steps, tmp_path)
    assert "torch" in set().union(*found.values())
    for step, modules in found.items():
        assert not modules & (TRAINING | {"wandb"}), step
        assert step not in steps[: len(parts)] or not modules & COUNTING, step


def test_runs_are_read_without_torch(runs: Path) -> None:
    steps = (
        "import plasticity; print(plasticity.load('.').summary)",
        command("report", "a", "c", "--to", "page.html", "--export", "figures"),
        command("compare", "a", "b", "c"),
    )
    for step, modules in brought(steps, runs).items():
        assert not HEAVY & modules, step
    assert Path("page.html").exists() and Path("compare.html").exists()


def test_a_yaml_is_checked_without_lightning(call: Call, tmp_path: Path) -> None:
    commands = (
        ("list",),
        ("explain", "EWC"),
        ("explain", "metric", "skill"),
        ("validate", "good.yaml"),
        ("validate", "good.yaml", "--loggers=[{type: CSVLogger}]"),
        ("explain", "TensorBoardLogger"),
        ("schema",),
        ("run", "good.yaml", "--print-config"),
        ("init", "new.yaml"),
    )
    for step, modules in brought([command(*words) for words in commands], tmp_path).items():
        assert not TRAINING & modules, step
    assert Path("new.yaml").exists()
