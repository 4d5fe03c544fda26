"""The page and the table say what the stored parts say, and the page needs nothing but itself."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from plasticity.bracket import PREDICTORS
from plasticity.metrics import standard
from plasticity.metrics.summary import summarise
from plasticity.report import COLUMNS, recompute, rows, title, write
from plasticity.store import Cell, Run, write_json, write_whole

NAMES = [f"{m.column}/{name}" for m in standard() for name in ("model", *PREDICTORS)]


def cell(run: Run, index: int, label: str, seed: int, steps: int, done: bool = True) -> Cell:
    """A cell in a world A B A B of four visits, with made-up bits."""
    made = Cell(run.path / "cells" / f"cell{index}")
    meta = {"label": label, "seed": seed, "index": index, "pretrained_gap": 0.01 * (1 + seed)}
    write_json(made.path / "cell.json", meta)
    rng, period = np.random.default_rng(index), steps // 4
    step = np.arange(steps)
    table = {name: rng.random(steps) for name in NAMES}
    table["kl/amnesic"] = table["kl/amnesic"] + 1
    made.steps.write(
        0,
        {
            "step": step,
            "regime": (step // period % 2).astype(np.int32),
            "shift": (step % period == 0) & (step > 0),
            **table,
        },
    )
    probes = np.repeat(np.arange(0, steps + 1, period), 2)
    regimes = np.tile(np.arange(2, dtype=np.int32), len(probes) // 2)
    values = {name: rng.random(len(probes)) for name in NAMES}
    made.probes.write(0, {"step": probes, "regime": regimes, **values})
    if done:
        numbers = summarise(made.steps.read(), made.probes.read())
        write_json(made.path / "summary.json", numbers | {"cost/ms_per_step": 2.0})
    return made


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run(tmp_path / "world" / "one")
    write_whole(made.path / "experiment.yaml", b"name: world\n")
    write_json(made.path / "environment.json", {"commit": "abc"})
    return made


class Loads(HTMLParser):
    """Everything a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {k}={v}" for k, v in attrs if k in ("src", "href", "srcset", "data")]


def test_the_table_is_the_mean_of_the_cells(run: Run) -> None:
    cells = [cell(run, i, label, i % 2, 80) for i, label in enumerate(["EWC", "EWC", "Replay"])]
    table = {row.title: row for row in rows(run)}
    assert list(table) == ["EWC", "Replay", *PREDICTORS[1:]]
    shown = dict(zip([name for name, _ in COLUMNS], COLUMNS, strict=True))
    skills = [c.summary["skill"] for c in cells[:2]]
    half = 12.706 * np.std(skills, ddof=1) / np.sqrt(2)  # Student's t, one degree of freedom
    assert shown["skill"][1](table["EWC"]) == f"{np.mean(skills):.2f}±{half:.2f}"
    back = cells[2].steps.read()["kl/model"].to_numpy()
    expected = np.mean([back[40:50], back[60:70]])
    assert shown["KL return"][1](table["Replay"]) == f"{expected:.3f}"
    assert shown["skill"][1](table["continual"]) == "1.00±0.00"
    assert shown["skill"][1](table["amnesic"]) == "0.00±0.00"
    assert shown["forgetting"][1](table["uniform"]) == "-"
    assert title(run) == "world: 2 seeds; pretrained to 0.013 bits of the amnesic observer"


def test_the_page_needs_nothing_but_itself(run: Run, tmp_path: Path) -> None:
    cell(run, 0, "EWC", 0, 80)
    text = write([run], tmp_path / "page.html").read_text()
    reader = Loads()
    reader.feed(text)
    assert reader.found == []
    assert not re.search(r"@import|url\(", text)
    assert "uPlot=function" in text and "name: world" in text


def test_curves_are_means_over_windows_and_seeds(run: Run, tmp_path: Path) -> None:
    from plasticity.report import _curves

    cells = [cell(run, i, "EWC", i, 4000) for i in range(2)]
    series = {s["name"]: s for s in _curves(run)["series"]}
    kl = np.mean([c.steps.read()["kl/model"].to_numpy() for c in cells], axis=0)
    np.testing.assert_allclose(series["EWC"]["y"], kl.reshape(400, 10).mean(1), atol=1e-5)
    np.testing.assert_allclose(series["EWC"]["x"], np.arange(400) * 10 + 4.5, atol=0.06)
    spans = [(s["from"], s["to"], s["letter"]) for s in _curves(run)["spans"]]
    assert spans == [(0, 1000, "A"), (1000, 2000, "B"), (2000, 3000, "A"), (3000, 4000, "B")]


def test_a_long_run_makes_no_larger_page(run: Run, tmp_path: Path) -> None:
    for i in range(8):
        cell(run, i, f"Strategy{i}", 0, 100_000)
    assert write([run], tmp_path / "page.html").stat().st_size < 3_000_000


def test_an_unfinished_run_shows_what_there_is(run: Run, tmp_path: Path) -> None:
    cell(run, 0, "EWC", 0, 80, done=False)
    text = write([run], tmp_path / "page.html").read_text()
    assert "unfinished, 80 steps so far" in text
    assert rows(run)[0].numbers["skill"][0] is not None
    begun = Cell(run.path / "cells" / "begun")
    meta = {"label": "Late", "seed": 0, "index": 9, "pretrained_gap": None}
    write_json(begun.path / "cell.json", meta)
    assert "unfinished, 0 steps so far" in write([run], tmp_path / "page.html").read_text()


def test_a_run_without_cells_says_so(run: Run, tmp_path: Path) -> None:
    assert "was begun" in write([run], tmp_path / "page.html").read_text()
    assert rows(run) == []


def test_names_cannot_become_markup(run: Run, tmp_path: Path) -> None:
    cell(run, 0, "<b>bold</b></script>", 0, 80)
    write_whole(run.path / "experiment.yaml", b"name: <i>world</i>\n")
    text = write([run], tmp_path / "page.html").read_text()
    assert "<b>" not in text and "<i>world" not in text
    assert text.count("</script>") == 2


def test_old_numbers_are_derived_anew(run: Run) -> None:
    """From the tables alone; what a step cost cannot be derived, and stays."""
    made = cell(run, 0, "EWC", 0, 80)
    right = made.summary
    write_json(made.path / "summary.json", {"skill": 9.0, "cost/ms_per_step": 2.0})
    recompute(run)
    assert made.summary == right
