"""The page and the table say what the stored parts say, and the page needs nothing but itself."""

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from plasticity.config.recipe import recipe
from plasticity.core.predictors import PREDICTORS
from plasticity.engine.trainer import SCORES
from plasticity.metrics.summary import summarise
from plasticity.plots.over_time import plotted, series
from plasticity.report.page import export
from plasticity.report.run_report import COLUMNS, answer, by_label, recompute, rows, title, write
from plasticity.results.store import Cell, Run, write_json, write_whole
from streams import Markov, Recurring


class Told(Recurring):
    """A world with something of its own to say."""

    def summary(self, steps: pl.DataFrame, probes: pl.DataFrame) -> dict[str, float | None]:
        return {"seen": float(len(steps)), "seed": float(self.seed), "never": None}


def cell(run: Run, index: int, label: str, seed: int, steps: int, done: bool = True) -> Cell:
    """A cell in a world A B A B of four visits, with made-up bits."""
    made = Cell(run.path / "cells" / f"cell{index}")
    meta = {"label": label, "seed": seed, "index": index, "pretrained_gap": 0.01 * (1 + seed)}
    write_json(made.path / "cell.json", meta)
    rng, period = np.random.default_rng(index), steps // 4
    step = np.arange(steps)
    table = {name: rng.random(steps) for name in SCORES}
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
    values = {name: rng.random(len(probes)) for name in SCORES}
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
    """Everything a page would fetch, and every picture without words."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.mute: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.found += [f"{tag} {k}={v}" for k, v in attrs if k in ("src", "href", "srcset", "data")]
        if tag == "svg" and not (told.get("aria-label") or told.get("aria-hidden")):
            self.mute.append(str(attrs))


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
    assert reader.found == [] and reader.mute == []
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket", text)
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", text))
    names = {"http://www.w3.org/2000/svg", "https://github.com/leeoniya/uPlot"}
    assert addresses <= names  # of a namespace, and in a comment; nothing goes there
    assert "uPlot=function" in text and "name: world" in text


def test_curves_are_means_over_windows_and_seeds(run: Run) -> None:
    cells = [cell(run, i, "EWC", i, 4000) for i in range(2)]
    drawn = plotted(series(by_label(run)))
    curves = {s["name"]: s for s in drawn["series"]}
    kl = np.mean([c.steps.read()["kl/model"].to_numpy() for c in cells], axis=0)
    np.testing.assert_allclose(curves["EWC"]["y"], kl.reshape(400, 10).mean(1), atol=1e-5)
    np.testing.assert_allclose(curves["EWC"]["x"], np.arange(400) * 10 + 4.5, atol=0.06)
    spans = [(s["from"], s["to"], s["letter"]) for s in drawn["spans"]]
    assert spans == [(0, 1000, "A"), (1000, 2000, "B"), (2000, 3000, "A"), (3000, 4000, "B")]


def test_a_long_run_makes_no_larger_page(run: Run, tmp_path: Path) -> None:
    for i in range(8):
        cell(run, i, f"Strategy{i}", 0, 100_000)
    size = write([run], tmp_path / "page.html").stat().st_size
    assert size < 3_000_000


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
    assert "<b>bold" not in text and "<i>world" not in text
    assert text.count("</script>") == 2


def test_old_numbers_are_derived_anew(run: Run) -> None:
    """From the tables alone; what a step cost cannot be derived, and stays."""
    made = cell(run, 0, "EWC", 0, 80)
    right = made.summary
    write_json(made.path / "summary.json", {"skill": 9.0, "cost/ms_per_step": 2.0})
    world = recipe(Told, tunnels=[recipe(Markov)], period=1, steps=2)
    recompute(run, world)
    assert made.summary == right | {"world/seen": 80.0, "world/seed": 0.0, "world/never": None}


def test_the_answer_stands_first(run: Run, tmp_path: Path) -> None:
    """Before any picture or table: which strategy, and how sure."""
    for i in range(6):
        cell(run, i, "EWC" if i < 3 else "Replay", i % 3, 80)
    found = answer(run)
    assert found.answer.startswith("No strategy is surely ahead")  # the bits are made up
    text = write([run], tmp_path / "page.html").read_text()
    first = text.index(found.answer)
    assert first < text.index('<svg class="picture"') < text.index("<table")
    assert first < text.index("<details")


def test_what_a_page_shows_is_saved_as_svg_and_csv(run: Run, tmp_path: Path) -> None:
    cells = [cell(run, i, "EWC", i, 80) for i in range(2)]
    page = write([run], tmp_path / "page.html")
    files = {path.name: path for path in export(page, tmp_path / "out")}
    assert {"skill.svg", "skill.csv", "bits-over-time.svg", "probes-EWC.csv"} <= {*files}
    assert page.read_text().count('<svg class="picture"') == sum(n.endswith("svg") for n in files)
    for name, path in files.items():
        if name.endswith("svg"):
            root = ElementTree.parse(path).getroot()
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            assert "var(" not in path.read_text() and "currentColor" not in path.read_text()
    numbers = pl.read_csv(files["numbers.csv"])
    assert numbers["seed"].to_list() == [0, 1]
    skills = [c.summary["skill"] for c in cells]
    np.testing.assert_allclose(numbers["skill"], skills)
    np.testing.assert_allclose(pl.read_csv(files["skill.csv"])["skill"], skills)
    curve = pl.read_csv(files["bits-over-time.csv"]).filter(pl.col("title") == "amnesic")
    kl = [c.steps.read()["kl/amnesic"].to_numpy() for c in cells]
    np.testing.assert_allclose(curve["value"], np.mean(kl, axis=0), atol=1e-5)
