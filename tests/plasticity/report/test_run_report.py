"""The page and the table say what the stored parts say, and the page needs nothing but itself."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from plasticity.config.recipe import recipe
from plasticity.core.names import folder_name
from plasticity.core.predictors import PREDICTORS
from plasticity.engine.trainer import SCORES
from plasticity.metrics.summary import summarise
from plasticity.report import compare_page
from plasticity.report.comparison import compared
from plasticity.report.page import Page, Picture
from plasticity.report.run_page import page, write
from plasticity.report.run_report import COLUMNS, answer, read, recompute, rows, title
from plasticity.results.store import Cell, Run
from streams import Markov, Recurring


class Told(Recurring):
    """A world with something of its own to say."""

    def summary(self, steps: pl.DataFrame, probes: pl.DataFrame) -> dict[str, float | None]:
        return {"seen": float(len(steps)), "seed": float(self.seed), "never": None}


def cell(run: Run, index: int, label: str, seed: int, steps: int, done: bool = True) -> Cell:
    """A cell in a world A B A B of four visits, with made-up bits."""
    made = Cell(run.path / "cells" / folder_name(label, f"-seed{seed}"))
    meta = {"label": label, "seed": seed, "index": index, "pretrained_gap": 0.01 * (1 + seed)}
    made.begin(meta, "made up", run.digest)
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
        made.end(numbers | {"cost/ms_per_step": 2.0})
    return made


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run(tmp_path / "world" / "one")
    made.begin("name: world\n", {"commit": "abc"})
    return made


class Loads(HTMLParser):
    """Everything a page would fetch (what it refers to in itself is there), and every picture without words."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.mute: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        fetched = ("src", "href", "xlink:href", "srcset", "data")
        within = ("#", "data:image/png;base64,")
        self.found += [
            f"{tag} {k}={v}" for k, v in attrs if k in fetched and not str(v).startswith(within)
        ]
        if tag == "svg" and not (told.get("aria-label") or told.get("aria-hidden")):
            self.mute.append(str(attrs))


