"""The page of a matrix: the rows side by side, how they move with evidence, and what they can be compressed to."""

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.table import Table as RichTable

from plasticity.plots import pictures
from plasticity.plots.svg import colour, picture, tag, text
from plasticity.report import page
from plasticity.results.store import write_json, write_whole
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
    page.write(path, "Prompts by next symbols", LEAD, [_section(s, names) for s in studied])
    found = {each.title: {t: _plain(f) for t, f in each.findings.items()} for each in studied}
    write_json(path.with_suffix(".json"), found)
    tables = [path.with_suffix(f".{n or ''}.csv".replace("..", ".")) for n in range(len(studied))]
    for each, table in zip(studied, tables, strict=True):
        write_whole(table, data(each, names).write_csv().encode())
    return [path, path.with_suffix(".json"), *tables]


def shown(studied: Studied) -> RichTable:
    """The table, for a terminal."""
    told = f"{studied.title}\n{counted(studied.prompts)}"
    table = RichTable(
        title=told, caption=CAPTION, box=None, header_style="bold", padding=(0, 0, 0, 1)
    )
    for i, title in enumerate(TITLES[:-1]):  # what fits a terminal
        table.add_column(title, justify="right" if i else "left", no_wrap=True)
    for i, (title, found) in enumerate(studied.findings.items()):
        table.add_row(*cells(title, found)[:-1], style=None if i else "bright_black")
    return table


def cells(title: str, found: Findings) -> list[str]:
    """A line of the table."""
    moved, step, near = found.evidence, found.step.slope, found.neighbours
    shares = (moved.distance, moved.slope, moved.explained, step, near)
    told = ["-" if math.isnan(n) else f"{n:.2f}" for n in shares]
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


def _section(studied: Studied, names: Sequence[str]) -> str:
    titles, pairs = [*studied.matrices], studied.prompts.evidence()
    lines = [(cells(t, f), i == 0) for i, (t, f) in enumerate(studied.findings.items())]
    ranks = [float(r + 1) for r in range(min(studied.exact.shape))]
    lost = {t: (f.bits, t == titles[0]) for t, f in studied.findings.items()}
    curves = pictures.lines(lost, ranks, "rank", name="compression", keyed=True)
    dots = [
        f"<figure><figcaption>{html.escape(t)}</figcaption>{_moved(t, studied, pairs)}</figure>"
        for t in titles[1:]
    ]
    return "".join(
        (
            f"<h2>{html.escape(studied.title)}</h2><p>{html.escape(counted(studied.prompts))}</p>",
            page.table(TITLES, lines, "matrix", data(studied, names)),
            f"<p class=small>{html.escape(CAPTION)}</p>",
            f"<h3>The matrix</h3><p>{READING}</p>{_rows(studied, names, pairs)}",
            "<h3>How far evidence moves a row</h3><p>Total variation between the row of a prompt and that of the "
            "shortest prompt with the same last symbol. On the line: as far as Bayes' rule moves it.</p>",
            f"<div class=heats>{''.join(dots)}</div>",
            "<h3>What compression loses</h3><p>KL from each row to its row in the best matrix of that rank, in "
            "bits.</p>",
            f"<figure style='max-width:32rem'>{curves}</figure>",
            "<h3>Nearest prompts</h3><p>Those whose rows are nearest, by Hellinger's distance.</p>",
            _neighbours(studied, names, pairs),
        )
    )


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


