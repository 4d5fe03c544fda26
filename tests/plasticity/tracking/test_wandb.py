"""wandb is told what the record says, once, however a run was cut off; read back by wandb itself."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
import yaml

from plasticity.core.predictors import SHARES
from plasticity.engine import archive
from plasticity.metrics.skill import skill
from plasticity.results.store import Cell, Run
from plasticity.results.stretches import Stretches
from plasticity.tracking.headlines import FINAL
from plasticity.tracking.logger import rows_told

from .offline import Records, inspected, killed_and_resumed


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a run was killed in the middle and then resumed, wandb offline, with a home of its own."""
    return killed_and_resumed(tmp_path_factory.mktemp("offline"))


@pytest.fixture(scope="module")
def cell(offline: Path) -> Cell:
    (found,) = Run(offline / "run").cells()
    return found


@pytest.fixture(scope="module")
def told(cell: Cell) -> list[Records]:
    """Of every fragment, the earliest first."""
    files = sorted(cell.path.glob("wandb/offline-run-*/*.wandb"))
    assert len(files) == 2, "a run that is taken up again offline is a second fragment"
    return [inspected(file) for file in files]


def test_the_line_that_uploads_names_every_fragment(offline: Path, cell: Cell) -> None:
    """As a shell expands it, from where the run was resumed."""
    text = (offline / "reader" / "said").read_text()
    (line,) = re.findall(r"wandb sync (\S+)$", text, re.M)
    found = sorted(path.resolve() for path in offline.glob(line))
    assert found == sorted(p.resolve() for p in cell.path.glob("wandb/offline-run-*"))
    assert len(found) == 2 and all(any(path.glob("*.wandb")) for path in found)


def history(told: list[Records]) -> list[dict[str, Any]]:
    return [record["item"] for each in told for record in each.get("history", [])]


def test_every_row_is_told_once(cell: Cell, told: list[Records]) -> None:
    """Whatever the killed process had flushed, both fragments together hold each row once, the tables last."""
    rows = history(told)
    assert [row["_step"] for row in rows] == list(range(22))
    assert [row["step"] for row in rows] == [*range(0, 100, 5), 99, 99]
    assert {each["run"][0]["run_id"] for each in told if "run" in each} == {_identity(cell)}


def test_the_rows_are_the_means_of_the_record(cell: Cell, told: list[Records]) -> None:
    steps, probes, condition = cell.steps.read(), cell.probes.read(), cell.condition.read()
    shifts = steps.filter(pl.col("shift"))["step"].to_numpy()
    for row in history(told)[:-1]:
        stop = row["step"]
        start = max(0, 5 * (row["_step"] - 1))
        window = steps.filter(pl.col("step").is_between(start, stop - 1))
        if stop:
            finite = [c for c in window.columns if "/" in c and window[c].is_finite().all()]
            scores = {f"all/window/{c}": float(window[c].to_numpy().mean()) for c in finite}
            scores["kl"] = scores.pop("all/window/kl/model")
            assert "all/window/kl/switching" in scores and row["cost"] > 0
            if (value := skill(window)) is not None:
                scores["skill"] = value
            headlines = ("all/window/", "kl", "skill")
            found = {k: v for k, v in row.items() if k.startswith(headlines)}
            assert found == pytest.approx(scores, abs=1e-12)
            assert row["all/stream/regime"] == window["regime"][-1]
            assert row["all/stream/visit"] == np.count_nonzero(shifts < stop)
        held = probes.filter(pl.col("step") == stop)
        bits = {
            f"all/probe/{f'regime{r}' if r >= 0 else f'fresh{-1 - r}'}": b
            for r, b in zip(held["regime"], held["kl/model"], strict=True)
        }
        assert len(bits) == 3
        assert {k: v for k, v in row.items() if k.startswith("all/probe/")} == pytest.approx(bits)
        looked = condition.filter(pl.col("step") == stop)
        assert ("all/condition/weight/l2" in row) == bool(len(looked))
        if len(looked):
            assert row["all/condition/weight/l2"] == pytest.approx(looked["weight/l2"][0])


