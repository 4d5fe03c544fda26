"""Every YAML in experiments/ runs, and its record re-runs to the bit."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from plasticity import Network, Optimizer, Strategy, Stream, Tunnel, cli
from plasticity.config import plugins
from plasticity.config.recipe import plain
from plasticity.config.schema import parse
from plasticity.config.yaml_source import read
from plasticity.launch import validate
from plasticity.launch.experiment import Experiment
from plasticity.networks.matched import parameters
from plasticity.results.store import Run

from .plasticity.integrations.tiny_models import write

ROOT = Path(__file__).parents[1]
YAMLS = [p for p in sorted((ROOT / "experiments").rglob("*.yaml")) if p.parent.name != "sweeps"]
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
    "--pretrain.checkpoints=[]",
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


def alike(value: Any) -> Any:
    """The same for recipes that differ in the size of numbers alone, and in none that is on or off."""
    if isinstance(value, dict):
        return {key: alike(part) for key, part in value.items()}
    if isinstance(value, list):
        return [alike(part) for part in value]
    return value > 0 if isinstance(value, (int, float)) else value


def test_there_are_experiments() -> None:
    assert "quickstart.yaml" in {path.name for path in YAMLS}


@pytest.mark.parametrize("file", FULL, ids=lambda path: path.stem)
def test_what_is_too_large_to_run_is_built(file: Path) -> None:
    validate.build_all(experiment(file))


@pytest.mark.parametrize("file", COMPARED, ids=name)
def test_networks_that_are_compared_are_of_one_size(file: Path) -> None:
    """Within 3 % of the transformer."""
    found = experiment(file)
    stream = found.stream.build(seed=0)
    given = {"vocab": stream.vocab, "symbols": stream.symbols}
    sizes = [parameters(network.build(**given)) for network in found.networks]
    assert len(sizes) == 5
    assert all(abs(size / sizes[0] - 1) < 0.03 for size in sizes)


@pytest.mark.parametrize("file", sorted({*YAMLS} - {*FULL}), ids=name)
def test_every_experiment_runs_and_its_record_runs_again(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shrunken YAML, then one cell of it again, from the resolved YAML that the run wrote down.

    Of a grid of strategies all are built, and the first of each that are alike runs.
    """
    monkeypatch.setattr("plasticity.observers.reference.SAMPLE", 512)  # most of the time, else
    monkeypatch.chdir(tmp_path)
    whole = experiment(file)
    few = [f"--seeds={list(whole.seeds[:1])}"] if whole.seeds and file.stem != "quickstart" else []
    firsts = {json.dumps(alike(plain(each))): plain(each) for each in reversed(whole.strategies)}
    if len(firsts) < len(whole.strategies):
        validate.build_all(whole)
        few.append(f"--strategies={json.dumps([*firsts.values()])}")
    if file.stem.startswith("language_model"):  # no tests download, nor wait for 135 M weights
        few += [f"--network.model={write(tmp_path / 'tiny', 'llama')}", "--network.layers=2"]
    shrunk = (*SHRUNK, *few, f"--out={tmp_path / 'runs'}")
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
    monkeypatch.setattr("plasticity.cli.running._report", lambda where: None)  # the first has one
    plasticity(monkeypatch, "run", resolved, "--run-dir", "second", *words, out)
    (again,) = Run(Path("second")).cells()
    assert again.steps.read().equals(last.steps.read())
    assert again.probes.read().equals(last.probes.read())