def _rows(studied: Studied, names: Sequence[str], pairs: Pairs) -> str:
    """Heat maps beside each other, with the prompts written once."""
    words, symbols = studied.prompts.words, studied.exact.shape[1]
    heads = [label([k], names) for k in range(symbols)]
    blocks = _shown(studied, pairs)
    prompts = {i: label(words[i], names) for block in blocks for i in block}
    left = 16.0 + 7 * max(map(len, prompts.values()))
    wide = max(16.0, min(44.0, 360 / symbols))
    high, apart, top = 20.0, symbols * wide + 24, 46.0 + 4 * max(map(len, heads))
    out, kept, y = [], [], top
    for nth, (title, rows) in enumerate(studied.matrices.items()):
        start = left + nth * apart
        out.append(text(start, 16.0, title, class_=None))
        for k, head in enumerate(heads):
            x, y = start + (k + 0.5) * wide, top - 6
            turned = {"transform": f"rotate(-50 {x:.0f} {y:.0f})"} if len(head) > 2 else {}
            anchor = "start" if turned else "middle"
            told = {"x": x, "y": y, "text_anchor": anchor, "class_": "tick", **turned}
            out.append(tag("text", html.escape(head), **told))
        y = top
        for block in blocks:
            for i in block:
                if nth == 0:
                    out.append(text(left - 8, y + 15, prompts[i], "end", None))
                for k, share in enumerate(rows[i].tolist()):
                    out += _cell(start + k * wide, y, wide, high, share)
                    kept.append((title, prompts[i], heads[k], round(share, 6)))
                y += high
            y += 10
    frame = pl.DataFrame(kept, ["matrix", "prompt", "next", "probability"], orient="row")
    size = left + len(studied.matrices) * apart, y
    return picture("rows", "what follows each prompt, by each matrix", size, out, frame)


def _cell(x: float, y: float, wide: float, high: float, share: float) -> list[str]:
    look = {"fill": colour(0), "fill_opacity": f"{0.8 * share:.3f}"}
    box = tag("rect", x=x, y=y, width=wide - 1, height=high - 1, **look)
    if wide < 24 or share < 0.005:
        return [box]
    return [box, text(x + wide / 2, y + 14, f"{100 * share:.0f}", "middle", None)]


def _moved(title: str, studied: Studied, pairs: Pairs) -> str:
    """A dot per pair: how far Bayes' rule moves the row, and how far this matrix does."""
    kept = pairs[np.unique(np.linspace(0, len(pairs) - 1, DOTS).round().astype(int))]
    exact, mine = (distances(m, kept) for m in (studied.exact, studied.matrices[title]))
    size, left, top = 260.0, 46.0, 8.0
    out = [tag("line", class_="mark", x1=left, y1=top + size, x2=left + size, y2=top)]
    for share in (0.0, 0.5, 1.0):
        x, y = left + share * size, top + (1 - share) * size
        out.append(tag("line", class_="grid", x1=left, x2=left + size, y1=y, y2=y))
        out += [
            text(left - 6, y + 4, f"{share:g}", "end"),
            text(x, top + size + 16, f"{share:g}", "middle"),
        ]
    for a, b in zip(exact.tolist(), mine.tolist(), strict=True):
        place = {"cx": left + a * size, "cy": top + (1 - b) * size}
        out.append(tag("circle", **place, r=2.5, fill=colour(0), fill_opacity="0.35"))
    out.append(text(left + size / 2, top + size + 34, "by Bayes' rule", "middle"))
    words = [label(studied.prompts.words[i], []) for i in kept[:, 1]]
    frame = pl.DataFrame({"prompt": words, "exact": exact, "matrix": mine})
    told = f"moves of {title}: {mine.mean():.3f} on average, {exact.mean():.3f} by Bayes' rule"
    return picture(f"moves {title}", told, (left + size + 8, top + size + 42), out, frame)


def _neighbours(studied: Studied, names: Sequence[str], pairs: Pairs) -> str:
    """The second row of each block that is drawn: what evidence made of it, and what is near it then."""
    chosen = [block[min(1, len(block) - 1)] for block in _shown(studied, pairs)]
    words = studied.prompts.words
    lines = [[label(words[i], names)] for i in chosen]
    for rows in studied.matrices.values():
        near = nearest(rows)
        for line, i in zip(lines, chosen, strict=True):
            line.append("; ".join(label(words[j], names) for j in near[i, :2]))
    return page.table(["prompt", *studied.matrices], [(line, False) for line in lines], "nearest")