def test_headlines_come_first_and_all_else_is_hidden(told: list[Records]) -> None:
    """Over steps of the stream; a headline's summary is of the whole stream, never of the last stretch."""
    metrics = {m.get("name") or m["glob_name"]: m for m in told[-1]["metric"]}
    assert metrics.keys() == {"step", *FINAL.values(), "all/*"}
    hidden = {name for name, m in metrics.items() if m["options"].get("hidden")}
    assert hidden == {"step", "all/*"}
    assert {m["step_metric"] for name, m in metrics.items() if name != "step"} == {"step"}
    assert all(metrics[name]["summary"]["none"] for name in FINAL.values())
    shown = {key for row in history(told)[:-1] for key in row if not key.startswith(("_", "all/"))}
    assert shown == {"step", "skill", "kl", "cost"}


def test_the_summary_is_the_cells(cell: Cell, told: list[Records]) -> None:
    final = summary(told)
    wanted = {k: v for k, v in cell.summary.items() if v is not None}
    headlines = {FINAL[k]: v for k, v in wanted.items() if k in FINAL}
    assert {"skill", "kl", "forgetting", "cost"} <= headlines.keys()
    assert {k: final[k] for k in headlines} == pytest.approx(headlines)
    others = {f"all/final/{k}": v for k, v in wanted.items() if k not in FINAL}
    assert {k: v for k, v in final.items() if k.startswith("all/final/")} == pytest.approx(others)


