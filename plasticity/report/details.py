"""Details: the folded sections of a report, for those who check; `DETAILS` is their order on the page."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from plasticity.metrics import adaptation
from plasticity.metrics.glossary import glossary
from plasticity.metrics.summary import spread
from plasticity.metrics.visits import visits
from plasticity.plots.lines import Curve, averaged, curves, points_frame, thinned
from plasticity.plots.style import Look
from plasticity.report.four_demands import four_demands
from plasticity.report.methods import methods
from plasticity.report.page import (
    Items,
    Listing,
    NumberTable,
    Paragraphs,
    Picture,
    Pictures,
    Section,
    Words,
)
from plasticity.report.sections import RunData
from plasticity.report.verdict import NOTE

ENOUGH = 10
"""Visits from which a trend is worth a picture."""
WINDOWS = 40
"""Points of a curve over visits, at most."""
CONDITION = {
    "dormant/tau0.025": ("Dormant units", "share of units"),
    "effective_rank/roy2007": ("Rank of the features", "directions"),
    "drift/cka2019": ("Drift of the features", "1 − CKA, from 0 to 1"),
    "weight/distance": ("Distance of the weights from the start", "L2 norm"),
}
"""Columns of the condition table that are drawn: title and unit; the table of all numbers has the others."""
LARGE = 1000
"""From here on a number is shown without decimals."""
COUNTS = ("steps", "visits")
"""Units of what is counted."""
FORMULAS = (
    "skill = (KL(amnesic) − KL(model)) / (KL(amnesic) − KL(continual)), KL(x) = KL(informed ‖ x); numerator and "
    "denominator are averaged before dividing; undefined where the ideals differ by under 0.01 bit (Murphy 1988).",
    "forgetting/chaudhry2018: mean over visits of bits on their regime's probe at the end, less the fewest it ever had "
    "after that visit (Chaudhry et al. 2018, with R = −bits).",
    "recovery/skill50: steps after a shift until the mean of KL(model) over 5 steps is half-way between the ideals'; "
    "a visit that never gets there counts its whole length.",
    NOTE,
)


def losses(of: RunData) -> Section | None:
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
    table = NumberTable(("", "not noticed", "not represented"), lines, "not noticed")
    return Section("Not noticed, or not represented?", [Words(words), table], folded=True)


def trends(of: RunData) -> Section | None:
    """Does it learn to learn, or wear out? What adapting costs, visit by visit; None for few visits."""
    drawn, slopes = dict[str, Curve](), list[str]()
    for label, each in of.summaries.items():
        tables = [table for table in of.steps[label].values() if len(table)]
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
    picture = Picture(axes, "adaptation cost", points_frame(drawn, "visit"))
    return Section("Does adapting get harder?", [Words(words), picture, note], folded=True)


def demands(of: RunData) -> Section | None:
    """The four demands; None where nothing is known."""
    return four_demands(of.summaries)


def condition(of: RunData) -> Section | None:
    """The state of the network over time; None where it was not looked at."""
    tables = {
        label: found
        for label, group in of.groups.items()
        if (found := [t for cell in group if len(t := cell.condition.read())])
    }
    pictures = []
    for column, (name, unit) in CONDITION.items():
        drawn = {
            label: _over_steps(shared, column, of.looks[label])
            for label, found in tables.items()
            if (shared := [t for t in found if column in t.columns])
        }
        if drawn:
            axes = curves(drawn, "stream step", unit)
            pictures.append(
                Picture(axes, column, points_frame(drawn, "step"), f"{name} ({column})")
            )
    if not pictures:
        return None
    words = (
        "Dormant units, rank of the features, drift of the features (1 − CKA) and distance of the weights, both from "
        "where deployment began."
    )
    return Section("The state of the network", [Words(words), Pictures(pictures)], folded=True)


def numbers(of: RunData) -> Section | None:
    """Every number with its formula."""
    keys = list(dict.fromkeys(key for each in of.summaries.values() for s in each for key in s))
    lines = []
    for key in keys:
        found = [_numbers(each, key) for each in of.summaries.values()]
        entry = next((entry for entry in glossary() if entry.explains(key)), None)
        if entry is None or not any(found):
            continue
        cells = [_number(values, entry.unit in COUNTS) for values in found]
        source = f" ({entry.source})" if entry.source else ""
        lines.append(([key, *cells, entry.unit, f"{entry.formula}{source}"], False))
    titles = ["formula id", *of.summaries, "unit", "formula and source"]
    table = NumberTable(titles, lines, "every number", wordy=True)
    return Section("Every number, with its formula", [table], folded=True) if lines else None


def paper(of: RunData) -> Section:
    """What a paper says of how this was done."""
    text = Paragraphs(methods(of), "methods")
    return Section("Methods, as a paper would have them", [text], folded=True)


def made(of: RunData) -> Section:
    """How this was made."""
    yaml = Listing("experiment.yaml", (of.run.path / "experiment.yaml").read_text(encoding="utf-8"))
    environment = Listing("environment.json", json.dumps(of.run.environment, indent=2))
    return Section("How this was made", [Items(FORMULAS), yaml, environment], folded=True)


DETAILS = (losses, trends, demands, condition, numbers, paper, made)


def _over_steps(tables: Sequence[pl.DataFrame], column: str, look: Look) -> Curve:
    """A column of the condition table, averaged over seeds."""
    steps = np.unique(np.concatenate([t["step"].to_numpy() for t in tables]))
    each = np.full((len(tables), len(steps)), np.nan)
    for values, table in zip(each, tables, strict=True):
        values[np.searchsorted(steps, table["step"].to_numpy())] = table[column].to_numpy()
    return thinned(averaged(steps, [*each], look))


def _slope(each: Sequence[Mapping[str, object]]) -> str:
    """The mean slope with its interval over seeds; of a single seed, the interval of its own line."""
    values = _numbers(each, "adaptation_trend/ols")
    if len(values) != 1:
        return spread(values, 4) if values else "-"
    (low,), (high,) = (_numbers(each, f"adaptation_trend/ols_{end}") for end in ("low", "high"))
    return f"{values[0]:+z.4f} [{low:+z.4f}, {high:+z.4f}]"


def _number(values: Sequence[float], count: bool) -> str:
    """A mean and its interval; a count that is the same under every seed is a whole number."""
    if not values:
        return "-"
    if count and len({*values}) == 1 and float(values[0]).is_integer():
        return f"{values[0]:,.0f}"
    large = max(map(abs, values)) >= LARGE
    return spread(values, 0 if large else 1 if count else 3)


def _numbers(each: Sequence[Mapping[str, object]], key: str) -> list[float]:
    """One number per seed; none where one of them is undefined, or a list."""
    values = [s.get(key) for s in each]
    found = [float(v) for v in values if isinstance(v, int | float)]
    return found if len(found) == len(values) else []
