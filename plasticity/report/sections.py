"""Sections of the report of a run, each one function from what is stored; `SECTIONS` is their order on the page."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float

from plasticity.core.predictors import MEANING, SHARES
from plasticity.metrics.frontier import Points, points
from plasticity.metrics.visits import probed
from plasticity.plots import belief_areas
from plasticity.plots.frontiers import frontier
from plasticity.plots.heat_maps import Heat, heat_map
from plasticity.plots.over_time import COLUMNS as STEPS
from plasticity.plots.over_time import bits_over_time, plotted, windowed
from plasticity.plots.skill_bars import bars
from plasticity.plots.style import Look
from plasticity.report.notes import notes
from plasticity.report.page import (
    Answer,
    NumberTable,
    Picture,
    Pictures,
    Section,
    Words,
    Zoomable,
)
from plasticity.report.run_report import (
    CAPTION,
    COLUMNS,
    FORGETTING,
    Row,
    RunNumbers,
    Summaries,
    answer,
    best,
    rows,
)
from plasticity.report.verdict import Verdict
from plasticity.results.store import Cell, Run

PROBES = ["step", "regime", "kl/model", "kl/continual", "kl_amnesic/model"]
"""Of a probe table, what is drawn."""
SEEDS = 3
"""Of a strategy whose beliefs are drawn, at most."""


class RunData(NamedTuple):
    """What a section may tell of: a run, read once."""

    run: Run
    lines: list[Row]
    """Of the table."""
    groups: Mapping[str, Sequence[Cell]]
    """Label -> its cells, one per seed."""
    summaries: Summaries
    """Label -> the numbers of its cells."""
    looks: Mapping[str, Look]
    """Label -> how it is drawn."""
    verdict: Verdict
    notes: Sequence[str]
    """What must be known before it."""
    steps: Mapping[str, Mapping[int, pl.DataFrame]]
    """Label -> seed -> its step table, with the columns that are drawn."""
    probes: Mapping[str, Mapping[int, pl.DataFrame]]
    """Label -> seed -> its probe table, with `PROBES`."""

    @property
    def cells(self) -> list[Cell]:
        """Of all strategies."""
        return [cell for group in self.groups.values() for cell in group]


def gather(of: RunNumbers, looks: Mapping[str, Look]) -> RunData:
    """All that sections tell of, from the numbers of a run.

    Args:
        of: finished or not.
        looks: label -> how it is drawn.
    """
    groups = {label: [cell for cell, _ in group] for label, group in of.groups.items()}
    summaries = {
        label: found for label, group in of.groups.items() if (found := [s for _, s in group if s])
    }
    steps, probes = dict[str, dict[int, pl.DataFrame]](), dict[str, dict[int, pl.DataFrame]]()
    for label, cells in groups.items():
        steps[label] = {cell.seed: cell.steps.read(STEPS) for cell in cells}
        probes[label] = {cell.seed: cell.probes.read(PROBES) for cell in cells}
    verdict, before = answer(of), notes(of)
    return RunData(of.run, rows(of), groups, summaries, looks, verdict, before, steps, probes)


def verdict(of: RunData) -> Section:
    """What must be known before any verdict; which strategy, and how sure; and what is not finished."""
    unfinished = [
        Words(f"{c.name}: unfinished, {len(of.steps[label][c.seed]):,} steps so far", "open")
        for label, group in of.groups.items()
        for c in group
        if not c.done
    ]
    before = [Words(note, "open") for note in of.notes]
    return Section("", [*before, Answer(*of.verdict), *unfinished])


def skill(of: RunData) -> Section:
    """Skill bars."""
    values = {row.title: [*row.by_seed("skill").values()] for row in of.lines if row.strategy}
    n = len({cell.seed for cell in of.cells})
    note = f"Dots are seeds; ± is the 95 % interval of the mean over {n} seeds (Student's t)."
    note = "One seed: no interval." if n == 1 else note
    beyond = " An arrow: it lies beyond the scale, at the number that is written there."
    return Section("Skill", [_bars(values, of.looks), Words(note + beyond, "small")])


def over_time(of: RunData) -> Section:
    """Bits over time."""
    drawn = windowed(of.steps, of.looks)
    if not drawn.curves:
        return Section("Bits from the truth over time", [Words("Nothing was scored yet.")])
    several = any(curve.half is not None for curve in drawn.curves.values())
    shades = "Shades are regimes."
    if drawn.ribbons:
        shades = (
            "Regimes shift at other steps in each seed: the ribbons above are the regimes of each."
        )
    words = (
        "KL(informed ‖ ·) in bits per asked position, means over windows"
        + (", and over seeds, with the 95 % interval of the mean over seeds" if several else "")
        + f". The informed observer is the floor, at 0. {shades}"
    )
    picture = Picture(bits_over_time(drawn), "bits over time", drawn.data)
    zoomable = Zoomable(picture, plotted(drawn))
    return Section("Bits from the truth over time", [Words(words), zoomable])


def believed(of: RunData) -> Section | None:
    """Which regime a strategy took to be live, beside the true one; None: no strategy said."""
    pictures = list[Picture]()
    for label, cells in of.groups.items():
        for cell in cells[:SEEDS]:
            if names := belief_areas.columns(cell.steps.names()):
                table = cell.steps.read([*belief_areas.COLUMNS, *names])
                title, data = f"{label}, seed {cell.seed}", belief_areas.windows(table)
                pictures.append(
                    Picture(belief_areas.beliefs(table, title), f"belief {title}", data)
                )
    if not pictures:
        return None
    words = (
        "After each step, how probable the strategy takes it that the pretrained network knows the live regime best, "
        "or one of its experts, which it was not told to name; above, the regime that is live. The same colour where "
        "a letter comes back: it knows the regime again. "
        f"{'The first seeds.' if len(of.cells) > len(pictures) else ''}"
    )
    return Section("Which regime it takes to be live", [Words(words.strip()), Pictures(pictures)])


def probes(of: RunData) -> Section:
    """What was forgotten: heat maps of held-out probes."""
    title = "What was forgotten: held-out probes of every regime"
    heats = {label: heat for label, each in of.probes.items() if (heat := _heat([*each.values()]))}
    if not heats:
        return Section(title, [Words("Nothing was probed yet.")])
    finite = [heat.bits[np.isfinite(heat.bits)] for heat in heats.values()]
    top = max(float(bits.max(initial=0.0)) for bits in finite)
    forgot = {row.title: _forgot(row) for row in of.lines}
    pictures = [
        Picture(heat_map(heat, top, f"{label}{forgot[label]}"), f"probes {label}", heat.data)
        for label, heat in heats.items()
    ]
    words = "KL(informed ‖ model) in bits, weights as they were at that step. Dark is not known, or forgotten."
    return Section(title, [Words(words), Pictures(pictures)])


def beside_exact(of: RunData) -> Section:
    """The frontier: what was lost on the live regime and on fresh latents, beside exact mixtures."""
    title = "What belief costs: the frontier"
    if (found := frontier_points(of)) is None:
        words = "No exact mixture to compare with: no latent is held, or observers cannot weigh."
        return Section(title, [Words(words)])
    pairs, curve = found
    lines = [(label, i, *pair) for label, each in pairs.items() for i, pair in enumerate(each)]
    data = pl.DataFrame(lines, ["title", "nth", "live", "fresh"], orient="row")
    words = (
        "An exact observer who believes that the regime holds is wrong on fresh latents, and must be. The curve is of "
        "exact mixtures that give a fresh latent the share b; nobody can lie below it, and how far above it a learner "
        "lies is what its updates cost (frontier/excess). Means over ends of visits, 95 % intervals over seeds."
    )
    picture = Picture(frontier(pairs, curve, SHARES, of.looks), "frontier", data)
    return Section(title, [Words(words), picture])


def frontier_points(
    of: RunData,
) -> tuple[dict[str, list[tuple[float, float]]], Float[np.ndarray, "2 shares"]] | None:
    """Label -> (bits lost on the live regime, on fresh latents) of each seed, and those of the exact mixtures.

    None: no exact mixture was recorded.
    """
    found = {
        label: [p for cell in group if (p := _points(of, label, cell)) is not None]
        for label, group in of.groups.items()
    }
    every = [points.curve.mean(0) for each in found.values() for points in each]
    if not every:
        return None
    pairs = {label: [p.place for p in each] for label, each in found.items()}
    return pairs, np.mean(every, axis=0)


def costs(of: RunData) -> Section:
    """The table; as CSV, every number of every seed."""
    shown = [([c.show(row) for c in COLUMNS], not row.strategy) for row in of.lines]
    each = [
        {"title": row.title, "seed": seed, **{key: v[i] for key, v in sorted(row.numbers.items())}}
        for row in of.lines
        if row.strategy
        for i, seed in enumerate(row.seeds)
    ]
    data = pl.DataFrame(each, infer_schema_length=None) if each else None
    marked = best(of.lines)
    table = NumberTable([c.title for c in COLUMNS], shown, "numbers", data, best=marked)
    bold = " Bold: surely better than every other strategy." * bool(marked)
    beside = "; ".join(f"{r.title}: {MEANING[r.title]}" for r in of.lines if not r.strategy)
    faced = f" Beside them, on the same batches: {beside}." * bool(beside)
    note = Words(f"{CAPTION} trained: parameters.{bold}{faced}", "small")
    return Section("What it cost, and where the bits went", [table, note])


SECTIONS = (verdict, skill, over_time, believed, probes, beside_exact, costs)
"""What a reader wants first, first; below them come the folded ones of `details`."""


def _bars(values: Mapping[str, Sequence[float]], looks: Mapping[str, Look]) -> Picture:
    pairs = [(title, i, v) for title, each in values.items() for i, v in enumerate(each)]
    data = pl.DataFrame(pairs, ["title", "nth", "skill"], orient="row")
    return Picture(bars(values, looks), "skill", data)


def _points(of: RunData, label: str, cell: Cell) -> Points | None:
    """Where the learner of a cell lies; None: nothing was recorded, or its weights are lost."""
    steps, probes = of.steps[label][cell.seed], of.probes[label][cell.seed]
    found = points(steps, probes, cell.frontier.read()) if len(steps) else None
    lost = found is None or not np.isfinite([*found.live, *found.fresh]).all()
    return None if lost else found


def _forgot(row: Row) -> str:
    """Beside its name: how much a strategy forgot."""
    shown = FORGETTING.show(row).replace("±", " ± ")
    return "" if shown == "-" else f": forgot {shown} bits"


def _heat(tables: Sequence[pl.DataFrame]) -> Heat | None:
    """Bits on every regime's probe over time, averaged over seeds; None: nothing was probed."""
    each = [probed(table) for table in tables if len(table)]
    if not each:
        return None
    shortest = min(len(one.at) for one in each)
    shared = [r for r in each[0].regimes.tolist() if all(r in one.regimes for one in each)]
    kept = [one.bits[:shortest, np.isin(one.regimes, shared)] for one in each]
    return Heat(each[0].at[:shortest], np.array(shared), np.mean(kept, axis=0)).thinned()
