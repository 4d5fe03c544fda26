"""The page of a leaderboard: bars of skill, skill of every strategy in every block, and how it was made."""

import html
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from plasticity.bench.leaderboard import CAPTION, DIVERGED, TITLES, blocks, cells, grid, rows, skill
from plasticity.bench.results import BenchResults
from plasticity.config.recipe import plain
from plasticity.plots import pictures
from plasticity.report import page

LEAD = (
    "Which way of moving weights at test time carries what was learned over, and what does it cost? "
    "In bits from an exact Bayesian observer."
)
GOOD, BAD = (0, 114, 178), (213, 94, 0)
"""Colours of skill 1 and of skill -1; told apart by the colour-blind."""


def write(results: BenchResults, path: Path) -> Path:
    """The leaderboard as one self-contained page.

    Args:
        results: of every cell.
        path: the file; written whole.
    """
    suite, found = results.suite, rows(results)
    labels = list(results.strategies)
    skills = grid(results, skill)
    means = {row.strategy: _means(skills[labels.index(row.strategy)]) for row in found}
    made = json.dumps(plain(results.environment), indent=2)
    asked = json.dumps(plain(results.strategies), indent=2)
    parts = [
        f"<h2>{len(blocks(results))} blocks, {skills.shape[-1]} seeds</h2>",
        page.table(TITLES, [(cells(row), row.contender) for row in found]),
        f"<p class=small>{html.escape(CAPTION)}</p>",
        "<h3>Skill</h3><p>A dot is a block; the line is the 95 % interval of their mean.</p>",
        pictures.bars({row.strategy: row.skill for row in found}),
        "<h3>Skill in every block</h3><p>Mean over seeds. Blue carries over; orange is worse than never to learn.</p>",
        heat(means, [f"{stream} {network}" for stream, network in blocks(results)]),
        "<h3>How learning rates were chosen</h3><p>Mean skill in the held-out worlds.</p>",
        _tuning(results),
        f"<details><summary>How this was made</summary><p>suite {html.escape(suite.name)} "
        f"{html.escape(suite.version)}, {html.escape(suite.hash)}</p><pre>{html.escape(asked)}</pre>"
        f"<pre>{html.escape(made)}</pre></details>",
    ]
    return page.write(path, f"Leaderboard: {suite.name} {suite.version}", LEAD, ["".join(parts)])


def heat(means: dict[str, list[float]], columns: Sequence[str]) -> str:
    """A table whose cells are coloured by skill; NaN is undefined."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("", *columns))
    body = "".join(
        f"<tr><td>{html.escape(name)}</td>{''.join(map(_cell, values))}</tr>"
        for name, values in means.items()
    )
    return (
        f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(value: float) -> str:
    if np.isnan(value):
        return "<td>undefined</td>"
    strength = min(abs(value), 1.0)
    colour = f"rgb({' '.join(map(str, GOOD if value > 0 else BAD))} / {strength:.2f})"
    return f'<td style="background:{colour}">{"diverged" if value == DIVERGED else f"{value:.2f}"}</td>'


def _means(values: Float[np.ndarray, "blocks seeds"]) -> list[float]:
    """Of each block, over the seeds in which it is defined."""
    known = [block[~np.isnan(block)] for block in values]
    return [float(k.mean()) if len(k) else float("nan") for k in known]


def _tuning(results: BenchResults) -> str:
    """What every rate of the grid came to."""
    tuned = [choice for choice in results.rates if choice.how == "tuned"]
    if not tuned:
        return "<p>No strategy here has a rate to choose.</p>"
    lrs = list(tuned[0].skills)
    lines = []
    for choice in tuned:
        shown = ["-" if (s := choice.skills[lr]) is None else f"{s:.2f}" for lr in lrs]
        lines.append(([f"{choice.network} {choice.strategy}", *shown, f"{choice.lr:g}"], False))
    return page.table(["", *lrs, "chosen"], lines)
