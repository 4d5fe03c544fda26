"""Figures of the log, each from a finished run: python experiments/figures.py einstein runs/einstein/<id> einstein.png.

Kinds: quickstart (any run), einstein (Revolution), gravity (a sweep of it), ladder (Revised), conversation
(Conversations), inside (any run with condition.inside). What is drawn is taken from the run here; how, is in
`plasticity.plots`.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from plasticity.cli.common import parsed
from plasticity.core.predictors import SHARES
from plasticity.core.stream import Stream
from plasticity.metrics.gravity import log_odds
from plasticity.metrics.visits import probed
from plasticity.plots import (
    Curve,
    Span,
    anomalies_needed,
    averaged,
    bars,
    bits_over_time,
    conversation_start,
    curves,
    frontier,
    ladder_rung,
    law_odds,
    looks,
    windowed,
)
from plasticity.plots.style import IDEALS, PIXELS, figure_of, panels, style
from plasticity.plots.worlds import BAYES
from plasticity.report.run_report import by_label, read
from plasticity.report.sections import frontier_points, gather
from plasticity.results.store import Cell, Run
from plasticity.studies import inside as insides
from streams.causal.revised import CHANGED, UNCHANGED, Revised
from streams.conversation.schedule import Conversations
from streams.laws.revolution import ANOMALOUS, ANOMALOUS_OLD, UNSEEN, UNSEEN_OLD, Revolution

Points = tuple[np.ndarray, list[np.ndarray]]
"""Where, and the values there of every seed."""
RUNGS = {
    "association": "1 seeing: p(y | x)",
    "intervention": "2 doing: p(y | do(x))",
    "counterfactual": "3 imagining: what if x had been?",
}
CHANGES = {
    "mechanism": "a mechanism is redrawn",
    "reversal": "an arrow is turned round",
    "confounder": "a common cause is added",
}


@style()
def quickstart(run: Run) -> Figure:
    """Skill; bits lost on the live regime against bits lost on fresh latents, beside exact mixtures; bits over time."""
    of = gather(read(run), looks(by_label(run)))
    figure = Figure(figsize=(1140 / PIXELS, 760 / PIXELS), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1.15, 1))
    bars(
        {row.title: [*row.by_seed("skill").values()] for row in of.lines if row.strategy},
        of.looks,
        ax=figure.add_subplot(grid[0, 0]),
    )
    if found := frontier_points(of):
        frontier(*found, SHARES, of.looks, ax=figure.add_subplot(grid[0, 1]))
    bits_over_time(windowed(of.steps, of.looks), ax=figure.add_subplot(grid[1, :]))
    return figure


def einstein(run: Run) -> Figure:
    """How many anomalies change a mind: log odds of the revised law against the old one, by anomalies seen."""
    seeds = sorted({cell.seed for cell in run.cells()})
    grid = panels(2, len(seeds), 400, 330)
    drawn = looks(by_label(run))
    asked = (
        ("Inputs like the anomalies", ANOMALOUS, ANOMALOUS_OLD),
        ("Inputs of which none was ever shown", UNSEEN, UNSEEN_OLD),
    )
    for column, seed in enumerate(seeds):
        cells = [cell for cell in run.cells() if cell.seed == seed]
        stream = world(run, seed)
        assert isinstance(stream, Revolution)
        texts, seen = stream.laws.book.texts, stream.seen(probed(cells[0].probes.read()).at)
        start = int(seen.searchsorted(1)) - 1
        laws = f"held for long: y = {texts[stream.revision.old]}\nthe truth: {texts[stream.revision.revised]}"
        for row, (title, new, old) in enumerate(asked):
            noise = stream.laws.noise

            def odds(cell: Cell, who: str, pair: tuple[int, int] = (new, old)) -> np.ndarray:
                bits = probed(cell.probes.read(), f"kl/{who}").bits
                return log_odds(bits[:, pair[0]], bits[:, pair[1]], noise)[start:]  # noqa: B023

            who = {BAYES: (cells[0], "continual", IDEALS["amnesic"])}
            who |= {cell.label: (cell, "model", drawn[cell.label]) for cell in cells}
            found = {
                name: Curve(seen[start:] + 1, odds(cell, column_), None, look)
                for name, (cell, column_, look) in who.items()
            }
            law_odds(found, title, laws if row == 0 else "", legend=row == 1, ax=grid[row][column])
    return titled(grid, "How many anomalies change a mind?")


def gravity(sweep: Run) -> Figure:
    """Anomalies until the mind changes, over the rate of anomalies and over the length of the era before them."""
    runs = [Run(path.parent) for path in sorted(sweep.path.glob("*/experiment.yaml"))]
    names = ["label", "rate", "era", "count", "changed"]
    table = pl.DataFrame([row for run in runs for row in counts(run)], names, orient="row")
    rate, era = (table[name].median() for name in ("rate", "era"))  # of most runs
    grid = panels(1, 2, 560, 420)
    along = f"chance that an observation is an anomaly (era of {era:g} steps)"
    anomalies_needed(table.filter(pl.col("era") == era), "rate", along, ax=grid[0][0])
    along = f"steps that the old law held before (rate {rate:g})"
    anomalies_needed(table.filter(pl.col("rate") == rate), "era", along, ax=grid[0][1])
    return titled(
        grid, "How entrenched is a theory? By how rare anomalies are, and how long it held"
    )


def ladder(run: Run) -> Figure:
    """Bits by rung over time, and bits on what each change broke and on what it left."""
    groups, drawn = by_label(run), looks(by_label(run))
    stream = world(run, run.cells()[0].seed)
    assert isinstance(stream, Revised) and stream.steps
    grid = panels(2, 3, 400, 330)
    first = next(iter(groups.values()))
    seeing = float(np.mean([c.summary["world/seeing_for_doing"] for c in run.cells()]))
    visits_ = range(-(-stream.steps // stream.period))
    held = ["" if v % 2 == 0 else stream.changes[stream.visited(v) - 1] for v in visits_]
    spans = [Span(v * stream.period, (v + 1) * stream.period, held[v]) for v in visits_]
    for axis, (rung, title) in zip(grid[0], RUNGS.items(), strict=True):
        found = {
            label: averaged(*live(run, cells, rung, "model"), drawn[label])
            for label, cells in groups.items()
        }
        found |= {
            f"{who} Bayes": averaged(*live(run, first, rung, who), IDEALS[who])
            for who in ("amnesic", "continual")
        }
        margin = (seeing, "seeing taken for doing") if rung == "intervention" else None
        up = "bits from the truth, live regime"
        ladder_rung(found, "step", up, title, spans, margin, rung == "intervention", ax=axis)
    for axis, kind in zip(grid[1], stream.changes, strict=True):
        found = {
            f"{label}, what {told}": averaged(*points, drawn[label]._replace(dash=dash))
            for label, cells in groups.items()
            for view, told, dash in ((CHANGED, "it broke", ()), (UNCHANGED, "it left", (2, 3)))
            if len((points := visit(run, cells, kind, view))[0])
        }
        middle = axis is grid[1][1]
        up = "bits on p(y | do(x))"
        ladder_rung(found, "steps since the change", up, CHANGES[kind], legend=middle, ax=axis)
    return titled(grid, "One change at a time: is it repaired, and is the rest left alone?")


def conversation(run: Run) -> Figure:
    """Bits on the first program of a conversation, over time, over seeds."""
    groups, drawn = by_label(run), looks(by_label(run))
    stream = world(run, run.cells()[0].seed)
    assert isinstance(stream, Conversations) and stream.steps

    def points(cells: Sequence[Cell], who: str) -> Points:
        each = [stream.first(cell.probes.read(), who) for cell in cells]
        return each[0]["step"].to_numpy(), [e["bits"].to_numpy() for e in each]

    first = next(iter(groups.values()))
    found = {label: averaged(*points(c, "model"), drawn[label]) for label, c in groups.items()}
    titles = {
        "amnesic": "exact Bayes, every conversation anew",
        "continual": "exact Bayes that remembers",
    }
    found |= {t: averaged(*points(first, who), IDEALS[who]) for who, t in titles.items()}
    spans = [
        Span(v * stream.period, (v + 1) * stream.period, f"dialect {'ABCDEFGH'[stream.visited(v)]}")
        for v in range(-(-stream.steps // stream.period))
    ]
    axis = conversation_start(found, spans)
    return titled([[axis]], "What is known of a language before anybody has spoken?")


def inside(run: Run) -> Figure:
    """Routing and values against the network before deployment, how sharply it looks, and what it says."""
    found = insides.stream(run)
    grid = panels(2, 2, 470, 300)
    columns = {
        "routing/tv": "routing: total variation of attention",
        "values/moved": "values: 1 - overlap of subspaces",
        "focus": "focus: entropy of attention, relative",
        "kl_amnesic/model": "bits lost on fresh latents",
    }
    fresh = {
        label: [cell.probes.read().filter(pl.col("regime") == -1) for cell in cells]
        for label, cells in by_label(run).items()
    }
    own = looks(found.tables)
    for nth, (column, title) in enumerate(columns.items()):
        tables = fresh if column.startswith("kl") else found.tables
        drawn = {
            label: averaged(
                each[0]["step"].to_numpy(), [t[column].to_numpy() for t in each], own[label]
            )
            for label, each in tables.items()
        }
        axis = curves(
            drawn, "stream step", title, found.spans, legend=nth > 1, ax=grid[nth // 2][nth % 2]
        )
        axis.set_title("")
    return titled(grid, "What do shifts and returns move inside, on fresh latents?")


def titled(grid: list[list], title: str) -> Figure:
    """The figure of some axes, with a title over all."""
    figure = figure_of(grid[0][0])
    figure.suptitle(title)
    return figure


def live(run: Run, cells: Sequence[Cell], rung: str, who: str) -> Points:
    """Steps, and bits on a rung in the live regime, of every seed."""
    curves = []
    for cell in cells:
        stream = world(run, cell.seed)
        assert isinstance(stream, Revised)
        table = stream.ladder(cell.probes.read(), who).filter(pl.col("view") == rung)
        now = [stream.lived(step) for step in table["step"].to_list()]
        curves.append(table.filter(pl.Series(now) == table["regime"]).sort("step"))
    return curves[0]["step"].to_numpy(), [c["bits"].to_numpy() for c in curves]


def visit(run: Run, cells: Sequence[Cell], kind: str, view: str) -> Points:
    """Steps since a change came, and bits on a view of it, of every seed that has it."""
    curves = []
    for cell in cells:
        stream = world(run, cell.seed)
        assert isinstance(stream, Revised)
        regime = 1 + [*stream.changes].index(kind)  # pyright: ignore[reportArgumentType] of a list of literals, any word may be asked
        begun = next(v for v in range(100) if stream.visited(v) == regime) * stream.period
        table = stream.ladder(cell.probes.read()).filter(
            (pl.col("view") == view)
            & (pl.col("regime") == regime)
            & pl.col("step").is_between(begun, begun + stream.period)
        )
        if len(table):
            curves.append(table.sort("step").with_columns(pl.col("step") - begun))
    if not curves:
        return np.empty(0), []
    return curves[0]["step"].to_numpy(), [c["bits"].to_numpy() for c in curves]


def counts(run: Run) -> Iterator[tuple[str, float, int, int, bool]]:
    """(label, rate, era, anomalies until its mind changed, whether it did) of every cell that had a mind to change.

    Where it never did, the anomalies are all that came. Last comes exact Bayes, in the worlds of the first strategy.
    """
    groups = by_label(run)
    pairs = [(label, "switched", cell) for label, cells in groups.items() for cell in cells]
    pairs += [(BAYES, "ideal", cell) for cell in next(iter(groups.values()))]
    for label, number, cell in pairs:
        stream = world(run, cell.seed)
        assert isinstance(stream, Revolution)
        if cell.summary["world/held"] > 0:
            found = cell.summary[f"world/{number}"]
            changed = found is not None
            if not changed:
                found = int(stream.seen(probed(cell.probes.read()).at)[-1])
            yield label, stream.rate, stream.era, int(found), changed


def world(run: Run, seed: int) -> Stream:
    """The stream of a run under a seed."""
    return parsed(run.path / "experiment.yaml", []).stream.build(seed=seed)


KINDS = {
    each.__name__: each for each in (quickstart, einstein, gravity, ladder, conversation, inside)
}

if __name__ == "__main__":
    kind, folder, to = sys.argv[1:]
    with style():
        KINDS[kind](Run(Path(folder))).savefig(to, dpi=110)
