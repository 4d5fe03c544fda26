"""Tables: they fit a terminal, and a variation that diverged under one seed is not judged by the others."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.table import Table

from plasticity.cli import common, sweeping
from plasticity.cli.common import caption_without
from plasticity.launch.sweep_cells import diverged
from plasticity.results.load import load

from ..results.runs import made, spoil


def test_a_variation_that_diverged_is_last_and_says_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The two seeds that survived would have put it first."""
    run = made(tmp_path / "run", {"Wild": [0.9, 0.9, 0.9], "EWC": [0.3, 0.31, 0.32]})
    spoil(run, "Wild", 1, 36)
    summary = load(run.path).summary
    assert diverged(summary) == "diverged (seed 1 at step 36)"
    assert diverged(summary.drop("diverged/step")) == ""
    monkeypatch.setattr(sweeping.out, "width", 200)
    point: Any = SimpleNamespace(settings={}, run=run)
    sweeping._show(summary, [point], tmp_path)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert lines[1][:3] == ["EWC", "3", "0.310±0.025"]
    assert lines[2] == [
        "Wild",
        "3",
        "diverged",
        "(seed",
        "1",
        "at",
        "step",
        "36)",
        "-",
        "2.000±0.000",
    ]


def test_a_caption_says_nothing_of_a_column_that_is_gone() -> None:
    """Where a clause is of two columns it goes with the second; a sentence still ends as one."""
    whole = "skill: a; gain: b. forward, backward: c; rank: d. KL, all: e."
    assert caption_without(whole, "trained") == whole
    half = caption_without(whole, "backward")
    assert half == whole.replace("forward, backward", "forward")
    assert caption_without(half, "forward") == "skill: a; gain: b. rank: d. KL, all: e."
    assert caption_without(whole, "gain") == "skill: a. forward, backward: c; rank: d. KL, all: e."
    assert caption_without(whole, "rank") == "skill: a; gain: b. forward, backward: c. KL, all: e."


def test_a_narrow_table_drops_columns_and_what_is_said_of_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table("name", "wide", caption="name: whose. wide: how wide.")
    table.add_row("a", "b" * 60)
    for width, told in ((100, True), (30, False)):
        monkeypatch.setattr(common.out, "width", width)
        common.print_fitting(table, ["wide"])
        assert ("how wide" in capsys.readouterr().out) is told
