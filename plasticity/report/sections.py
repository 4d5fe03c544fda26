"""Details: the folded sections of a report, from stored tables and the glossary, for those who check."""

import html
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from plasticity.metrics import adaptation
from plasticity.metrics.glossary import GLOSSARY
from plasticity.metrics.summary import spread
from plasticity.metrics.visits import visits
from plasticity.plots import pictures
from plasticity.report import page
from plasticity.results.store import Cell

ENOUGH = 10
"""Visits from which a trend is worth a picture."""
WINDOWS = 40
"""Points of a curve over visits, at most."""
COLUMNS = ["step", "regime", "shift", "kl/model", "kl/continual"]
"""Of the step table, what adaptation costs are made of."""
SHOWN = ("dormant/tau0.025", "effective_rank/roy2007", "drift/cka2019", "weight/distance")
"""Columns of the condition table that are drawn; the table of all numbers has the others."""

Groups = Mapping[str, Sequence[Cell]]
"""Label -> its cells, one per seed."""
Summaries = Mapping[str, Sequence[Mapping[str, object]]]
"""Label -> the numbers of its cells."""


def trends(groups: Groups, summaries: Summaries) -> str:
    """Does it learn to learn, or wear out? What adapting costs, over the number of the visit; "" for few visits."""
    series: dict[str, tuple[list[float], bool]] = {}
    slopes, places = list[str](), list[float]()
    for label, each in summaries.items():
        tables = [t for cell in groups[label] if len(t := cell.steps.read(COLUMNS))]
        costs = [adaptation.costs(table, visits(table)) for table in tables]
        shared = min((len(c) for c in costs), default=0)
        if shared < ENOUGH:
            continue
        mean = np.mean([c[:shared] for c in costs], axis=0)
        parts = np.array_split(np.arange(shared), min(shared, WINDOWS))
        series[label] = [float(mean[part].mean()) for part in parts], False
        places = [float(part.mean()) for part in parts]
        slopes.append(f"{html.escape(label)} {_slope(each)}")
    if not series:
        return ""
    drawn = pictures.lines(series, places, "visit", log=False, name="adaptation cost", keyed=True)
    return (
        "<p>Adaptation cost: mean of KL(model) less KL(continual) over a visit, in "
        "bits, against the number of the visit. Rising: plasticity is lost.</p>"
        f"<div style='max-width: 34rem'>{drawn}</div>"
        f"<p class=small>Slope in bits per 100 visits: {'; '.join(slopes)}.</p>"
    )


def losses(summaries: Summaries) -> str:
    """Not noticed, or not represented? "" where the schedule leaves nothing to notice."""
    lines = []
    for label, each in summaries.items():
        unnoticed, unsaid = (_numbers(each, k) for k in ("not_noticed", "not_represented"))
        if unnoticed and max(map(abs, unnoticed)) > 1e-12:
            lines.append(([label, spread(unnoticed, 3), spread(unsaid, 3)], False))
    if not lines:
        return ""
    return (
        "<p>KL(informed ‖ model) in two parts: what even an exact observer "
        "loses who knows every regime and must infer which is live, and the rest.</p>"
        + page.table(("", "not noticed", "not represented"), lines, "not noticed")
    )


def condition(groups: Groups) -> str:
    """The state of the network over time; "" where it was not looked at."""
    figures = []
    tables = {
        label: found
        for label, cells in groups.items()
        if (found := [t for c in cells if len(t := c.condition.read())])
    }
    for column in SHOWN:
        series, places = dict[str, tuple[list[float], bool]](), list[float]()
        for label, found in tables.items():
            shared = [t for t in found if column in t.columns]
            if not shared:
                continue
            both = pl.concat([t.select("step", column) for t in shared]).group_by("step")
            means = both.agg(pl.col(column).mean()).sort("step")
            series[label] = means[column].to_list(), False
            places = [float(step) for step in means["step"]]
        if series:
            drawn = pictures.lines(
                series, places, "step", log=False, name=column, keyed=True, up=""
            )
            figures.append(
                f"<figure><figcaption>{html.escape(column)}</figcaption>{drawn}</figure>"
            )
    if not figures:
        return ""
    return (
        "<p>Dormant units, rank of the features, drift of the features "
        "(1 − CKA) and distance of the weights, both from where deployment began.</p>"
        f"<div class=heats>{''.join(figures)}</div>"
    )


def numbers(summaries: Summaries) -> str:
    """Every number with its formula."""
    keys = list(dict.fromkeys(key for each in summaries.values() for s in each for key in s))
    lines = []
    for key in keys:
        found = [_numbers(each, key) for each in summaries.values()]
        if not any(found) or not any(entry.explains(key) for entry in GLOSSARY):
            continue
        entry = next(entry for entry in GLOSSARY if entry.explains(key))
        cells = [spread(values, 3) if values else "-" for values in found]
        lines.append(([key, *cells, entry.unit, entry.formula, entry.source], False))
    titles = ["formula id", *summaries, "unit", "formula", "source"]
    return page.table(titles, lines, "every number")


def _slope(each: Sequence[Mapping[str, object]]) -> str:
    """The mean slope with its interval over seeds; of a single seed, the interval of its own line."""
    values = _numbers(each, "adaptation_trend/ols")
    if len(values) != 1:
        return spread(values, 4) if values else "-"
    (low,), (high,) = (_numbers(each, f"adaptation_trend/ols_{end}") for end in ("low", "high"))
    return f"{values[0]:+.4f} [{low:+.4f}, {high:+.4f}]"


def _numbers(each: Sequence[Mapping[str, object]], key: str) -> list[float]:
    """One number per seed; none where one of them is undefined, or a list."""
    values = [s.get(key) for s in each]
    found = [float(v) for v in values if isinstance(v, int | float)]
    return found if len(found) == len(values) else []
