"""Loggers of Lightning by YAML: checked like all other types, and told every row once, however a run was cut off."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import polars as pl
import pytest

from plasticity.cli.common import contracts, parsed
from plasticity.launch.experiment import deciding
from plasticity.results.store import Cell, Run
from plasticity.results.stretches import Stretches
from plasticity.tracking.headlines import of_row, of_summary
from plasticity.tracking.lightning import NEEDS

from ...calling import Call, begun, refused

YAML = """\
out: {out}
stream:
  type: Recurring
  tunnels: [{{type: Markov, symbols: 3}}]
  regimes: 2
  period: 20
  steps: 100
  batch: 2
  time: 6
  probe: 4
network: {{type: Transformer, width: 8, depth: 1, heads: 2}}
pretrain: {{steps: 0}}
strategy: {{type: Finetune}}
stretch: 5
wandb: {{mode: disabled}}
loggers: [{{type: CSVLogger}}, {{type: TensorBoardLogger, save_dir: board, name: x}}]
hardware: {{threads: 1}}
"""
SERVERS = [n for n in ("MLFlowLogger", "CometLogger") if any(map(find_spec, NEEDS[n]))]
"""Loggers of the services whose packages are installed."""
LOGGERS = "--loggers=[{{type: {}}}]"


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(name not in SERVERS, reason=f"{name} needs {NEEDS[name][0]}")


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Cell:
    """Killed in the middle, and resumed."""
    folder = tmp_path_factory.mktemp("loggers")
    file, run = folder / "a.yaml", folder / "run"
    more = "".join(f", {{type: {name}}}" for name in SERVERS)
    file.write_text(YAML.format(out=folder / "runs").replace("name: x}", f"name: x}}{more}"))
    process = begun("run", file, "--run-dir", run)
    awaited = run / "cells/Finetune-seed0/timing/00004.parquet"
    deadline = time.monotonic() + 120
    while not awaited.exists():
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    process.join()
    assert list(run.glob("cells/*/loggers/CSVLogger/**/metrics.csv"))
    assert not list(run.glob("cells/*/summary.json"))
    again = begun("resume", run)
    again.join()
    assert again.exitcode == 0
    (found,) = Run(run).cells()
    return found


def rows(cell: Cell) -> list[dict[str, float]]:
    """What wandb is told."""
    return [of_row(row) for _, row in Stretches(cell).new()]


def final(cell: Cell) -> dict[str, float]:
    told = of_summary(cell.summary)
    return {k if k.startswith("all/") else f"final/{k}": v for k, v in told.items()}


def test_a_csv_holds_every_row_once(cell: Cell) -> None:
    (file,) = cell.path.glob("loggers/**/metrics.csv")
    assert file.parent == cell.path / "loggers/CSVLogger/lightning_logs/version_0"
    *told, last = pl.read_csv(file, infer_schema_length=None).to_dicts()
    assert [row["step"] for row in told] == list(range(0, 101, 5))
    for row, wanted in zip(told, rows(cell), strict=True):
        found = {k: v for k, v in row.items() if v is not None}
        assert (found.pop("cost", None) is None) == (
            wanted.pop("cost", None) is None
        )  # a stretch behind the last checkpoint is timed twice
        assert found == pytest.approx(wanted, rel=1e-5)
    end = {k: v for k, v in last.items() if v is not None and k != "step"}
    assert end == pytest.approx(final(cell), rel=1e-5) and "final/skill" in end
    assert "label: Finetune" in (file.parent / "hparams.yaml").read_text()


@pytest.mark.filterwarnings("ignore")  # of tensorboard's own imports
def test_tensorboard_holds_every_row_once(cell: Cell) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (file,) = cell.path.glob("loggers/board/x/version_0/events.*")
    board = EventAccumulator(str(file), size_guidance={"scalars": 0}).Reload()
    for key in ("kl", "all/window/kl/amnesic", "all/probe/regime0"):
        wanted = [(int(row["step"]), row[key]) for row in rows(cell) if key in row]
        told = [(event.step, event.value) for event in board.Scalars(key)]
        assert [s for s, _ in told] == [s for s, _ in wanted] and len(told) >= 20
        assert [v for _, v in told] == pytest.approx([v for _, v in wanted], rel=1e-5)
    (skill,) = board.Scalars("final/skill")
    assert (skill.step, skill.value) == (100, pytest.approx(cell.summary["skill"], rel=1e-5))
    assert "hp_metric" not in board.Tags()["scalars"]


def expected(cell: Cell) -> dict[str, list[tuple[int, float]]]:
    """Name -> (step, number) of all that a logger is told, but for what a stretch cost."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in rows(cell):
        for key, value in row.items():
            if key != "cost" and not key.startswith("all/cost"):
                found.setdefault(key, []).append((int(row["step"]), value))
    return found


