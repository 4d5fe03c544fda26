"""Report: the table and the page of one run or several, from what is stored and from nothing else."""

import html
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from plasticity.config.recipe import Recipe
from plasticity.core.predictors import PREDICTORS
from plasticity.metrics.summary import spread
from plasticity.metrics.visits import UNDEFINED, probed
from plasticity.plots import over_time, pictures
from plasticity.plots.heat_maps import Heat, heats
from plasticity.report import page, sections
from plasticity.report.four_demands import ladder
from plasticity.report.verdict import NOTE, Verdict, verdict
from plasticity.results.load import OwnSummary, derived, numbers
from plasticity.results.store import Cell, Run, write_json

BASELINES = PREDICTORS[1:]


class Row(NamedTuple):
    """One line of the table: a strategy, or an observer or baseline that faced the same batches."""

    title: str
    numbers: dict[str, list[float | None]]
    """Formula id -> one number per seed; None: undefined."""
    strategy: bool
    seeds: tuple[int, ...] = ()
    """Whose numbers they are, in order."""

    def by_seed(self, key: str) -> dict[int, float]:
        """Seed -> number, where it is defined."""
        found = zip(self.seeds, self.numbers.get(key, ()), strict=False)
        return {seed: value for seed, value in found if value is not None}


def _number(key: str, digits: int, ranged: bool = True) -> Callable[[Row], str]:
    """Mean over seeds, and its 95 % interval."""

    def show(row: Row) -> str:
        values = [v for v in row.numbers.get(key, ()) if v is not None]
        if not values or len(values) < len(row.numbers[key]):
            return "-"
        return spread(values, digits) if ranged else f"{np.mean(values):,.{digits}f}"

    return show


def _recovery(row: Row) -> str:
    text, never = _number("recovery/skill50", 0, False)(row), row.numbers.get("recovery/never", [])
    total = sum(n or 0 for n in never)
    return f"{text} ({total:.0f} never)" if total else text


COLUMNS: list[tuple[str, Callable[[Row], str]]] = [
    ("", lambda row: row.title),
    ("skill", _number("skill", 2)),
    ("KL first visit", _number("kl_first_visit", 3)),
    ("KL return", _number("kl_return", 3)),
    ("forgetting", _number("forgetting/chaudhry2018", 3)),
    ("recovery", _recovery),
    ("ms/step", _number("cost/ms_per_step", 1, False)),
    ("trained", _number("cost/trainable", 0, False)),
]
"""Title of a column, and what it shows of a row."""
CAPTION = (
    "skill: 0 is the best any frozen model can do, 1 the ideal continual learner. "
    "KL from the informed observer, forgetting: bits per position. KL over the first 10 steps of a visit. "
    "recovery: steps until half of the gap is closed."
)
LEAD = (
    "What does each strategy carry over when the world comes back, and what does it forget? "
    "In bits from an exact Bayesian observer."
)


def rows(run: Run) -> list[Row]:
    """The strategies in the order of the YAML, then the observers and baselines that faced the same batches."""
    found: list[Row] = []
    seen: list[dict[str, Any]] = []
    for label, cells in by_label(run).items():
        each = [(cell.seed, s) for cell in cells if (s := numbers(cell))]
        summaries = [s for _, s in each]
        told = {key: [s.get(key) for s in summaries] for key in {k for s in summaries for k in s}}
        for phase in ("kl_first_visit", "kl_return"):
            told[phase] = told.get(f"{phase}/model", [])
        found.append(Row(label, told, strategy=True, seeds=tuple(seed for seed, _ in each)))
        seen = seen or summaries
    if seen:
        found += [
            _baseline(name, seen) for name in BASELINES if seen[0].get(f"kl/{name}") is not None
        ]
    return found


def title(run: Run) -> str:
    """How many seeds, and how good the pretrained network was."""
    cells = run.cells()
    seeds = len({cell.seed for cell in cells})
    gaps = [g for cell in cells if (g := cell.meta["pretrained_gap"]) is not None]
    pretrained = f"; pretrained to {np.mean(gaps):.3f} bits of the amnesic observer" if gaps else ""
    return f"{run.name}: {seeds} seed{'s' * (seeds != 1)}{pretrained}"


def answer(run: Run) -> Verdict:
    """Which strategy, and how sure."""
    return verdict({row.title: row.by_seed("skill") for row in rows(run) if row.strategy})


def write(runs: Sequence[Run], path: Path) -> Path:
    """One self-contained page.

    Args:
        runs: finished or not.
        path: the file; written whole.
    """
    series = [over_time.series(by_label(run)) for run in runs]
    sections = [
        _section(i, run, drawn) for i, (run, drawn) in enumerate(zip(runs, series, strict=True))
    ]
    names = " and ".join(dict.fromkeys(run.name for run in runs))
    return page.write(path, names, LEAD, sections, [over_time.plotted(drawn) for drawn in series])


def recompute(run: Run, world: Recipe[OwnSummary]) -> None:
    """Derive the numbers of finished cells anew from their tables, by today's formulas; what a step cost stays.

    Args:
        run: whose cells.
        world: the stream that they walked through.
    """
    for cell in run.cells():
        if cell.done and (found := derived(cell, world.build(seed=cell.seed))):
            cost = {k: v for k, v in cell.summary.items() if k.startswith("cost/")}
            write_json(cell.path / "summary.json", found | cost)


def by_label(run: Run) -> dict[str, list[Cell]]:
    """The cells of every strategy, one per seed."""
    found: dict[str, list[Cell]] = {}
    for cell in run.cells():
        found.setdefault(cell.label, []).append(cell)
    return found


