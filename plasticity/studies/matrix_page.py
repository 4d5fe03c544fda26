"""The page of a matrix: the rows side by side, how they move with evidence, and what they can be compressed to."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.table import Table as RichTable

from plasticity.plots.lines import Curve, curves
from plasticity.plots.matrices import distance_moved, probability_rows
from plasticity.plots.style import BASELINE, looks
from plasticity.report.page import Chapter, NumberTable, Page, Picture, Pictures, Section, Words
from plasticity.results.csv_text import frame_csv
from plasticity.results.sealed import write_json, write_whole
from plasticity.studies.matrix_study import Studied
from plasticity.studies.predictive_matrix import Findings, Pairs, Prompts, distances, nearest

LEAD = (
    "A language model is a matrix: a row for every prompt, a column for every symbol that may come next. "
    "Evidence in a prompt moves its row. Does it move as Bayes' rule has it?"
)
TITLES = (
    "matrix",
    "KL",
    "effective",
    "needed",
    "moved",
    "slope",
    "explained",
    "step",
    "alike",
    "rank",
)
CAPTION = (
    "KL: from the exact row, in bits, mean over the prompts. rank: directions that the rows take up; effective: the "
    "exponential of the entropy of the singular values; needed: the least rank that keeps the rows within .01 bit. "
    "moved: by evidence, from the row of the shortest prompt with the same last symbol, in total variation; slope: how "
    "far along the way that Bayes' rule moves it, 1 just as far and 0 not at all; explained: 1 if it moves there and "
    "nowhere else; -: that rule hardly moves it. step: the slope from one prompt of an episode to the next. alike: the "
    "share of a prompt's 5 nearest that are as near in the exact matrix."
)
READING = (
    "Shade is probability, in hundredths. A block of rows ends in one symbol, the shortest prompt first: that is the "
    "row before there is evidence, and what differs below it is what evidence did. Blocks that it moves most come "
    "first."
)
BLOCKS, EACH = 6, 7
"""Blocks of rows that are drawn, and rows of each."""
DOTS = 600
"""Pairs that are drawn."""


def keep(studied: Sequence[Studied], names: Sequence[str], path: Path) -> list[Path]:
    """One self-contained page, the numbers as JSON beside it, and every row as CSV.

    Args:
        studied: a section each.
        names: of the symbols; a symbol without one is its number.
        path: the page.

    Returns:
        what was written.
    """
    page(studied, names).write(path)
    found = {each.title: {t: _plain(f) for t, f in each.findings.items()} for each in studied}
    write_json(path.with_suffix(".json"), found)
    tables = [path.with_suffix(f".{n or ''}.csv".replace("..", ".")) for n in range(len(studied))]
    for each, table in zip(studied, tables, strict=True):
        write_whole(table, frame_csv(data(each, names)).encode())
    return [path, path.with_suffix(".json"), *tables]


def shown(studied: Studied) -> RichTable:
    """The table, for a terminal."""
    told = f"{studied.title}\n{counted(studied.prompts)}"
    table = RichTable(
        title=told, caption=CAPTION, box=None, header_style="bold", padding=(0, 0, 0, 1)
    )
    for i, title in enumerate(TITLES):
        table.add_column(title, justify="right" if i else "left", no_wrap=True)
    for i, (title, found) in enumerate(studied.findings.items()):
        table.add_row(*cells(title, found), style=None if i else "bright_black")
    return table


def cells(title: str, found: Findings) -> list[str]:
    """A line of the table."""
    moved, step, near = found.evidence, found.step.slope, found.neighbours
    shares = (moved.distance, moved.slope, moved.explained, step, near)
    told = ["-" if math.isnan(n) else f"{n:z.2f}" for n in shares]
    return [
        title,
        f"{found.kl:.4f}",
        f"{found.effective:.2f}",
        f"{found.needed}",
        *told,
        f"{found.rank}",
    ]


def counted(prompts: Prompts) -> str:
    """How many prompts there are, and how much of what can come they are."""
    lengths, covered = [*prompts.coverage], [*prompts.coverage.values()]
    told = f"{len(prompts.lengths):,} prompts of {lengths[0]} to {lengths[-1]} symbols"
    if math.isnan(covered[-1]):
        return told
    if min(covered) > 1 - 1e-9:
        return f"{told}: all there are"
    longest = max(n for n, share in prompts.coverage.items() if share > 0.9 or n == lengths[0])
    return f"{told}; up to {longest}, over 90 % of what can come"


def label(words: Sequence[int], names: Sequence[str], most: int = 4) -> str:
    """A prompt in words; the last of them where it is long."""
    shown = [names[w] if w < len(names) else str(w) for w in words]
    return " ".join(["…"] * (len(shown) > most) + shown[-most:])


def page(studied: Sequence[Studied], names: Sequence[str]) -> Page:
    """A chapter per tunnel.

    Args:
        studied: a chapter each.
        names: of the symbols; a symbol without one is its number.
    """
    return Page("Prompts by next symbols", LEAD, [_chapter(each, names) for each in studied])


def _chapter(studied: Studied, names: Sequence[str]) -> Chapter:
    pairs = studied.prompts.evidence()
    lines = [(cells(t, f), i == 0) for i, (t, f) in enumerate(studied.findings.items())]
    table = NumberTable(TITLES, lines, "matrix", data(studied, names))
    sections = [
        Section("", [Words(counted(studied.prompts)), table, Words(CAPTION, "small")]),
        Section("The matrix", [Words(READING), _rows(studied, names, pairs)]),
        _moved(studied, pairs),
        _compression(studied),
        _neighbours(studied, names, pairs),
    ]
    return Chapter(studied.title, sections)


def _plain(found: Findings) -> dict[str, Any]:
    """As JSON has it; None is undefined."""
    moves = {
        k: {n: None if math.isnan(v) else v for n, v in m._asdict().items()}
        for k, m in (("step", found.step), ("evidence", found.evidence))
    }
    return found._asdict() | moves | {"needed": found.needed}


def data(studied: Studied, names: Sequence[str]) -> pl.DataFrame:
    """One row per prompt: prompt, symbols, chance, <matrix>/<symbol>."""
    words = studied.prompts.words
    head = {
        "prompt": [" ".join(map(str, w)) for w in words],
        "length": studied.prompts.lengths,
        "chance": studied.prompts.chance,
    }
    return pl.DataFrame(head).with_columns(
        pl.Series(f"{title}/{label([k], names)}", column)
        for title, rows in studied.matrices.items()
        for k, column in enumerate(rows.T)
    )


def _shown(studied: Studied, pairs: Pairs) -> list[list[int]]:
    """The blocks: prompts with the same last symbol, the shortest first; those that evidence moves most."""
    far, blocks = distances(studied.exact, pairs), dict[int, list[int]]()
    for i, words in enumerate(studied.prompts.words):
        blocks.setdefault(words[-1], []).append(i)
    moved = {last: far[pairs[:, 0] == block[0]] for last, block in blocks.items()}
    moving = sorted(blocks, key=lambda last: -moved[last].mean() if len(moved[last]) else 0.0)
    return [blocks[last][:EACH] for last in moving[:BLOCKS]]


def _rows(studied: Studied, names: Sequence[str], pairs: Pairs) -> Picture:
    """The blocks, by every matrix side by side."""
    blocks, words = _shown(studied, pairs), studied.prompts.words
    heads = [label([k], names) for k in range(studied.exact.shape[1])]
    prompts = [[label(words[i], names) for i in block] for block in blocks]
    kept = [i for block in blocks for i in block]
    matrices = {title: rows[kept] for title, rows in studied.matrices.items()}
    lines = [
        (title, prompt, head, round(share, 6))
        for title, rows in matrices.items()
        for prompt, row in zip((p for block in prompts for p in block), rows.tolist(), strict=True)
        for head, share in zip(heads, row, strict=True)
    ]
    frame = pl.DataFrame(lines, ["matrix", "prompt", "next", "probability"], orient="row")
    return Picture(probability_rows(matrices, prompts, heads), "rows", frame)


def _moved(studied: Studied, pairs: Pairs) -> Section:
    """A dot per pair: how far Bayes' rule moves the row, and how far each matrix does."""
    kept = pairs[np.unique(np.linspace(0, len(pairs) - 1, DOTS).round().astype(int))]
    exact = distances(studied.exact, kept)
    words = [label(studied.prompts.words[i], []) for i in kept[:, 1]]
    pictures = []
    for title, rows in [*studied.matrices.items()][1:]:
        mine = distances(rows, kept)
        frame = pl.DataFrame({"prompt": words, "exact": exact, "matrix": mine})
        pictures.append(Picture(distance_moved(exact, mine, title), f"moves {title}", frame))
    told = (
        "Total variation between the row of a prompt and that of the shortest prompt with the same last symbol. On the "
        "line: as far as Bayes' rule moves it."
    )
    return Section("How far evidence moves a row", [Words(told), Pictures(pictures)])