@needs("MLFlowLogger")
def test_mlflow_holds_every_row_once(cell: Cell) -> None:
    """In files of the cell: it would refuse to write any, unless it is asked to."""
    (run,) = (p.parent for p in cell.path.glob("loggers/MLFlowLogger/*/*/metrics"))
    assert (run / "params" / "label").read_text() == "Finetune"
    assert "status: 3" in (run / "meta.yaml").read_text()  # finished
    for key, wanted in expected(cell).items():
        lines = [line.split() for line in (run / "metrics" / key).read_text().splitlines()]
        told = [(int(step), float(value)) for _, value, step in lines]
        assert [s for s, _ in told] == [s for s, _ in wanted], key
        assert [v for _, v in told] == pytest.approx([v for _, v in wanted], rel=1e-5), key
    ((_, skill, step),) = (line.split() for line in [(run / "metrics/final/skill").read_text()])
    assert (int(step), float(skill)) == (100, pytest.approx(cell.summary["skill"], rel=1e-5))


@needs("CometLogger")
def test_comet_holds_every_row_once(cell: Cell) -> None:
    """In an archive of the cell, to be uploaded later: Lightning's own is disabled where it is offline."""
    (archive,) = cell.path.glob("loggers/CometLogger/*.zip")
    with ZipFile(archive) as inside:
        lines = map(json.loads, inside.read("messages.json").decode().splitlines())
        metrics = [line["payload"]["metric"] for line in lines if line["type"] == "metric_msg"]
    told: dict[str, list[tuple[int, float]]] = {}
    for each in metrics:
        told.setdefault(each["metricName"], []).append((each["step"], each["metricValue"]))
    for key, wanted in expected(cell).items():
        assert [s for s, _ in told[key]] == [s for s, _ in wanted], key
        assert [v for _, v in told[key]] == pytest.approx([v for _, v in wanted], rel=1e-5), key
    assert told["final/skill"] == [(100, pytest.approx(cell.summary["skill"], rel=1e-5))]


@pytest.mark.parametrize("name", ["MLFlowLogger", "CometLogger"])
def test_loggers_of_services_pass_the_kit(name: str, tmp_path: Path) -> None:
    """In a process of its own: they change the one that they are imported in."""
    if name not in SERVERS:
        pytest.skip(f"{name} needs {NEEDS[name][0]}")
    words = ["check", f"plasticity.tracking.lightning.{name}"]
    done = subprocess.run(
        [sys.executable, "-m", "plasticity", *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout.count("passed") == 3, done


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("CVSLogger", "loggers.0.type: unknown logger 'CVSLogger'. Did you mean 'CSVLogger'?"),
        ("CSVLogger, nam: x", "loggers.0.nam: unknown key 'nam'. Did you mean 'name'?"),
        ("CSVLogger, prefix: 3", "loggers.0.prefix: expected a string, got 3"),
        ("CSVLogger, save_dir: /tmp", "expected a save_dir inside the cell's folder, as logs, got"),
        ("CSVLogger, name: ../../x", "expected a name inside the cell's folder, got ../../x"),
        ("CSVLogger}, {type: CSVLogger", "expected a save_dir of its own for each, got CSVLogger"),
    ],
)
def test_what_is_no_logger_is_refused_in_a_line(call: Call, given: str, told: str) -> None:
    for command in ("validate", "run"):
        said = refused(call, command, "good.yaml", LOGGERS.format(given))
        assert told in said and said.count("\n") == 1


def test_a_missing_package_is_told(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plasticity.tracking.lightning.find_spec", lambda name: None)
    said = refused(call, "validate", "good.yaml", LOGGERS.format("MLFlowLogger"))
    assert said == ("command line: loggers.0.type: MLFlowLogger needs mlflow: pip install mlflow\n")


def test_arguments_are_those_of_lightning(call: Call) -> None:
    """By the real signature; the folder is ours to choose, and nothing goes online by itself."""
    import inspect

    from pytorch_lightning import loggers

    schema = json.loads(call("schema").out)
    kinds = {
        each["properties"]["type"]["const"]: each for each in schema["$defs"]["Logger"]["anyOf"]
    }
    assert {"CSVLogger", "TensorBoardLogger", "MLFlowLogger"} <= kinds.keys()
    for name in ("CSVLogger", "TensorBoardLogger", "MLFlowLogger"):
        takes = {
            k
            for k, p in inspect.signature(getattr(loggers, name)).parameters.items()
            if p.kind is not p.VAR_KEYWORD
        }
        assert kinds[name]["properties"].keys() - {"type"} == takes
        assert kinds[name]["required"] == ["type"]
    assert kinds["MLFlowLogger"]["properties"]["tracking_uri"]["default"] is None
    assert kinds["CometLogger"]["properties"]["online"]["default"] is False
    assert kinds["CometLogger"]["properties"]["mode"]["default"] == "create"
    for kind in kinds:
        told = call("explain", kind).out
        assert "http" not in told and ".. code" not in told and "`_" not in told
    assert "CSVLogger" in call("list").out and "flush_logs" in call("explain", "CSVLogger").out


def test_loggers_decide_no_number(call: Call) -> None:
    contracts()
    one = parsed(Path("good.yaml"), [LOGGERS.format("CSVLogger")])
    assert one.loggers and deciding(one) == deciding(replace(one, loggers=()))
