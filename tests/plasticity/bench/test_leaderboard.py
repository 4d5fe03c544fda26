"""The leaderboard: ranks, means and intervals are those of the definitions, by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from plasticity.bench import leaderboard, page
from plasticity.bench.leaderboard import (
    LeaderboardRow,
    blocks,
    cells,
    grid,
    ranks,
    rows,
    shown,
    skill,
)
from plasticity.bench.results import BenchResults, Choice, Environment, Identity, Score

STREAMS, NETWORKS, SEEDS = ("calm", "wild"), ("LSTM", "Mamba"), (0, 1)
SKILLS: dict[str, list[float | None]] = {  # by stream, network, seed; the last world has one ideal
    "Finetune": [0.5, 0.4, 0.3, 0.2, 0.1, 0.6, 0.7, None],
    "Twin": [0.5, 0.4, 0.3, 0.2, 0.1, 0.6, 0.7, None],
    "Lost": [0.9, 0.1, 0.1, None, 0.0, 0.1, 0.2, None],
    "Frozen": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, None],
}


def score(strategy: str, i: int) -> Score:
    value, (stream, network, seed) = SKILLS[strategy][i], np.unravel_index(i, (2, 2, 2))
    gap = 0.001 if i == 7 else 1.0
    model = None if strategy == "Lost" and i == 3 else 1.0 - gap * (value or 0)
    bits = {"model": model, "amnesic": 1.0, "continual": 1.0 - gap}
    ms = {"Finetune": 4.0, "Twin": 6.0, "Lost": 4.0, "Frozen": 1.0}[strategy] * (1 + int(network))
    where = (STREAMS[int(stream)], NETWORKS[int(network)], strategy, int(seed))
    forgetting = None if strategy == "Frozen" else 0.1 * i
    return Score(*where, 0.01, value, forgetting, float(i), ms, 10, 0, 0.02, bits)


@pytest.fixture
def results() -> BenchResults:
    rates = [
        Choice(network, "Finetune", "tuned", lr, {"0.001": 0.1, "0.01": 0.3, "0.1": None})
        for network, lr in zip(NETWORKS, (0.001, 0.01), strict=True)
    ]
    rates += [Choice(network, "Frozen", "none", None, {}) for network in NETWORKS]
    rates += [Choice(network, "Lost", "own", None, {}) for network in NETWORKS]
    environment = Environment("3.11", {"torch": "2"}, None, False, "x86", 2, 1, ["plasticity"])
    scores = [score(name, i) for i in range(8) for name in SKILLS]
    strategies = {name: {"type": name} for name in SKILLS}
    identity = Identity("<b>bold</b>", "1", "abc")
    return BenchResults(1, identity, strategies, ["Twin"], environment, rates, scores)


def test_ranks_are_scipys_world_by_world(results: BenchResults) -> None:
    placed = ranks(grid(results, skill)).reshape(4, 8)
    for i in range(7):
        mine = [-math.inf if SKILLS[name][i] is None else SKILLS[name][i] for name in SKILLS]
        assert placed[:, i].tolist() == stats.rankdata([-s for s in mine if s is not None]).tolist()
    assert placed[:, 0].tolist() == [2.5, 2.5, 1.0, 4.0], "ties share the mean of their ranks"
    assert placed[:, 3].tolist() == [1.5, 1.5, 4.0, 3.0], "who diverged is last"
    assert np.isnan(placed[:, 7]).all(), "where the ideals are one, nobody has a rank"


def test_a_row_by_hand(results: BenchResults) -> None:
    table = {row.strategy: row for row in rows(results)}
    mine = table["Finetune"]
    assert mine.skill == pytest.approx([0.45, 0.25, 0.35, 0.7])
    assert mine.rank == pytest.approx([(2.5 + 1.5) / 2, 1.5, 1.5, 1.5])
    assert mine.forgetting == pytest.approx(0.35) and mine.recovery == pytest.approx(3.5)
    assert (mine.ms, mine.cost) == (6.0, 1.0)
    assert (table["Twin"].cost, table["Frozen"].cost) == (1.5, 0.25)
    assert table["Frozen"].forgetting is None
    assert table["Lost"].skill == pytest.approx([0.5, 0.05, 0.2]), "its block is left out, and told"
    assert table["Lost"].diverged == 1
    mean, error = np.mean(mine.skill), stats.sem(mine.skill)
    half = stats.t.interval(0.95, 3, mean, error)[1] - mean
    assert cells(mine)[2] == f"{mean:.2f}±{half:.2f}"
    assert cells(mine)[-1] == "0.001_, 0.01"
    assert cells(table["Frozen"])[-1] == "-" and cells(table["Lost"])[-1] == "own"
    assert "(1 diverged)" in cells(table["Lost"])[2]
    assert cells(table["Twin"])[0] == "Twin (contender)"


def test_the_best_mean_rank_is_first(results: BenchResults) -> None:
    found = rows(results)
    means = [np.mean(row.rank) for row in found]
    assert means == sorted(means)
    assert [row.strategy for row in found] == ["Finetune", "Twin", "Lost", "Frozen"]


def test_of_a_single_block_the_interval_is_over_seeds(results: BenchResults) -> None:
    results.cells = [c for c in results.cells if (c.stream, c.network) == ("calm", "LSTM")]
    assert blocks(results) == [("calm", "LSTM")]
    row = {row.strategy: row for row in rows(results)}["Finetune"]
    assert row.skill == [0.5, 0.4] and row.rank == [2.5, 1.5]


def test_nothing_is_defined(results: BenchResults) -> None:
    results.cells = [score(name, 7) for name in SKILLS]
    assert all(row.rank == [] and cells(row)[1:3] == ["-", "-"] for row in rows(results))


def test_without_a_reference_there_is_no_relative_cost(
    results: BenchResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaderboard, "REFERENCE", "Absent")
    assert all(row.cost is None and cells(row)[6] == "-" for row in rows(results))


def test_the_table_and_the_page_show_every_strategy(results: BenchResults, tmp_path: Path) -> None:
    assert shown(results).row_count == 4
    text = page.write(results, tmp_path / "page.html").read_text()
    assert all(f"<td>{name}" in text for name in ("Finetune", "Twin (contender)", "Lost"))
    assert "<b>bold</b>" not in text
    assert text.count(">undefined<") == 0, "a block with one defined seed has a mean"
    assert text.count(">diverged<") == 1
    assert ">0.45<" in text, "of Finetune in its first block"


def test_a_row_needs_no_more_than_it_shows() -> None:
    assert len(
        cells(LeaderboardRow("x", False, [1.0], [0.5], 0, None, None, 1.0, None, "-"))
    ) == len(leaderboard.TITLES)