def summary(told: list[Records]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for record in told[-1]["summary"]:
        found |= record["update"]
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # at the import of wandb-workspaces
def test_every_panel_shows_what_is_told(told: list[Records]) -> None:
    """The workspace as wandb-workspaces has it, against the keys that wandb wrote down."""
    pytest.importorskip("wandb_workspaces")
    from wandb_workspaces.reports.v2.interface import BarPlot, LinePlot, MediaBrowser

    from plasticity.tracking.dashboard import sections, workspace

    rows = {key for row in history(told) for key in row}
    every = [panel for _, _, panels in sections("us") for panel in panels]
    lines = {str(y) for panel in every if isinstance(panel, LinePlot) for y in panel.y or ()}
    assert lines and lines <= rows
    (matched,) = (p.metric_regex for p in every if isinstance(p, LinePlot) and p.metric_regex)
    assert any(re.fullmatch(matched, key) for key in rows)
    bars = {key.name for p in every if isinstance(p, BarPlot) for key in p.metrics}  # type: ignore
    undefined = {"gain"}  # beside no cell of Frozen
    assert bars - undefined <= summary(told).keys() and undefined <= {*FINAL.values()}
    media = {key for p in every if isinstance(p, MediaBrowser) for key in p.media_keys}
    assert media and {f"{key}.path" for key in media} <= rows
    (order,) = workspace("us", "p").runset_settings.order
    assert order.item.name == "skill" and not order.ascending


def test_a_run_says_what_it_can_be_sorted_by(
    offline: Path, cell: Cell, told: list[Records]
) -> None:
    (run,) = told[-1]["run"]
    assert run["display_name"] == "Replay-seed7" and run["run_group"] == "tracked-run"
    assert run["job_type"] == cell.label == "Replay"
    assert run["tags"] == ["Markov", "Padded", "Recurring", "Replay", "Transformer"]
    config = run["config"]["update"]
    resolved = yaml.safe_load((offline / "run/experiment.yaml").read_text())
    assert config["seed"] == 7 and config["label"] == "Replay"
    assert config["network"] == cell.meta["network"] and config["stretch"] == 5
    assert config["strategy"] == cell.meta["strategy"] | {"lr": resolved["optimizer"]["lr"]}
    assert config["stream"]["tunnels"]["0"] == resolved["stream"]["tunnels"][0]
    assert not {"strategies", "networks", "seeds"} & config.keys()


def test_the_last_row_holds_tables_and_pictures(cell: Cell, told: list[Records]) -> None:
    row, folder = history(told)[-1], sorted(cell.path.glob("wandb/offline-run-*"))[-1] / "files"
    matrix = json.loads((folder / row["probe_matrix.path"]).read_text())
    held = cell.probes.read().filter(pl.col("regime") >= 0)
    wanted = {
        (step, "AB"[regime], bits)
        for step, regime, bits in held.select("step", "regime", "kl/model").iter_rows()
    }
    assert {tuple(line) for line in matrix["data"]} == wanted and len(wanted) == 2 * 21
    for name, lines in {"probe_map": 2 * 21, "skill_bars": 4, "frontier": len(SHARES)}.items():
        drawn = ElementTree.parse(folder / row[f"pictures/{name}.path"]).getroot()
        kept = drawn.findtext("s:metadata", "", {"s": "http://www.w3.org/2000/svg"})
        assert len(pl.read_csv(kept.encode())) == lines, name
    table = json.loads((folder / row["posteriors.path"]).read_text())
    lines = pl.DataFrame(table["data"], schema=table["columns"], orient="row")
    sums = lines.group_by("regime", "position").agg(
        pl.col("informed", "continual", "amnesic", "model", "came").sum()
    )
    assert len(sums) == 2 * 4
    for who in ("informed", "continual", "amnesic", "model", "came"):
        assert sums[who].to_numpy() == pytest.approx(1.0)
    first = lines.filter(pl.col("position") == 0)
    assert first["context"].str.split(" ").list.len().max() == 1
    assert (lines["informed"] != lines["amnesic"]).any()


def test_the_checkpoint_is_an_artifact_within_the_cell(cell: Cell, told: list[Records]) -> None:
    (artifact,) = (a for a in told[-1]["artifact"] if a["type"] == "model")
    (content,) = artifact["manifest"]["contents"]
    file = Path(content["local_path"])
    assert cell.path.resolve() in file.parents and not cell.checkpoint.exists()
    state = archive.load(file, cell.place("checkpoint"))
    assert any(key.startswith("learner.network.") for key in state["state_dict"])


def test_nothing_is_written_outside_the_run_directory(offline: Path) -> None:
    """Neither at home, where caches lie, nor in the current folder: `wandb sync` finds all in the run."""
    ours = ("run", "reader", "pretrained", "tracked.yaml")
    strays = [
        str(path.relative_to(offline))
        for path in offline.rglob("*")
        if path.is_file() and path.relative_to(offline).parts[0] not in ours
    ]
    assert strays == []


@pytest.mark.parametrize("share", [0.0, 0.4, 0.8])
def test_what_a_torn_fragment_still_holds_is_known(
    share: float, cell: Cell, tmp_path: Path
) -> None:
    """A kill leaves the beginning of a file."""
    whole = max(cell.path.glob("wandb/offline-run-*/*.wandb"), key=lambda file: file.stat().st_size)
    torn = tmp_path / "wandb" / whole.parent.name / whole.name
    torn.parent.mkdir(parents=True)
    torn.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    steps = [record["item"]["_step"] for record in inspected(torn).get("history", [])]
    assert len(steps) < 22 and bool(steps) == (share > 0)
    assert rows_told(tmp_path, _identity(cell)) == max(steps, default=-1) + 1


def test_rows_come_as_they_are_stored(cell: Cell, tmp_path: Path) -> None:
    """A stretch whose timing is not there is not over."""
    growing = Cell(tmp_path)
    stretches = Stretches(growing)
    assert list(stretches.new()) == []

    def stored(name: str, part: int) -> None:
        frame = cell.table(name).part(part)
        growing.table(name).write(part, {k: frame[k].to_numpy() for k in frame.columns})

    stored("probes", 0)
    assert [number for number, _ in stretches.new()] == [0]
    stored("steps", 0)
    stored("probes", 1)
    assert list(stretches.new()) == []
    stored("timing", 0)
    assert [number for number, _ in stretches.new()] == [1]
    assert list(stretches.new()) == []
    assert len(list(Stretches(cell).new())) == 21


def _identity(cell: Cell) -> str:
    (name,) = {file.stem for file in cell.path.glob("wandb/offline-run-*/*.wandb")}
    return name.removeprefix("run-")
