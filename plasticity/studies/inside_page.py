"""The page of the inside: families of numbers with their controls, attention, pretraining, and the stream."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from rich.table import Table as RichTable

from plasticity.diagnostics.geometry.settling import TrainingPoint
from plasticity.plots.insides import MARKS, attention_maps, beside
from plasticity.plots.lines import Curve, averaged, curves, points_frame
from plasticity.plots.style import Look, looks
from plasticity.report.page import Chapter, NumberTable, Page, Picture, Pictures, Section, Words
from plasticity.results.csv_text import frame_csv
from plasticity.results.sealed import write_whole
from plasticity.studies.inside import COLUMNS, NetworkInside, StreamInside

SPARE = ("base", "initial", "control")
"""Titles that a narrow terminal does without, the first to go first."""
LEAD = (
    "Where does the posterior live inside the network, and what does a shift move there: where it looks, or what it "
    "passes on?"
)
CAPTION = (
    "value: of the pretrained network; initial: of the same with its initial weights; chance: of noise of this size; "
    "control: of something matched that has nothing to do with the question; baseline: of something trivial. "
    "`plasticity explain metric` has the formula of every id."
)
FAMILIES = {
    "Keys": "Are the addresses of symbols orthogonal? Control: random vectors with their second moments; baseline: the "
    "residual stream that the keys are made of.",
    "Values": "How few directions hold what is passed on? Control: every channel shuffled by itself; baseline: the "
    "embedding.",
    "Values and entropy": "Is the leading direction ordered by the exact entropy H? Control: H of other episodes at "
    "the same positions; baseline: mean H of the position, and, within positions, of the current symbol.",
    "Belief read-outs": "What can be read out linearly? Control: the posterior of other episodes; baseline: what "
    "position and current symbol explain, which belief/r2 is less.",
    "Alignment": "Do heads look at the evidence, or at what came right after it? Control: the attention of other "
    "episodes; baseline: the best head that always reads one distance back.",
    "Focus": "How sharply do heads look? Control: Gaussian scores of the same variance; baseline: the mean attention, "
    "by position alone.",
    "Heads": "What is a head worth? Control: the same displacement in a random direction; baseline: losing the past.",
    "Layers": "What is a layer worth? Control: what it adds in another episode; baseline: losing all of the past.",
    "Cuts": "What is a direction of the residual stream worth? Control: random directions that remove the same "
    "variance; chance: any random one; baseline: the whole stream.",
    "Swaps": "Whose belief is said with the residual stream of another episode? Above 0: the donor's. Control: judged "
    "by a stranger's belief; baseline: nothing swapped.",
    "Routing and precision": "Which settles first along pretraining?",
}
"""Title -> what is asked, in the order of the page."""
IDS = {
    "Keys": ("keys/cosine",),
    "Values": ("values/pc1", "values/pc12", "values/pr"),
    "Values and entropy": ("values/entropy_rho", "values/entropy_rho_within"),
    "Belief read-outs": ("belief/r2", "belief/r2_entropy"),
    "Alignment": ("alignment", "alignment/next"),
    "Focus": ("focus",),
    "Heads": ("head/delta",),
    "Layers": ("layer/delta",),
    "Cuts": ("cut", "cut/variance"),
    "Swaps": ("swap",),
    "Routing and precision": ("routing/settled", "precision/settled", "precision/routing"),
}
UNITS = {"head/delta": "bits", "layer/delta": "bits", "cut": "bits", "swap": "bits"}
STREAM = {
    "routing/tv": "total variation of attention from before deployment",
    "values/moved": "1 - overlap of value subspaces with those before",
    "belief/r2": "R2 beyond position and symbol",
    "keys/cosine": "mean |cosine| of keys",
    "focus": "entropy of attention, relative",
}
"""Column of the condition table -> what its axis says."""


def page(insides: Sequence[NetworkInside], stream: StreamInside | None) -> Page:
    """A chapter for the stream of a run, then one per network and tunnel.

    Args:
        insides: a chapter each.
        stream: of a run; None: of an experiment.
    """
    first = [] if stream is None else [Chapter("Over the stream", [over_stream(stream)])]
    return Page("Inside the learner", LEAD, first + [_chapter(each) for each in insides])


def keep(insides: Sequence[NetworkInside], stream: StreamInside | None, path: Path) -> list[Path]:
    """The page, and every number as CSV beside it.

    Args:
        insides: as for `page`.
        stream: as for `page`.
        path: of the page.

    Returns:
        what was written.
    """
    written = [page(insides, stream).write(path), path.with_suffix(".csv")]
    frames = [i.numbers.with_columns(network=pl.lit(i.title)) for i in insides]
    table = pl.concat(frames).select("network", *COLUMNS)
    write_whole(written[1], frame_csv(table).encode())
    return written


def shown(inside: NetworkInside) -> RichTable:
    """The numbers in brief, for a terminal: means over heads; and what is not defined."""
    notes = "\n".join(caveats(inside, [*inside.caveats]))
    table = RichTable(
        title=inside.title,
        caption=notes or None,
        box=None,
        header_style="bold",
        padding=(0, 0, 0, 1),
    )
    for i, name in enumerate(("id", "where", "value", "initial", "control", "base")):
        table.add_column(name, justify="left" if i < 2 else "right", no_wrap=True)
    heads = pl.col("what").str.starts_with("head")
    brief = inside.numbers.with_columns(what=pl.when(heads).then(pl.lit("")).otherwise("what"))
    means = brief.group_by("id", "site", "what", maintain_order=True).mean()
    for row in means.filter(pl.col("id") != "cut/variance").iter_rows(named=True):
        *said, _, control, base = _cells(row, 2)  # a terminal has no room for chance
        table.add_row(*said, control, base)
    return table


def caveats(inside: NetworkInside, ids: Sequence[str]) -> list[str]:
    """What must be known of some ids, a sentence for all of which the same is said."""
    told = dict[str, list[str]]()
    for name in ids:
        if text := inside.caveats.get(name):
            told.setdefault(text, []).append(name)
    return [f"{', '.join(names)}: {text}." for text, names in told.items()]


def over_stream(stream: StreamInside) -> Section:
    """A picture per column, a line per strategy."""
    if not stream.tables:
        words = "Nobody looked: `condition: {inside: 1}` records it at every probe."
        return Section("", [Words(words)])
    words = (
        "On held-out episodes with fresh latents, beside the network before deployment: does a shift move routing or "
        "values, which is overwritten, which does a return restore? Of a strategy that answers by other networks than "
        "the learner's own, this is of the learner's own."
    )
    own = looks(stream.tables)
    pictures = list[Picture]()
    for column, unit in STREAM.items():
        drawn = {
            label: _averaged(tables, column, own[label])
            for label, tables in stream.tables.items()
            if all(column in table.columns for table in tables)
        }
        axes = curves(drawn, "stream step", unit, stream.spans)
        pictures.append(Picture(axes, f"stream {column}", points_frame(drawn, "step"), column))
    return Section("", [Words(words), Pictures(pictures)])


def _averaged(tables: Sequence[pl.DataFrame], column: str, look: Look) -> Curve:
    """Mean over seeds at the steps that all have."""
    steps = sorted(set.intersection(*({*table["step"].to_list()} for table in tables)))
    each = [t.filter(pl.col("step").is_in(steps)).sort("step")[column].to_numpy() for t in tables]
    return averaged(np.array(steps), each, look)


def _chapter(inside: NetworkInside) -> Chapter:
    present = inside.numbers["id"].unique().to_list()
    sections = [
        _family(inside, title, [i for i in IDS[title] if i in present], words)
        for title, words in FAMILIES.items()
        if {*IDS[title]} & {*present, *inside.caveats}
    ]
    maps = [
        Picture(attention_maps(w, name), f"attention {name}", _attention(w), name)
        for name, w in inside.maps.items()
    ]
    if maps:
        words = "Row t is what position t of the first episode reads."
        sections.insert(0, Section("Attention", [Words(words), *maps]))
    if len(inside.points) > 1:
        sections.append(_along(inside.points))
    return Chapter(inside.title, [*sections, Section("", [Words(CAPTION, "small")])])


def _family(inside: NetworkInside, title: str, ids: Sequence[str], words: str) -> Section:
    """A picture per id where there are several rows, and the table folded under it; and what is not defined."""
    notes = [Words(text) for text in caveats(inside, IDS[title])]
    if not ids:
        return Section(title, [Words(words), *notes])
    rows = inside.numbers.filter(pl.col("id").is_in(ids))
    pictures = list[Picture]()
    for name in ids:
        own = rows.filter(pl.col("id") == name)
        if len(own) > 1 and name != "cut/variance":
            where = [f"{site} {what}".strip() for site, what in own.select("site", "what").rows()]
            numbers = {kind: own[kind].to_list() for kind in MARKS}
            axes = beside(where, numbers, UNITS.get(name, name), name)
            pictures.append(Picture(axes, name, own))
    lines = [(_cells(row), False) for row in rows.iter_rows(named=True)]
    table = NumberTable(("id", "where", *COLUMNS[3:]), lines, title, rows)
    drawn = [Pictures(pictures)] if pictures else []
    return Section(title, [Words(words), *notes, *drawn, table])


def _along(points: Sequence[TrainingPoint]) -> Section:
    steps = np.array([p.steps for p in points])
    drawn = {
        "KL(amnesic, network), bits": Curve(steps, np.array([p.kl for p in points])),
        "routing: TV to the end": Curve(steps, np.array([p.tv for p in points])),
        "values: moved from the end": Curve(steps, np.array([p.moved for p in points])),
    }
    axes = curves(drawn, "pretraining step", "bits, or share", log=True, size=(480, 300))
    frame = pl.DataFrame([tuple(p) for p in points], ["step", "kl", "tv", "moved"], orient="row")
    words = (
        "At checkpoints along pretraining: how precise the network is, and how far its routing and the subspace of its "
        "values are from where they end."
    )
    return Section("Along pretraining", [Words(words), Picture(axes, "along pretraining", frame)])


def _attention(weights: np.ndarray) -> pl.DataFrame:
    head, query, position = (each.ravel() for each in np.indices(weights.shape))
    data = {"head": head, "position": query, "reads": position, "weight": weights.ravel()}
    return pl.DataFrame(data).filter(pl.col("reads") <= pl.col("position"))


def _cells(row: dict[str, object], digits: int = 3) -> list[str]:
    numbers = [float(str(row[name])) for name in COLUMNS[3:]]
    told = ["-" if math.isnan(n) else f"{n:z.{digits}f}" for n in numbers]
    return [str(row["id"]), f"{row['site']} {row['what']}".strip(), *told]
