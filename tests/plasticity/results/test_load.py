"""The frames are the parts on disk, read by another library, under the labels and seeds of their cells."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from plasticity.core.names import folder_name
from plasticity.report.page import Page
from plasticity.results.load import load
from plasticity.results.store import Cell, Run

from ...calling import Call
from .runs import made, spoil


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made(tmp_path / "runs" / "one", {"EWC": [0.1, 0.3], "Replay": [0.5, 0.6]}, unfinished="Replay")
    made(tmp_path / "runs" / "deep" / "two", {"EWC": [0.2]}, seeds=[7])
    return tmp_path / "runs"


def test_a_run_is_its_tables(folder: Path) -> None:
    found = load(folder / "one")
    steps = found.steps
    assert steps.columns[:4] == ["run", "label", "seed", "step"]
    for label, seed in (("EWC", 1), ("Replay", 0)):
        mine = steps.filter(pl.col("label") == label, pl.col("seed") == seed)
        parts = folder / "one" / "cells" / f"{label}-seed{seed}" / "steps"
        other = pq.read_table(parts)
        np.testing.assert_array_equal(mine["kl/model"], other["kl/model"])
        np.testing.assert_array_equal(mine["step"], other["step"])
    assert len(steps) == 4 * 80 and len(found.timing) == 4
    assert found.config["stream"]["period"] == 20


def test_lazy_tables_are_what_polars_has_not_read_yet(folder: Path) -> None:
    at_once, later = load(folder), load(folder, lazy=True)
    for kind in ("steps", "probes", "condition", "timing", "frontier"):
        frame, query = getattr(at_once, kind), getattr(later, kind)
        assert isinstance(frame, pl.DataFrame) and isinstance(query, pl.LazyFrame)
        assert query.collect().equals(frame)
    assert len(later.steps.filter(pl.col("seed") == 7).select("kl/model").collect()) == 80
    assert isinstance(later.summary, pl.DataFrame)


def test_the_summary_is_a_row_per_cell(folder: Path) -> None:
    table = load(folder / "one").summary
    assert table["label"].to_list() == ["EWC", "EWC", "Replay", "Replay"]
    assert table["seed"].to_list() == [0, 1, 0, 1]
    np.testing.assert_allclose(table["skill"], [0.1, 0.3, 0.5, 0.6])  # of unfinished cells too
    assert table["done"].to_list() == [True, True, False, False]
    assert table["cost/ms_per_step"].to_list() == [2.0, 2.0, None, None]


@pytest.mark.parametrize("where", ["", "*/", "**/two"])
def test_folders_and_globs(folder: Path, where: str) -> None:
    found = load(folder / where)
    count = 1 if "two" in where else 2
    assert len(found.runs) == count == len(found.configs)
    if count == 2:
        assert set(found.steps["seed"]) == {0, 1, 7}
        with pytest.raises(ValueError, match="config: expected one run, got 2"):
            _ = found.config


def test_what_is_not_stored_is_empty(folder: Path) -> None:
    frame = load(folder / "one").condition
    assert frame.columns == ["run", "label", "seed"] and not len(frame)


def test_a_run_without_cells_is_empty(tmp_path: Path) -> None:
    found = load(made(tmp_path / "new", {}).path)
    assert not len(found.summary) and not len(found.steps)
    assert repr(found).startswith("1 run\n")


def test_columns_may_differ_between_cells(folder: Path) -> None:
    one = Cell(folder / "one" / "cells" / "EWC-seed0")
    other = Cell(folder / "deep" / "two" / "cells" / "EWC-seed7")
    one.timing.write(1, {"step": np.array([160]), "seconds": np.array([2.5])})
    row = {"step": np.array([80]), "seconds": np.array([1]), "joules": np.array([3.0])}
    other.timing.write(0, row)
    for cell in (one, other):
        cell.end(cell.summary)
    table = load(folder).timing
    assert table["seconds"].sum() == 4 * 1.5 + 2.5 + 1 and table["joules"].null_count() == 5


def test_nothing_there_names_the_nearest(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"the nearest is .*runs.*Did you mean 'one'\?"):
        load(folder / "ons")
    with pytest.raises(FileNotFoundError, match="there is none in it"):
        load(folder / "one" / "cells")
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        load(folder / "nothing-like-it" / "*")


def test_a_notebook_shows_strategies(folder: Path) -> None:
    found = load(folder / "one")
    half = 12.706 * np.std([0.1, 0.3], ddof=1) / np.sqrt(2)
    assert f"0.200±{half:.3f}" in repr(found) and "0/2" in repr(found)
    assert "<td>Replay</td><td>0/2</td>" in found._repr_html_()
    run = Run(folder / "one")
    cell = next(cell for cell in run.cells() if cell.name == "EWC-seed0")
    cell.begin({"label": "<b>", "seed": 0, "index": 0}, cell.identity, run.digest)
    cell.path.rename(cell.path.with_name(folder_name("<b>", "-seed0")))
    assert "<b>" not in found._repr_html_()


def test_nothing_is_read_before_it_is_asked_for(folder: Path) -> None:
    frame = load(folder, lazy=True).steps.filter(pl.col("label") == "EWC").select("kl/model")
    assert "PROJECT 1" in frame.explain(), frame.explain()


def test_gain_is_read_from_the_frozen_network_beside(tmp_path: Path) -> None:
    """By seed, network and the batches that were met; of unfinished cells too."""
    run = made(tmp_path / "run", {"EWC": [0.4, 0.5], "Frozen": [-0.5, 0.0]}, unfinished="EWC")
    table = load(run.path).summary
    assert table["gain"].to_list() == pytest.approx([(0.4 + 0.5) / 1.5, 0.5, 0, 0])
    cell = run.cells()[0]
    assert cell.name == "EWC-seed0"
    cell.begin(cell.meta | {"network": {"type": "LSTM"}}, cell.identity, run.digest)
    assert load(run.path).summary["gain"].to_list() == [None, pytest.approx(0.5), 0, 0]
    alone = load(made(tmp_path / "alone", {"EWC": [0.4]}).path).summary
    assert alone["gain"].to_list() == [None]


def test_a_run_from_before_is_read_by_the_formulas_of_today(tmp_path: Path) -> None:
    """Its summary has numbers under ids that meant something else; its tables lack how many answers there were."""
    run = made(tmp_path / "run", {"EWC": [0.4], "Frozen": [0.0]})
    cell = run.cells()[0]
    frame = cell.steps.read().drop("answers")
    cell.steps.write(0, {name: frame[name].to_numpy() for name in frame.columns})
    old = {"skill": 9.0, "code_length/dawid1984": 87.0, "cost/ms_per_step": 2.0, "world/code": 3.0}
    old |= {"network/outside": 0.5}
    cell.end(old)
    row = load(run.path).summary.row(0, named=True)
    assert row["skill"] == pytest.approx(0.4) == row["gain"]
    assert row["code_length/dawid1984"] is None and row["cost/ms_per_step"] == 2.0
    assert row["world/code"] == 3.0 and row["network/outside"] == 0.5 and row["done"]


def test_a_notebook_says_who_diverged(tmp_path: Path) -> None:
    run = made(tmp_path / "run", {"EWC": [0.4, 0.5], "Replay": [0.4, 0.5]})
    spoil(run, "EWC", 1, 20)
    lines = repr(load(run.path)).splitlines()
    assert "diverged (1/2)" in lines[2] and "diverged" not in lines[3]


@pytest.mark.parametrize("name", ["file:run", "s3:run", "a=b", "[1]", "~x"])
def test_a_name_is_no_pattern_and_no_address(
    name: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read is what lies in the folder of this name, and not in those that it could stand for."""
    for other in ("run", "1", "b", "x"):
        made(Path(other), {"Frozen": [0.0], "EWC": [0.9]}, seeds=[0])
    made(Path(name), {"Frozen": [0.0], "EWC": [0.5]}, seeds=[0])
    plain = "p" * len(name)
    made(Path(plain), {"Frozen": [0.0], "EWC": [0.5]}, seeds=[0])
    np.testing.assert_allclose(load(name).summary["skill"], [0.0, 0.5])
    steps = load(name).steps
    assert steps["kl/model"].to_list() == load(plain).steps["kl/model"].to_list()
    assert set(steps["run"]) == {name} and "a" not in steps.columns
    monkeypatch.setattr(Page, "write", lambda page, to: to)
    for words in (["report"], ["compare", "run"]):
        said, right = call(*words, name), call(*words, plain)
        assert said.code == 0 == right.code, said
        assert said.out == right.out.replace(plain, name), said.out
