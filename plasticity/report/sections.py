"""Sections of the report of a run, each one function from what is stored; `SECTIONS` is their order on the page."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from plasticity.metrics import adaptation
from plasticity.metrics.glossary import GLOSSARY
from plasticity.metrics.summary import spread
from plasticity.metrics.visits import probed, visits
from plasticity.plots.heat_maps import Heat, heat_map
from plasticity.plots.lines import Curve, averaged, curves
from plasticity.plots.over_time import COLUMNS as STEPS
from plasticity.plots.over_time import bits_over_time, plotted, windowed
from plasticity.plots.skill_bars import bars
from plasticity.plots.style import Look
from plasticity.report.four_demands import Summaries, four_demands
from plasticity.report.page import (
    Answer,
    Items,
    Listing,
    Picture,
    Pictures,
    Section,
    Table,
    Words,
    Zoomable,
)
from plasticity.report.run_report import CAPTION, COLUMNS, Row, answer, by_label, rows
from plasticity.report.verdict import NOTE
from plasticity.results.load import numbers as stored
from plasticity.results.store import Cell, Run

ENOUGH = 10
"""Visits from which a trend is worth a picture."""
WINDOWS = 40
"""Points of a curve over visits, at most."""
COSTS = ["step", "regime", "shift", "kl/model", "kl/continual"]
"""Of the step table, what adaptation costs are made of."""
CONDITION = {
    "dormant/tau0.025": "share of units",
    "effective_rank/roy2007": "directions",
    "drift/cka2019": "1 − CKA, from 0 to 1",
    "weight/distance": "L2 norm",
}
"""Columns of the condition table that are drawn, and their units; the table of all numbers has the others."""
FORMULAS = (
    "skill = (KL(amnesic) − KL(model)) / (KL(amnesic) − KL(continual)), KL(x) = KL(informed ‖ x); numerator and "
    "denominator are averaged before dividing; undefined where the ideals differ by under 0.01 bit (Murphy 1988).",
    "forgetting/chaudhry2018: mean over visits of bits on their regime's probe at the end, less the fewest it ever had "
    "after that visit (Chaudhry et al. 2018, with R = −bits).",
    "recovery/skill50: steps after a shift until the mean of KL(model) over 5 steps is half-way between the ideals'; "
    "a visit that never gets there counts its whole length.",
    NOTE,
)


class Told(NamedTuple):
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

    @property
    def cells(self) -> list[Cell]:
        """Of all strategies."""
        return [cell for group in self.groups.values() for cell in group]


def told(run: Run, looks: Mapping[str, Look]) -> Told:
    """Read a run.

    Args:
        run: finished or not.
        looks: label -> how it is drawn.
    """
    groups = by_label(run)
    summaries = {
        label: found
        for label, group in groups.items()
        if (found := [s for cell in group if (s := stored(cell))])
    }
    return Told(run, rows(run), groups, summaries, looks)


def verdict(of: Told) -> Section:
    """Which strategy, how sure, and what is not finished."""
    unfinished = [
        Words(f"{c.name}: unfinished, {len(c.steps.read(['step'])):,} steps so far", "open")
        for c in of.cells
        if not c.done
    ]
    return Section("", [Answer(*answer(of.run)), *unfinished])


def skill(of: Told) -> Section:
    """Skill bars."""
    values = {row.title: [*row.by_seed("skill").values()] for row in of.lines if row.strategy}
    n = len({cell.seed for cell in of.cells})
    note = f"Dots are seeds; ± is the 95 % interval of the mean over {n} seeds (Student's t)."
    note = "One seed: no interval." if n == 1 else note
    beyond = " An arrow: it lies beyond the scale, at the number that is written there."
    return Section("Skill", [_bars(values, of.looks), Words(note + beyond, "small")])


def over_time(of: Told) -> Section:
    """Bits over time."""
    tables = {
        label: {cell.seed: cell.steps.read(STEPS) for cell in group}
        for label, group in of.groups.items()
    }
    drawn = windowed(tables, of.looks)
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


def probes(of: Told) -> Section:
    """What was forgotten: heat maps of held-out probes."""
    title = "What was forgotten: held-out probes of every regime"
    heats = {label: heat for label, group in of.groups.items() if (heat := _heat(group))}
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


def costs(of: Told) -> Section:
    """The table; as CSV, every number of every seed."""
    shown = [([show(row) for _, show in COLUMNS], not row.strategy) for row in of.lines]
    each = [
        {"title": row.title, "seed": seed, **{key: v[i] for key, v in sorted(row.numbers.items())}}
        for row in of.lines
        if row.strategy
        for i, seed in enumerate(row.seeds)
    ]
    data = pl.DataFrame(each, infer_schema_length=None) if each else None
    table = Table([name for name, _ in COLUMNS], shown, "numbers", data)
    note = Words(f"{CAPTION} trained: parameters.", "small")
    return Section("What it cost, and where the bits went", [table, note])


def losses(of: Told) -> Section | None:
    """Not noticed, or not represented? None where the schedule leaves nothing to notice."""
    lines = []
    for label, each in of.summaries.items():
        unnoticed, unsaid = (_numbers(each, k) for k in ("not_noticed", "not_represented"))
        if unnoticed and max(map(abs, unnoticed)) > 1e-12:
            lines.append(([label, spread(unnoticed, 3), spread(unsaid, 3)], False))
    if not lines:
        return None
    words = (
        "KL(informed ‖ model), in bits, in two parts: what even an exact observer loses who knows every regime and "
        "must infer which is live, and the rest."
    )
    table = Table(("", "not noticed", "not represented"), lines, "not noticed")
    return Section("Not noticed, or not represented?", [Words(words), table], folded=True)


def trends(of: Told) -> Section | None:
    """Does it learn to learn, or wear out? What adapting costs, visit by visit; None for few visits."""
    drawn, slopes = dict[str, Curve](), list[str]()
    for label, each in of.summaries.items():
        tables = [t for cell in of.groups[label] if len(t := cell.steps.read(COSTS))]
        found = [adaptation.costs(table, visits(table)) for table in tables]
        shared = min((len(c) for c in found), default=0)
        if shared < ENOUGH:
            continue
        parts = np.array_split(np.arange(shared), min(shared, WINDOWS))
        seeds = [np.array([c[part].mean() for part in parts]) for c in found]
        x = np.array([part.mean() for part in parts])
        drawn[label] = averaged(x, seeds, of.looks[label])
        slopes.append(f"{label} {_slope(each)}")
    if not drawn:
        return None
    words = (
        "Adaptation cost: mean of KL(model) less KL(continual) over a visit, in bits, against the number of the visit. "
        "Rising: plasticity is lost."
    )
    axes = curves(drawn, "visit (number)", "bits per position", size=(520, 300))
    note = Words(f"Slope in bits per 100 visits: {'; '.join(slopes)}.", "small")
    picture = Picture(axes, "adaptation cost", _points(drawn, "visit"))
    return Section("Does adapting get harder?", [Words(words), picture, note], folded=True)


def condition(of: Told) -> Section | None:
    """The state of the network over time; None where it was not looked at."""
    tables = {
        label: found
        for label, group in of.groups.items()
        if (found := [t for cell in group if len(t := cell.condition.read())])
    }
    pictures = []
    for column, unit in CONDITION.items():
        drawn = {
            label: _over_steps(shared, column, of.looks[label])
            for label, found in tables.items()
            if (shared := [t for t in found if column in t.columns])
        }
        if drawn:
            axes = curves(drawn, "stream step", unit)
            pictures.append(Picture(axes, column, _points(drawn, "step"), column))
    if not pictures:
        return None
    words = (
        "Dormant units, rank of the features, drift of the features (1 − CKA) and distance of the weights, both from "
        "where deployment began."
    )
    return Section("The state of the network", [Words(words), Pictures(pictures)], folded=True)


def numbers(of: Told) -> Section | None:
    """Every number with its formula."""
    keys = list(dict.fromkeys(key for each in of.summaries.values() for s in each for key in s))
    lines = []
    for key in keys:
        found = [_numbers(each, key) for each in of.summaries.values()]
        if not any(found) or not any(entry.explains(key) for entry in GLOSSARY):
            continue
        entry = next(entry for entry in GLOSSARY if entry.explains(key))
        cells = [_number(values) for values in found]
        lines.append(([key, *cells, entry.unit, entry.formula, entry.source], False))
    titles = ["formula id", *of.summaries, "unit", "formula", "source"]
    table = Table(titles, lines, "every number", wordy=True)
    return Section("Every number, with its formula", [table], folded=True) if lines else None


def made(of: Told) -> Section:
    """How this was made."""
    yaml = Listing("experiment.yaml", (of.run.path / "experiment.yaml").read_text())
    environment = Listing("environment.json", json.dumps(of.run.environment, indent=2))
    return Section("How this was made", [Items(FORMULAS), yaml, environment], folded=True)


SECTIONS: tuple[Callable[[Told], Section | None], ...] = (
    verdict,
    skill,
    over_time,
    probes,
    costs,
    losses,
    trends,
    lambda of: four_demands(of.summaries),
    condition,
    numbers,
    made,
)
"""What a reader wants first, first; None: there is nothing to tell."""


def _bars(values: Mapping[str, Sequence[float]], looks: Mapping[str, Look]) -> Picture:
    pairs = [(title, i, v) for title, each in values.items() for i, v in enumerate(each)]
    data = pl.DataFrame(pairs, ["title", "nth", "skill"], orient="row")
    return Picture(bars(values, looks), "skill", data)


def _forgot(row: Row) -> str:
    """Beside its name: how much a strategy forgot."""
    shown = dict(COLUMNS)["forgetting"](row).replace("±", " ± ")
    return "" if shown == "-" else f": forgot {shown} bits"


def _heat(group: Sequence[Cell]) -> Heat | None:
    """Bits on every regime's probe over time, averaged over seeds; None: nothing was probed."""
    each = [probed(p) for cell in group if len(p := cell.probes.read())]
    if not each:
        return None
    shortest = min(len(one.at) for one in each)
    shared = [r for r in each[0].regimes.tolist() if all(r in one.regimes for one in each)]
    kept = [one.bits[:shortest, np.isin(one.regimes, shared)] for one in each]
    return Heat(each[0].at[:shortest], np.array(shared), np.mean(kept, axis=0))


