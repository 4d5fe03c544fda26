"""The lower sections of a report say what the tables say."""

import re
from pathlib import Path

import numpy as np
import pytest

from plasticity.engine.trainer import SCORES
from plasticity.metrics.summary import summarise
from plasticity.report import sections as details
from plasticity.results.store import Cell


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


@pytest.fixture
def groups(tmp_path: Path) -> dict[str, list[Cell]]:
    return {
        "Tires": [made(tmp_path / "a", 0.02), made(tmp_path / "b", 0.04)],
        "Keeps": [made(tmp_path / "c", 0.0)],
    }


def summaries(groups: dict[str, list[Cell]]) -> dict[str, list[dict]]:
    return {
        label: [summarise(c.steps.read(), c.probes.read(), c.condition.read()) for c in cells]
        for label, cells in groups.items()
    }


def test_a_trend_is_drawn_with_its_slope(groups: dict[str, list[Cell]]) -> None:
    """Two seeds: mean slope 3 bits per 100 visits, the half-width by Student's t. One seed: its own interval."""
    text = details.trends(groups, summaries(groups))
    half = 12.706 * np.std([2.0, 4.0], ddof=1) / np.sqrt(2)
    assert f"Tires 3.0000±{half:.4f}"[:18] in text
    assert "Keeps +0.0000 [" in text or "Keeps -0.0000 [" in text
    assert text.count("<polyline") == 2


def test_few_visits_have_no_trend(tmp_path: Path) -> None:
    few = {"Short": [made(tmp_path, 0.02, visits=5)]}
    assert details.trends(few, summaries(few)) == ""


def test_bits_are_split_where_there_was_something_to_notice(groups: dict[str, list[Cell]]) -> None:
    text = details.losses(summaries(groups))
    assert re.search(r"<td>Keeps</td><td>0\.050</td><td>0\.250</td>", text)
    known = {"Told": [summaries(groups)["Keeps"][0] | {"not_noticed": 0.0}]}
    assert details.losses(known) == ""


def test_the_condition_is_a_mean_over_seeds(groups: dict[str, list[Cell]]) -> None:
    text = details.condition(groups)
    assert "drift/cka2019" in text and "dormant" not in text.split("figcaption", 1)[1]
    assert details.condition({"None": [Cell(Path("nowhere"))]}) == ""


def test_every_number_stands_with_its_formula(groups: dict[str, list[Cell]]) -> None:
    text = details.numbers(summaries(groups))
    assert "<td>skill</td>" in text and "Murphy 1988" in text
    row = re.search(r"<td>kl/switching</td><td>([^<]*)</td><td>([^<]*)</td>", text)
    assert row and row.groups() == ("0.050±0.000", "0.050")
