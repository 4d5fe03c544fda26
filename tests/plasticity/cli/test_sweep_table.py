"""The table of a sweep: a variation that diverged under one seed is not judged by the others."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plasticity.cli import sweeping
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