def _over_steps(tables: Sequence[pl.DataFrame], column: str, look: Look) -> Curve:
    """A column of the condition table, averaged over seeds."""
    steps = np.unique(np.concatenate([t["step"].to_numpy() for t in tables]))
    each = np.full((len(tables), len(steps)), np.nan)
    for values, table in zip(each, tables, strict=True):
        values[np.searchsorted(steps, table["step"].to_numpy())] = table[column].to_numpy()
    return averaged(steps, [*each], look)


def _points(drawn: Mapping[str, Curve], along: str) -> pl.DataFrame:
    """One row per point of some curves."""
    rows = [
        (t, x, y) for t, c in drawn.items() for x, y in zip(c.x.tolist(), c.y.tolist(), strict=True)
    ]
    return pl.DataFrame(rows, ["title", along, "value"], orient="row")


def _slope(each: Sequence[Mapping[str, object]]) -> str:
    """The mean slope with its interval over seeds; of a single seed, the interval of its own line."""
    values = _numbers(each, "adaptation_trend/ols")
    if len(values) != 1:
        return spread(values, 4) if values else "-"
    (low,), (high,) = (_numbers(each, f"adaptation_trend/ols_{end}") for end in ("low", "high"))
    return f"{values[0]:+z.4f} [{low:+z.4f}, {high:+z.4f}]"


def _number(values: Sequence[float]) -> str:
    """A mean and its interval; a count that is the same under every seed is a whole number."""
    if not values:
        return "-"
    if len({*values}) == 1 and float(values[0]).is_integer():
        return f"{values[0]:,.0f}"
    return spread(values, 3)


def _numbers(each: Sequence[Mapping[str, object]], key: str) -> list[float]:
    """One number per seed; none where one of them is undefined, or a list."""
    values = [s.get(key) for s in each]
    found = [float(v) for v in values if isinstance(v, int | float)]
    return found if len(found) == len(values) else []
