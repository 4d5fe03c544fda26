"""The leaderboard: ranks, means and intervals are those of the definitions, by hand."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from plasticity.bench import leaderboard, page
from plasticity.bench.leaderboard import (
    LeaderboardRow,
    apart,
    blocks,
    cells,
    grid,
    levels,
    ranking,
    rows,
    shown,
    skill,
)
from plasticity.bench.results import BenchResults, Environment, Identity, Score, TunedRate
from plasticity.metrics.ranking import ranks

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
    since = 36 if model is None else None
    excess = None if i == 7 else i / 10
    return Score(
        *where, 0.01, value, forgetting, float(i), ms, 10, 0, 0.02, bits, since, excess, 2.0, 1.0
    )


@pytest.fixture
def results() -> BenchResults:
    rates = [
        TunedRate(network, "Finetune", "tuned", lr, {"0.001": 0.1, "0.01": 0.3, "0.1": None})
        for network, lr in zip(NETWORKS, (0.001, 0.01), strict=True)
    ]
    rates += [TunedRate(network, "Frozen", "none", None, {}) for network in NETWORKS]
    rates += [TunedRate(network, "Lost", "own", None, {}) for network in NETWORKS]
    environment = Environment("3.11", {"torch": "2"}, None, False, "x86", 2, 1, ["plasticity"])
    scores = [score(name, i) for i in range(8) for name in SKILLS]
    strategies = {name: {"type": name} for name in SKILLS}
    identity = Identity("<b>bold</b>", "1", "abc")
    return BenchResults(1, identity, strategies, ["Twin"], environment, rates, scores)


def test_ranks_are_scipys_block_by_block(results: BenchResults) -> None:
    """Of the mean skill over those seeds whose world defines one."""
    placed = ranks(levels(grid(results, skill)))
    for block in range(4):
        seeds = [i for i in (2 * block, 2 * block + 1) if i != 7]
        mine = [
            np.mean([-math.inf if (s := SKILLS[name][i]) is None else s for i in seeds])
            for name in SKILLS
        ]
        assert placed[:, block].tolist() == stats.rankdata(-np.array(mine)).tolist()
    assert placed[:, 1].tolist() == [1.5, 1.5, 4.0, 3.0], "ties share; who diverged is last"


def test_the_leaderboard_says_whom_the_blocks_do_not_tell_apart(results: BenchResults) -> None:
    found = ranking(results)
    assert found.units == 4 and found.critical == pytest.approx(2.569 * np.sqrt(20 / 24), abs=0.01)
    assert [*found.ranks] == [row.strategy for row in rows(results)]
    assert [np.mean(row.rank) for row in rows(results)] == pytest.approx([*found.ranks.values()])
    assert found.groups == [["Finetune", "Twin", "Lost", "Frozen"]], "four blocks are few"
    assert apart(found) in str(shown(results).caption) and "Friedman p" in apart(found)
    assert "Finetune = Twin = Lost = Frozen" in apart(found)
    results.cells = [
        c for c in results.cells if (c.stream, c.network, c.seed) == ("calm", "LSTM", 0)
    ]
    assert apart(ranking(results)).startswith("Ranks of one block")


def test_of_many_blocks_the_worst_is_told_apart(results: BenchResults) -> None:
    """Six worlds, in each of which the order is the same."""
    order = ["Finetune", "Twin", "Lost", "Frozen"]
    results.cells = [
        replace(score(name, 0), stream=f"w{w}", seed=seed, skill=0.9 - 0.2 * order.index(name))
        for w in range(6)
        for seed in SEEDS
        for name in order
    ]
    found = ranking(results)
    assert [*found.ranks.values()] == [1, 2, 3, 4] and (found.p or 1) < 0.001
    assert found.critical == pytest.approx(2.569 * np.sqrt(20 / 36), abs=0.01), "1.9 ranks"
    assert found.groups == [["Finetune", "Twin"], ["Twin", "Lost"], ["Lost", "Frozen"]]


def test_gain_counts_from_the_frozen_network_of_the_same_block_and_seed(
    results: BenchResults,
) -> None:
    """Frozen lies .1 bit above the amnesic bound in one network."""
    for cell in results.cells:
        if cell.strategy == "Frozen" and cell.network == "Mamba":
            cell.kl = {**cell.kl, "model": 1.1}
    table = {row.strategy: row for row in rows(results)}
    calm, wild = (0.5 + 0.4) / 2, (0.1 + 0.6) / 2
    mamba = (0.3 + 0.1) / 1.1, (0.2 + 0.1) / 1.1
    found = table["Finetune"].gain
    assert [found[0], found[2]] == pytest.approx([calm, wild])
    assert found[1] == pytest.approx(np.mean(mamba))
    assert table["Frozen"].gain == pytest.approx([0, 0, 0, 0])
    results.strategies = {name: {"type": "Other"} for name in SKILLS}
    assert all(row.gain == [] and cells(row)[3] == "-" for row in rows(results))


def test_a_row_by_hand(results: BenchResults) -> None:
    table = {row.strategy: row for row in rows(results)}
    mine = table["Finetune"]
    assert mine.skill == pytest.approx([0.45, 0.25, 0.35, 0.7])
    assert mine.rank == pytest.approx([2.5, 1.5, 1.5, 1.5])
    assert mine.forgetting == pytest.approx(0.35) and mine.recovery == pytest.approx(3.5)
    assert (mine.ms, mine.cost) == (6.0, 1.0)
    assert (table["Twin"].cost, table["Frozen"].cost) == (1.5, 0.25)
    assert table["Frozen"].forgetting is None
    assert mine.excess == pytest.approx(0.3), "of the seven cells that have one"
    assert dict(zip(leaderboard.TITLES, cells(mine), strict=True))["passes"] == "2.0 + 1.0"
    assert table["Lost"].skill == pytest.approx([0.5, 0.05, 0.2]), "its block is left out, and told"
    assert table["Lost"].diverged == 1
    mean, error = np.mean(mine.skill), stats.sem(mine.skill)
    half = stats.t.interval(0.95, 3, mean, error)[1] - mean
    assert cells(mine)[2] == f"{mean:.2f}±{half:.2f}"
    assert cells(mine)[-1] == "0.001_, 0.01"
    assert cells(table["Frozen"])[-1] == "-" and cells(table["Lost"])[-1] == "own"
    assert cells(table["Lost"])[2:4] == ["diverged in 1 cell, from step 36", "-"], "no level"
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
    assert all(row.rank == [] and cells(row)[1:4] == ["-", "-", "-"] for row in rows(results))


def test_without_a_reference_there_is_no_relative_cost(
    results: BenchResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaderboard, "REFERENCE", "Absent")
    assert all(row.cost is None and cells(row)[8] == "-" for row in rows(results))


def test_the_table_and_the_page_show_every_strategy(results: BenchResults, tmp_path: Path) -> None:
    assert shown(results).row_count == 4
    assert (
        "Finetune = Twin = Lost = Frozen" in page.write(results, tmp_path / "page.html").read_text()
    )
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