class Texts(HTMLParser):
    """The texts of a page, by the element that they stand in."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        self.open = self.open[: -self.open[::-1].index(tag) - 1] if tag in self.open else self.open

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]][-1] += data


def test_the_table_is_the_mean_of_the_cells(run: Run) -> None:
    cells = [cell(run, i, label, i % 2, 80) for i, label in enumerate(["EWC", "EWC", "Replay"])]
    table = {row.title: row for row in rows(read(run))}
    assert list(table) == ["EWC", "Replay", *PREDICTORS[1:]]
    shown = {column.title: column.show for column in COLUMNS}
    skills = [c.summary["skill"] for c in cells[:2]]
    half = 12.706 * np.std(skills, ddof=1) / np.sqrt(2)  # Student's t, one degree of freedom
    assert shown["skill"](table["EWC"]) == f"{np.mean(skills):.2f}±{half:.2f}"
    back = cells[2].steps.read()["kl/model"].to_numpy()
    expected = np.mean([back[40:50], back[60:70]])
    assert shown["KL return"](table["Replay"]) == f"{expected:.3f}"
    assert shown["skill"](table["continual"]) == "1.00±0.00"
    assert shown["skill"](table["amnesic"]) == "0.00±0.00"
    assert shown["forgetting"](table["uniform"]) == "-"
    assert title(run) == "world: 2 seeds; pretrained to 0.013 bits of the amnesic observer"


def test_the_page_needs_nothing_but_itself(run: Run, tmp_path: Path) -> None:
    cell(run, 0, "EWC", 0, 80)
    text = write([read(run)], tmp_path / "page.html").read_text()
    reader = Loads()
    reader.feed(text)
    assert reader.found == [] and reader.mute == []
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttpRequest|WebSocket", text)
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", text))
    names = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    names |= {"https://github.com/leeoniya/uPlot"}
    assert addresses <= names  # of a namespace, and in a comment; nothing goes there
    assert "uPlot=function" in text and "name: world" in text


def test_the_plot_that_zooms_is_told_what_the_picture_draws(run: Run, tmp_path: Path) -> None:
    cells = [cell(run, i, "EWC", i, 4000) for i in range(2)]
    text = write([read(run)], tmp_path / "page.html").read_text()
    told = json.loads(re.findall(r'class="plotted">(.*?)</script>', text)[0])
    curves = {s["name"]: s for s in told["series"]}
    kl = np.mean([c.steps.read()["kl/model"].to_numpy() for c in cells], axis=0)
    np.testing.assert_allclose(curves["EWC"]["y"], kl.reshape(400, 10).mean(1), atol=1e-5)
    spans = [(s["from"], s["to"], s["letter"]) for s in told["spans"]]
    assert spans == [(0, 1000, "A"), (1000, 2000, "B"), (2000, 3000, "A"), (3000, 4000, "B")]
    assert told["ribbons"] == [] and "Shades are regimes" in text


def test_seeds_whose_shifts_differ_have_ribbons_and_a_note(run: Run, tmp_path: Path) -> None:
    for seed, period in enumerate((20, 10, 40)):
        cell(run, seed, "EWC", seed, 4 * period)
    text = write([read(run)], tmp_path / "page.html").read_text()
    told = json.loads(re.findall(r'class="plotted">(.*?)</script>', text)[0])
    assert told["spans"] == [] and [r["name"] for r in told["ribbons"]] == [
        "seed 0",
        "seed 1",
        "seed 2",
    ]
    assert "Regimes shift at other steps in each seed" in text and "Shades are regimes" not in text


def test_a_long_run_makes_no_larger_page(run: Run, tmp_path: Path) -> None:
    for i in range(8):
        cell(run, i, f"Strategy{i}", 0, 100_000)
    size = write([read(run)], tmp_path / "page.html").stat().st_size
    assert size < 3_000_000


def test_an_unfinished_run_shows_what_there_is(run: Run, tmp_path: Path) -> None:
    cell(run, 0, "EWC", 0, 80, done=False)
    text = write([read(run)], tmp_path / "page.html").read_text()
    assert "unfinished, 80 steps so far" in text
    assert rows(read(run))[0].numbers["skill"][0] is not None
    begun = Cell(run.path / "cells" / "Late-seed0")
    meta = {"label": "Late", "seed": 0, "index": 9, "pretrained_gap": None}
    begun.begin(meta, "made up", run.digest)
    assert "unfinished, 0 steps so far" in write([read(run)], tmp_path / "page.html").read_text()


def test_a_run_without_cells_says_so(run: Run, tmp_path: Path) -> None:
    assert "was begun" in write([read(run)], tmp_path / "page.html").read_text()
    assert rows(read(run)) == []


@pytest.mark.parametrize("label", ["<b>x</b></script>", "[red]", '"&', "{{ 7 * 7 }}", "$a_1$"])
def test_names_are_text(label: str, run: Run, tmp_path: Path) -> None:
    """Of strategies and of the experiment: in tables, pictures, headings, attributes and scripts."""
    cell(run, 0, label, 0, 80)
    run.begin(f"name: {json.dumps(label)}\n", {"commit": "abc"})
    text = write([read(run)], tmp_path / "page.html").read_text()
    assert "<b>" not in text and text.count("</script>") == 3
    reader = Texts()
    reader.feed(text)
    assert reader.texts["td"].count(label) >= 2 and reader.texts["h1"] == [label]
    assert label in reader.texts["text"], "of a picture"
    assert label in [s["name"] for s in json.loads(reader.texts["script"][0])["series"]]


def test_old_numbers_are_derived_anew(run: Run) -> None:
    """From the tables alone; what a step cost cannot be derived, and stays."""
    made = cell(run, 0, "EWC", 0, 80)
    right = made.summary
    made.end({"skill": 9.0, "cost/ms_per_step": 2.0})
    world = recipe(Told, tunnels=[recipe(Markov)], period=1, steps=2)
    recompute(run, world)
    assert made.summary == right | {"world/seen": 80.0, "world/seed": 0.0, "world/never": None}


def test_the_answer_stands_first(run: Run, tmp_path: Path) -> None:
    """Before any picture or table: which strategy, and how sure."""
    for i in range(6):
        cell(run, i, "EWC" if i < 3 else "Replay", i % 3, 80)
    found = answer(read(run))
    assert found.answer.startswith("No strategy is surely ahead")  # the bits are made up
    text = write([read(run)], tmp_path / "page.html").read_text()
    first = text.index(found.answer)
    assert first < text.index('class="picture"') < text.index("<table")
    assert first < text.index("<details")


def test_what_a_page_shows_is_saved_as_svg_and_csv(run: Run, tmp_path: Path) -> None:
    cells = [cell(run, i, "EWC", i, 80) for i in range(2)]
    built = page([read(run)])
    files = {path.name: path for path in built.export(tmp_path / "out")}
    assert {"skill.svg", "skill.pdf", "skill.png", "skill.csv", "bits-over-time.svg"} <= {*files}
    assert {"probes-EWC.csv", "numbers.csv", "numbers.tex", "methods.tex"} <= {*files}
    shown = built.html().count('<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox=')
    assert shown == sum(name.endswith("svg") for name in files) == 3
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


def test_what_is_shown_is_escaped_in_what_is_saved(run: Run, tmp_path: Path) -> None:
    """Names of files hold no path, and two of one name are two files."""
    cell(run, 0, "../a/b", 0, 80)
    cell(run, 1, "..a b", 0, 80)
    files = page([read(run)]).export(tmp_path / "out")
    assert len(files) == len({*files}) and {f.parent for f in files} == {tmp_path / "out"}


def test_a_strategy_has_one_colour_in_every_chapter(run: Run, tmp_path: Path) -> None:
    """And on the page of a comparison, where the run is told by a pattern."""
    other = Run(tmp_path / "other" / "two")
    other.begin("name: other\n", {"commit": "abc"})
    for i, label in enumerate(["Frozen", "EWC"]):
        cell(run, i, label, 0, 80)
    for i, label in enumerate(["Replay", "EWC", "LoRA"]):
        cell(other, i, label, 0, 80)
    one, two = (_bars(p.axes) for p in _pictures(page([read(run), read(other)]), "skill"))
    assert one["EWC"][0] == two["EWC"][0] != two["Replay"][0]
    (both,) = _pictures(compare_page.page(compared([run, other])), "skill")
    held = _bars(both.axes)
    assert held["Frozen"] == one["Frozen"] and held["LoRA"] == two["LoRA"]
    (first, no), (second, pattern) = held["EWC (world)"], held["EWC (other)"]
    assert first == second == one["EWC"][0] and (no, bool(pattern)) == ("", True)


def _pictures(of: Page, name: str) -> list[Picture]:
    blocks = [b for c in of.chapters for s in c.sections for b in s.blocks]
    return [b for b in blocks if isinstance(b, Picture) and b.name == name]


def _bars(ax: Axes) -> dict[str, tuple[str, str]]:
    """Title -> (colour, pattern)."""
    titles = [t.get_text() for t in ax.get_yticklabels()]
    drawn = [p for p in ax.patches if isinstance(p, Rectangle)]
    looks = [(to_hex(p.get_facecolor()), p.get_hatch() or "") for p in drawn]
    return dict(zip(titles, looks, strict=True))
