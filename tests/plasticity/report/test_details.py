"""The folded sections of a report say what the tables say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plasticity.engine.trainer import SCORES
from plasticity.metrics.summary import summarise
from plasticity.plots import looks
from plasticity.report import details
from plasticity.report.page import NumberTable, Picture, Pictures, Section, Words
from plasticity.report.sections import RunData
from plasticity.report.verdict import verdict
from plasticity.results.store import Cell, Run


def made(folder: Path, rise: float, visits: int = 20) -> Cell:
    """A cell whose adaptation cost is 0.1 bit in the first visit and grows by `rise` from visit to visit."""
    cell, steps = Cell(folder), np.arange(5 * visits)
    table = {name: np.full(len(steps), 0.5) for name in SCORES}
    table["kl/continual"] = np.full(len(steps), 0.2)
    table["kl/model"] = 0.3 + rise * (steps // 5)
    table["kl/switching"] = np.full(len(steps), 0.05)
    head = {"step": steps, "regime": (steps // 5).astype(np.int32), "shift": steps % 5 == 0}
    cell.steps.write(0, head | table)
    ends = {"step": [0, len(steps)], "regime": [0, 0]} | {name: [0.5, 0.4] for name in SCORES}
    cell.probes.write(0, {key: np.array(value) for key, value in ends.items()})
    look = {"step": np.array([0, 50, 100]), "drift/cka2019": np.array([0.0, 0.2, 0.6])}
    cell.condition.write(0, look)
    return cell


Groups = dict[str, list[Cell]]


@pytest.fixture
def groups(tmp_path: Path) -> Groups:
    return {
        "Tires": [made(tmp_path / "a", 0.02), made(tmp_path / "b", 0.04)],
        "Keeps": [made(tmp_path / "c", 0.0)],
    }


def run_data(groups: Groups) -> RunData:
    summaries = {
        label: [summarise(c.steps.read(), c.probes.read(), c.condition.read()) for c in cells]
        for label, cells in groups.items()
    }
    steps, probes = (
        {label: dict(enumerate(table(c).read() for c in cells)) for label, cells in groups.items()}
        for table in (lambda cell: cell.steps, lambda cell: cell.probes)
    )
    nowhere = Run(Path("nowhere"))
    return RunData(nowhere, [], groups, summaries, looks(groups), verdict({}), [], steps, probes)


def shown(section: Section | None, kind: type[Any], nth: int = 0) -> Any:
    """The n-th block of a kind."""
    assert section is not None
    return [block for block in section.blocks if isinstance(block, kind)][nth]


def test_a_trend_is_drawn_with_its_slope(groups: Groups) -> None:
    """Two seeds: mean slope 3 bits per 100 visits, the half-width by Student's t. One seed: its own interval."""
    section = details.trends(run_data(groups))
    half = 12.706 * np.std([2.0, 4.0], ddof=1) / np.sqrt(2)
    words = shown(section, Words, 1).text
    assert f"Tires 3.0000±{half:.4f}"[:18] in words
    assert "Keeps +0.0000 [" in words
    lines = shown(section, Picture).axes.lines
    assert len(lines) == 2
    costs = 0.1 + np.mean([0.02, 0.04]) * np.arange(20)
    np.testing.assert_allclose(np.asarray(lines[0].get_ydata()), costs)


def test_few_visits_have_no_trend(tmp_path: Path) -> None:
    assert details.trends(run_data({"Short": [made(tmp_path, 0.02, visits=5)]})) is None


def test_bits_are_split_where_there_was_something_to_notice(groups: Groups) -> None:
    of = run_data(groups)
    lines = [cells for cells, _ in shown(details.losses(of), NumberTable).lines]
    assert ["Keeps", "0.050", "0.250"] in lines
    known = {"Told": [of.summaries["Keeps"][0] | {"not_noticed": 0.0}]}  # pyright: ignore[reportOperatorIssue]
    assert details.losses(of._replace(summaries=known)) is None


def test_the_condition_is_a_mean_over_seeds(groups: Groups) -> None:
    (picture,) = shown(details.condition(run_data(groups)), Pictures).pictures
    assert (
        picture.caption == "Drift of the features (drift/cka2019)"
        and picture.axes.get_ylabel() == "1 − CKA, from 0 to 1"
    )
    np.testing.assert_allclose(np.asarray(picture.axes.lines[0].get_ydata()), [0.0, 0.2, 0.6])
    nowhere = run_data(groups)._replace(groups={"None": [Cell(Path("nowhere"))]})
    assert details.condition(nowhere) is None


def test_every_number_stands_with_its_formula(groups: Groups) -> None:
    table = shown(details.numbers(run_data(groups)), NumberTable)
    lines = {cells[0]: cells[1:] for cells, _ in table.lines}
    assert lines["skill"][-1].endswith("means before dividing (Murphy 1988)")
    assert lines["kl/switching"][:3] == ["0.050±0.000", "0.050", "bits"]


def test_counts_are_whole_numbers_and_no_zero_has_a_sign(groups: Groups) -> None:
    table = shown(details.numbers(run_data(groups)), NumberTable)
    lines = {cells[0]: cells[1:] for cells, _ in table.lines}
    assert lines["visits"][:2] == ["20", "20"] and lines["steps"][:2] == ["100", "100"]
    assert not any(cell.startswith("-0.000") for cells in lines.values() for cell in cells)


def test_long_curves_are_thinned_and_keep_their_extremes(tmp_path: Path) -> None:
    """Ten thousand measurements, of which a screen shows 240."""
    cell = made(tmp_path / "long", 0.0)
    values = np.sin(np.arange(10_000))
    values[[1234, 5678]] = 50.0, -50.0
    cell.condition.write(0, {"step": np.arange(10_000), "drift/cka2019": values})
    (picture,) = shown(details.condition(run_data({"Long": [cell]})), Pictures).pictures
    line = picture.axes.lines[0].get_xydata().tolist()
    assert len(line) == len(picture.data) <= 240
    for step in (0, 1234, 5678, 9999):
        assert [step, values[step]] in line
