"""Cells drawn at random are run again, and betray numbers that only look right."""

import json
from pathlib import Path

import pytest

from plasticity.bench.rerun import draw
from plasticity.bench.results import read
from plasticity.core.errors import ConfigError

from ...calling import Call
from .forging import forge


def test_a_draw_is_that_of_its_seed(made: Path) -> None:
    results = read(made / "results.json")
    draws = [draw(results, 2, seed) for seed in range(50)]
    assert draws == [draw(results, 2, seed) for seed in range(50)]
    assert {i for each in draws for i in each} == set(range(6))
    assert all(a < b for a, b in draws)
    with pytest.raises(ConfigError, match="--rerun: expected at most 6, the cells of the file"):
        draw(results, 7, 0)


def test_what_was_found_is_found_again(made: Path, call: Call) -> None:
    """A contender's cells too."""
    words = ("--suite", str(made / "tiny.yaml"), "--rerun=6", "--seed=3", "--jobs=1")
    done = call("bench", "submit", str(made / "results.json"), *words)
    assert done.code == 0, done.err
    assert "drawn by --seed 3: cells 0, 1, 2, 3, 4, 5" in done.out
    assert "run again: 6 cells, skill to 0.03" in done.out
    assert "taken on faith, but for the 6 cells run again" in done.out


def test_a_forged_cell_that_is_drawn_is_refused(made: Path, tmp_path: Path, call: Call) -> None:
    """Its skill is that of its bits; only it was not so."""
    value = json.loads((made / "results.json").read_text())
    forge(0.01, 4)(value)
    (tmp_path / "forged.json").write_text(json.dumps(value))
    words = ("bench", "submit", "forged.json", "--suite", str(made / "tiny.yaml"))
    assert call(*words).code == 0
    done = call(*words, "--rerun=6", "--jobs=1")
    assert (done.code, done.err.count("\n")) == (2, 2), "and a warning of its luck"
    assert "forged.json: cells.4.skill: expected" in done.err
    assert "markov Transformer Finetune lr" in done.err and "run again here" in done.err


def test_a_contender_that_is_not_installed_is_named(made: Path, tmp_path: Path, call: Call) -> None:
    text = (made / "results.json").read_text().replace("L2Init", "L3Init")
    (tmp_path / "theirs.json").write_text(text)
    words = ("bench", "submit", "theirs.json", "--suite", str(made / "tiny.yaml"))
    assert "L3Init (contender)" in call(*words).out
    done = call(*words, "--rerun=1")
    assert done.code == 2 and "unknown strategy 'L3Init'. Did you mean 'L2Init'?" in done.err


def test_a_file_chooses_no_other_file(made: Path, tmp_path: Path, call: Call) -> None:
    """A suite by its path is the reader's to name."""
    value = json.loads((made / "results.json").read_text())
    value["suite"]["name"] = str(made / "tiny.yaml")
    (tmp_path / "theirs.json").write_text(json.dumps(value))
    done = call("bench", "submit", "theirs.json")
    assert done.code == 2
    assert "theirs.json: suite.name: expected the name of a shipped suite, got" in done.err
    value["suite"]["name"] = "cpu-smal"
    (tmp_path / "theirs.json").write_text(json.dumps(value))
    assert "Did you mean 'cpu-small'?" in call("bench", "submit", "theirs.json").err