def answered(found: Verdict) -> str:
    """A verdict as HTML."""
    look = "answer" if found.sure else "answer unsure"
    return (
        f"<div class='{look}' role=note>Which strategy?<strong>{html.escape(found.answer)}.</strong>"
        f"{html.escape(found.because)}</div>"
    )


def _section(index: int, run: Run, drawn: over_time.Series) -> str:
    """The HTML of a run: what a reader wants first, first."""
    cells = run.cells()
    heading = f"<h2>{html.escape(title(run))}</h2>"
    if not cells:
        return f"{heading}<p>No cell of {html.escape(str(run.path))} was begun.</p>"
    lines, groups = rows(run), by_label(run)
    strategies = [row for row in lines if row.strategy]
    summaries = {
        label: found
        for label, group in groups.items()
        if (found := [s for cell in group if (s := numbers(cell))])
    }
    parts = [
        heading,
        answered(answer(run)),
        _unfinished(cells),
        "<h3>Skill</h3>",
        pictures.bars({row.title: [*row.by_seed("skill").values()] for row in strategies}),
        f"<p class=small>{_seeds(cells)}</p>",
        "<h3>Bits from the truth over time</h3>"
        "<p>KL(informed || ·) in bits per asked position, means over windows, and over seeds. The informed observer is "
        "the floor, at 0. Shades are regimes.</p>"
        f"<div class=plot id=plot{index} role=img aria-label='bits from the truth over time'></div>",
        over_time.still(drawn),
        "<h3>What was forgotten: held-out probes of every regime</h3>"
        "<p>KL(informed || model) in bits, weights as they were at that step. Dark is not known, or forgotten.</p>",
        heats(_heats(groups), {row.title: _forgot(row) for row in strategies}),
        "<h3>What it cost, and where the bits went</h3>",
        _table(lines),
        f"<p class=small>{html.escape(CAPTION)} trained: parameters.</p>",
        page.folded("Not noticed, or not represented?", sections.losses(summaries)),
        page.folded("Does adapting get harder?", sections.trends(groups, summaries)),
        page.folded("The ladder of plasticity: four demands", ladder(summaries)),
        page.folded("The state of the network", sections.condition(groups)),
        page.folded("Every number, with its formula", sections.numbers(summaries)),
        page.folded("How this was made", _made(run)),
    ]
    return "".join(parts)


def _table(lines: Sequence[Row]) -> str:
    """The table; as CSV, every number of every seed."""
    shown = [([show(row) for _, show in COLUMNS], not row.strategy) for row in lines]
    each = [
        {"title": row.title, "seed": seed, **{key: v[i] for key, v in sorted(row.numbers.items())}}
        for row in lines
        if row.strategy
        for i, seed in enumerate(row.seeds)
    ]
    data = pl.DataFrame(each, infer_schema_length=None) if each else None
    return page.table([name for name, _ in COLUMNS], shown, "numbers", data)


def _unfinished(cells: Sequence[Cell]) -> str:
    return "".join(
        f"<p class=open>{html.escape(c.name)}: unfinished, {len(c.steps.read(['step']))} steps so far</p>"
        for c in cells
        if not c.done
    )


def _forgot(row: Row) -> str:
    """Over its heat map: how much a strategy forgot."""
    shown = _number("forgetting/chaudhry2018", 2)(row)
    return row.title if shown == "-" else f"{row.title}: forgot {shown} bits"


def _heats(groups: Mapping[str, Sequence[Cell]]) -> dict[str, Heat]:
    """Bits on every regime's probe over time, averaged over seeds."""
    found = {}
    for label, cells in groups.items():
        each = [probed(p) for cell in cells if len(p := cell.probes.read())]
        if each:
            shortest = min(len(one.at) for one in each)
            shared = [r for r in each[0].regimes if all(r in one.regimes for one in each)]
            kept = [one.bits[:shortest, np.isin(one.regimes, shared)] for one in each]
            found[label] = Heat(each[0].at[:shortest], np.array(shared), np.mean(kept, axis=0))
    return found


def _made(run: Run) -> str:
    environment = json.dumps(run.environment, indent=2)
    return (
        f"{FORMULAS}<h4>experiment.yaml</h4>"
        f"<pre>{html.escape((run.path / 'experiment.yaml').read_text())}</pre>"
        f"<h4>environment.json</h4><pre>{html.escape(environment)}</pre>"
    )


FORMULAS = f"""<ul>
<li>skill = (KL(amnesic) − KL(model)) / (KL(amnesic) − KL(continual)), KL(x) = KL(informed ‖ x); numerator and
denominator are averaged before dividing; undefined where the ideals differ by under 0.01 bit (Murphy 1988).</li>
<li>forgetting/chaudhry2018: mean over visits of bits on their regime's probe at the end, less the fewest it ever had
after that visit (Chaudhry et al. 2018, with R = −bits).</li>
<li>recovery/skill50: steps after a shift until the mean of KL(model) over 5 steps is half-way between the ideals';
a visit that never gets there counts its whole length.</li>
<li>{NOTE}</li></ul>"""


def _baseline(name: str, seen: Sequence[dict[str, Any]]) -> Row:
    told: dict[str, list[float | None]] = {
        phase: [s[f"{phase}/{name}"] for s in seen] for phase in ("kl_first_visit", "kl_return")
    }
    gaps = [s["kl/amnesic"] - s["kl/continual"] for s in seen]
    told["skill"] = [
        (s["kl/amnesic"] - s[f"kl/{name}"]) / gap if gap >= UNDEFINED else None
        for s, gap in zip(seen, gaps, strict=True)
    ]
    return Row(name, told, strategy=False)


def _seeds(cells: Sequence[Cell]) -> str:
    n = len({cell.seed for cell in cells})
    return (
        "One seed: no interval."
        if n == 1
        else f"Dots are seeds; ± is the 95 % interval of the mean over {n} seeds (Student's t)."
    )