def _compression(studied: Studied) -> Section:
    """What every rank loses, by every matrix."""
    first, *others = studied.findings
    drawn = looks(others) | {first: BASELINE}
    ranks = np.arange(1, min(studied.exact.shape) + 1)
    lost = {t: Curve(ranks, np.array(f.bits), None, drawn[t]) for t, f in studied.findings.items()}
    axes = curves(lost, "rank (directions)", "bits per prompt", log=True, size=(480, 300))
    lines = [(t, r + 1, b) for t, f in studied.findings.items() for r, b in enumerate(f.bits)]
    frame = pl.DataFrame(lines, ["title", "rank", "value"], orient="row")
    told = "KL from each row to its row in the best matrix of that rank, in bits."
    return Section("What compression loses", [Words(told), Picture(axes, "compression", frame)])


def _neighbours(studied: Studied, names: Sequence[str], pairs: Pairs) -> Section:
    """The second row of each block that is drawn: what evidence made of it, and what is near it then."""
    chosen = [block[min(1, len(block) - 1)] for block in _shown(studied, pairs)]
    words = studied.prompts.words
    lines = [[label(words[i], names)] for i in chosen]
    for rows in studied.matrices.values():
        near = nearest(rows)
        for line, i in zip(lines, chosen, strict=True):
            line.append("; ".join(label(words[j], names) for j in near[i, :2]))
    titles = ["prompt", *studied.matrices]
    table = NumberTable(titles, [(line, False) for line in lines], "nearest", wordy=True)
    told = Words("Those whose rows are nearest, by Hellinger's distance.")
    return Section("Nearest prompts", [told, table])
