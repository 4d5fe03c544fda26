"""The page of importance sampling with proposals: bits over draws, effective samples, task by task."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from rich.table import Table as RichTable

from plasticity.metrics.summary import spread
from plasticity.plots.lines import Curve, averaged, points_frame
from plasticity.plots.proposals import bits_by_draws
from plasticity.plots.style import COLOURS, IDEALS, SOFT, Look, panels
from plasticity.plots.vector import printed
from plasticity.report.page import Chapter, NumberTable, Page, Picture, Pictures, Section, Words
from plasticity.results.csv_text import frame_csv
from plasticity.results.sealed import write_whole
from plasticity.studies.hybrid_study import ALONE, PROPOSALS
from plasticity.studies.tunnel_table import TableEntry

Done = Sequence[tuple[TableEntry, pl.DataFrame]]
"""Entries with the tables of `hybrid_study.curves`."""
SHOWN = (1, 16, 256)
"""Numbers of draws that are columns of the table, beside the last."""
SPARE = ("gap", "ESS", "n = 16", "n = 256")
"""Titles that a narrow terminal does without, the first to go first."""
LEAD = (
    "A proposal draws n hypotheses before every answer, and the exact model of the world weighs them by "
    "p(D | g) p(g) / q(g). How many must be drawn, and who proposes well?"
)
CAPTION = (
    "KL from the exact observer (the amnesic one) in bits per asked position, mean and 95 % interval over seeds, by "
    "the number of hypotheses drawn. gap: KL(exact posterior, proposal) in bits. ESS: effective draws of the last "
    "column. pooled: each hypothesis that was drawn counts once."
)
LOOKS = {
    "prior": Look(SOFT, (9, 3)),
    "network": Look(COLOURS[1]),
    "posterior": IDEALS["amnesic"],
}
DOTTED = (2, 3)
"""Of the curves that pool."""


def lines(
    done: Done, told: Callable[[Sequence[float], int], str] = spread
) -> tuple[list[str], list[tuple[list[str], bool]]]:
    """Titles, and the lines of the table: per task and network the network alone, and every proposal twice.

    Args:
        done: entries and their tables.
        told: how the values of several seeds are written, with so many decimals.
    """
    last = max(int(table["draws"].to_numpy().max()) for _, table in done)
    levels = [*(n for n in SHOWN if n < last), last]
    titles = ["task", "proposal", "gap", *(f"n = {n:,}" for n in levels), "ESS"]
    found = list[tuple[list[str], bool]]()
    for task, label, tunnel in _groups(done):
        tables = _tables(done, task, label, tunnel)
        alone = [float(_of(t, ALONE)["weighed"][0]) for t in tables]
        name = _name(done, task, label, tunnel)
        found.append(([name, ALONE, "", *[""] * (len(levels) - 1), told(alone, 4), ""], True))
        for proposal in PROPOSALS:
            mine = [_of(table, proposal) for table in tables]
            gap = told([float(t["gap"][0]) for t in mine], 2)
            ess = told([float(t["ess"][-1]) for t in mine], 0)
            for way, title in (("weighed", proposal), ("pooled", f"{proposal}, pooled")):
                cells = [
                    told([float(t.filter(pl.col("draws") == n)[way][0]) for t in mine], 4)
                    for n in levels
                ]
                plain = way == "weighed"
                found.append(
                    ([name, title, gap if plain else "", *cells, ess if plain else ""], False)
                )
    return titles, found


def shown(done: Done) -> RichTable:
    """The table, for a terminal: means alone."""
    titles, found = lines(done, lambda values, decimals: f"{np.mean(values):z.{decimals}f}")
    table = RichTable(caption=CAPTION, box=None, header_style="bold", pad_edge=False)
    for i, title in enumerate(titles):
        table.add_column(title, justify="left" if i < 2 else "right", no_wrap=True)
    for cells, grey in found:
        table.add_row(*cells, style="bright_black" if grey else None)
    return table


def page(done: Done) -> Page:
    """The table, and a picture per task."""
    titles, found = lines(done)
    seeds = len({entry.seed for entry, _ in done})
    table = NumberTable(titles, found, "hybrid")
    note = Words(f"{seeds} seeds. {CAPTION}", "small")
    pictures = Pictures([picture(done, *group) for group in _groups(done)])
    told = Words("Dotted: pooled. Level: what the network predicts by itself.")
    sections = [
        Section("", [table, note]),
        Section("KL(amnesic, hybrid) by the number of draws", [told, pictures]),
    ]
    return Page("A network proposes, an exact model corrects", LEAD, [Chapter("", sections)])


def picture(done: Done, task: str, label: str, tunnel: int) -> Picture:
    """Of a tunnel of a task, and one network."""
    data = points_frame(_curves(done, task, label, tunnel), "draws", "bits")
    name = _name(done, task, label, tunnel)
    return Picture(_drawn(done, task, label, tunnel), f"draws {name}", data, name)


def keep(done: Done, path: Path) -> list[Path]:
    """The page, and beside it all pictures on one PNG, and the tables as one CSV.

    Args:
        done: entries and their tables.
        path: the page.

    Returns:
        what was written.
    """
    page(done).write(path)
    groups = _groups(done)
    (axes,) = panels(1, len(groups), 420, 340)
    for nth, (ax, group) in enumerate(zip(axes, groups, strict=True)):
        _drawn(done, *group, legend=nth == 0, ax=ax).set_title(_name(done, *group))
    write_whole(path.with_suffix(".png"), printed(axes[0], "png", dpi=100))
    names = pl.Series([*PROPOSALS, ALONE])
    whole = pl.concat(
        table.with_columns(
            task=pl.lit(entry.experiment.name),
            network=pl.lit(entry.label),
            seed=pl.lit(entry.seed),
            proposal=names.gather(table["proposal"]),
        )
        for entry, table in done
    )
    write_whole(path.with_suffix(".csv"), frame_csv(whole).encode())
    return [path, path.with_suffix(".png"), path.with_suffix(".csv")]


def _drawn(
    done: Done, task: str, label: str, tunnel: int, legend: bool = True, ax: Axes | None = None
) -> Axes:
    """The curves, and the level of the network alone."""
    tables = _tables(done, task, label, tunnel)
    alone = float(np.mean([_of(table, ALONE)["weighed"][0] for table in tables]))
    drawn = _curves(done, task, label, tunnel)
    return bits_by_draws(drawn, "bits per asked position", (alone, ALONE), legend=legend, ax=ax)


def _curves(done: Done, task: str, label: str, tunnel: int) -> dict[str, Curve]:
    """Of every proposal, weighed and pooled; the means of the seeds, with intervals."""
    tables, found = _tables(done, task, label, tunnel), dict[str, Curve]()
    for way in ("weighed", "pooled"):
        for proposal in PROPOSALS:
            look = LOOKS[proposal]
            dotted = look._replace(dash=DOTTED, width=1.3)
            mine = [_of(table, proposal) for table in tables]
            x, each = mine[0]["draws"].to_numpy(), [t[way].to_numpy() for t in mine]
            title = proposal if way == "weighed" else f"{proposal}, pooled"
            found[title] = averaged(x, each, look if way == "weighed" else dotted)
    return found


def _groups(done: Done) -> list[tuple[str, str, int]]:
    """(task, network, tunnel), each once."""
    found = dict[tuple[str, str, int], None]()
    for entry, table in done:
        for tunnel in table["tunnel"].unique().sort().to_list():
            found[entry.experiment.name, entry.label, tunnel] = None
    return list(found)


def _tables(done: Done, task: str, label: str, tunnel: int) -> list[pl.DataFrame]:
    """Of every seed."""
    return [
        table.filter(pl.col("tunnel") == tunnel)
        for entry, table in done
        if (entry.experiment.name, entry.label) == (task, label)
    ]


def _of(table: pl.DataFrame, proposal: str) -> pl.DataFrame:
    """The rows of a proposal, by draws."""
    number = (*PROPOSALS, ALONE).index(proposal)
    return table.filter(pl.col("proposal") == number).sort("draws")


def _name(done: Done, task: str, label: str, tunnel: int) -> str:
    """The task; and the network and the tunnel where there are several."""
    mine = {(network, n) for name, network, n in _groups(done) if name == task}
    words = [task]
    words += [label] if len({network for network, _ in mine}) > 1 else []
    words += [str(tunnel)] if len({n for _, n in mine}) > 1 else []
    return " ".join(words)
