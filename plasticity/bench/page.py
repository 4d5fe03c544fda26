"""The page of a leaderboard: bars of skill, skill of every strategy in every block, and how it was made."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float

from plasticity.bench.leaderboard import (
    CAPTION,
    TITLES,
    LeaderboardRow,
    apart,
    blocks,
    cells,
    grid,
    ranking,
    rows,
    skill,
)
from plasticity.bench.results import BenchResults
from plasticity.config.recipe import plain
from plasticity.metrics.ranking import Standing
from plasticity.plots.leaderboards import critical_differences, skill_by_block
from plasticity.plots.skill_bars import bars
from plasticity.report.page import Chapter, Listing, NumberTable, Page, Picture, Section, Words

LEAD = (
    "Which way of moving weights at test time carries what was learned over, and what does it cost? "
    "In bits from an exact Bayesian observer."
)


def page(results: BenchResults) -> Page:
    """The leaderboard as one chapter.

    Args:
        results: of every cell.
    """
    suite, found, standing = results.suite, rows(results), ranking(results)
    count = len({cell.seed for cell in results.cells})
    sections = [
        _table(found, apart(standing)),
        *([_ranks(standing)] if standing.critical else []),
        _skill(found),
        _blocks(results, found),
        _tuning(results),
        _made(results),
    ]
    chapter = Chapter(f"{len(blocks(results))} blocks, {count} seeds", sections)
    return Page(f"Leaderboard: {suite.name} {suite.version}", LEAD, [chapter])


def write(results: BenchResults, path: Path) -> Path:
    """The page, written whole.

    Args:
        results: of every cell.
        path: the file.
    """
    return page(results).write(path)


def _table(found: Sequence[LeaderboardRow], told: str) -> Section:
    table = NumberTable(TITLES, [(cells(row), row.contender) for row in found], "leaderboard")
    return Section("", [table, Words(told), Words(CAPTION, "small")])


def _ranks(standing: Standing) -> Section:
    data = pl.DataFrame([*standing.ranks.items()], ["strategy", "rank"], orient="row")
    picture = critical_differences(standing.ranks, standing.groups)
    words = Words(f"Mean ranks over {standing.units} blocks; a bar joins those not told apart.")
    return Section("Whom the blocks tell apart", [words, Picture(picture, "ranks", data)])


def _skill(found: Sequence[LeaderboardRow]) -> Section:
    values = {row.strategy: row.skill for row in found}
    lines = [(title, i, v) for title, each in values.items() for i, v in enumerate(each)]
    data = pl.DataFrame(lines, ["title", "block", "skill"], orient="row")
    words = Words("A dot is a block; the line is the 95 % interval of their mean.")
    return Section("Skill", [words, Picture(bars(values), "skill", data)])


def _blocks(results: BenchResults, found: Sequence[LeaderboardRow]) -> Section:
    labels, skills = list(results.strategies), grid(results, skill)
    names = [f"{stream} {network}" for stream, network in blocks(results)]
    means = {row.strategy: _means(skills[labels.index(row.strategy)]) for row in found}
    lines = [(who, *pair) for who, each in means.items() for pair in zip(names, each, strict=True)]
    data = pl.DataFrame(lines, ["strategy", "block", "skill"], orient="row")
    words = Words("Mean over seeds. Blue carries over; orange is worse than never to learn.")
    picture = Picture(skill_by_block(means, names), "skill by block", data)
    return Section("Skill in every block", [words, picture])


def _means(values: Float[np.ndarray, "blocks seeds"]) -> list[float]:
    """Of each block, over the seeds in which it is defined."""
    known = [block[~np.isnan(block)] for block in values]
    return [float(k.mean()) if len(k) else float("nan") for k in known]


def _tuning(results: BenchResults) -> Section:
    """What every rate of the grid came to."""
    title = "How learning rates were chosen"
    tuned = [choice for choice in results.rates if choice.how == "tuned"]
    if not tuned:
        return Section(title, [Words("No strategy here has a rate to choose.")])
    lrs = list(tuned[0].skills)
    lines = []
    for choice in tuned:
        shown = ["-" if (s := choice.skills[lr]) is None else f"{s:z.2f}" for lr in lrs]
        lines.append(([f"{choice.network} {choice.strategy}", *shown, f"{choice.lr:g}"], False))
    words = Words("Mean skill in the held-out worlds.")
    return Section(title, [words, NumberTable(["", *lrs, "chosen"], lines, "learning rates")])


def _made(results: BenchResults) -> Section:
    suite = results.suite
    blocks = [
        Words(f"suite {suite.name} {suite.version}, {suite.hash}"),
        Listing("strategies", json.dumps(plain(results.strategies), indent=2)),
        Listing("environment", json.dumps(plain(results.environment), indent=2)),
    ]
    return Section("How this was made", blocks, folded=True)
