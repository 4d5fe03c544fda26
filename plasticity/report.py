"""Report: the table and the page of one run or several, from what is stored and from nothing else."""

import html
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from plasticity import details, page, pictures
from plasticity.bracket import PREDICTORS
from plasticity.metrics.retention import UNDEFINED, probed, visits
from plasticity.metrics.summary import spread, summarise
from plasticity.store import Cell, Run, write_json

POINTS = 400
"""Windows of a curve, at most."""
BASELINES = PREDICTORS[1:]


class Row(NamedTuple):
    """One line of the table: a strategy, or an observer or baseline that faced the same batches."""

    title: str
    numbers: dict[str, list[float | None]]
    """Formula id -> one number per seed; None: undefined."""
    strategy: bool


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


def rows(run: Run) -> list[Row]:
    """The strategies in the order of the YAML, then the observers and baselines that faced the same batches."""
    found: list[Row] = []
    seen: list[dict[str, Any]] = []
    for label, cells in _by_label(run).items():
        summaries = [s for cell in cells if (s := _summary(cell))]
        numbers = {
            key: [s.get(key) for s in summaries] for key in {k for s in summaries for k in s}
        }
        for phase in ("kl_first_visit", "kl_return"):
            numbers[phase] = numbers.get(f"{phase}/model", [])
        found.append(Row(label, numbers, strategy=True))
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


def write(runs: Sequence[Run], path: Path) -> Path:
    """One self-contained page.

    Args:
        runs: finished or not.
        path: the file; written whole.
    """
    sections = [_section(i, run) for i, run in enumerate(runs)]
    names = " and ".join(dict.fromkeys(run.name for run in runs))
    return page.write(path, names, LEAD, sections, [_curves(run) for run in runs])


LEAD = (
    "What does each strategy carry over when the world comes back, and what does it forget? "
    "In bits from an exact Bayesian observer."
)


def _section(index: int, run: Run) -> str:
    """The HTML of a run."""
    cells = run.cells()
    heading = f"<h2>{html.escape(title(run))}</h2>"
    if not cells:
        return f"{heading}<p>No cell of {html.escape(str(run.path))} was begun.</p>"
    lines = rows(run)
    table = page.table(
        [name for name, _ in COLUMNS],
        [([show(row) for _, show in COLUMNS], not row.strategy) for row in lines],
    )
    skills = {
        r.title: [v for v in r.numbers.get("skill", ()) if v is not None]
        for r in lines
        if r.strategy
    }
    open_ = [c for c in cells if not c.done]
    notes = "".join(
        f"<p class=open>{html.escape(c.name)}: unfinished, {_steps(c)} steps so far</p>"
        for c in open_
    )
    groups = _by_label(run)
    heats = {label: heat for label, group in groups.items() if (heat := _heat(group))}
    summaries = {
        label: found
        for label, group in groups.items()
        if (found := [s for cell in group if (s := _summary(cell))])
    }
    environment = json.dumps(run.environment, indent=2)
    parts = [
        heading,
        notes,
        f"<h3>Skill</h3>{pictures.bars(skills)}",
        "<h3>Bits from the truth over time</h3>"
        "<p>KL(informed || ·) in bits per asked position, means over windows, and over seeds. Shades are regimes.</p>"
        f"<div class=plot id=plot{index}></div>",
        f"<h3>Numbers</h3>{table}<p class=small>{html.escape(CAPTION)} {_seeds(cells)}</p>",
        "<h3>What is still known: held-out probes of every regime</h3>"
        "<p>KL(informed || model) in bits, weights as they were at that step. Dark is forgotten.</p>",
        pictures.heats(heats),
        details.losses(summaries),
        details.trends(groups, summaries),
        details.condition(groups),
        details.numbers(summaries),
        f"<details><summary>How this was made</summary>{FORMULAS}<h4>experiment.yaml</h4>"
        f"<pre>{html.escape((run.path / 'experiment.yaml').read_text())}</pre>"
        f"<h4>environment.json</h4><pre>{html.escape(environment)}</pre></details>",
    ]
    return "".join(parts)


FORMULAS = """<ul>
<li>skill = (KL(amnesic) − KL(model)) / (KL(amnesic) − KL(continual)), KL(x) = KL(informed ‖ x); numerator and
denominator are averaged before dividing; undefined where the ideals differ by under 0.01 bit (Murphy 1988).</li>
<li>forgetting/chaudhry2018: mean over visits of bits on their regime's probe at the end, less the fewest it ever had
after that visit (Chaudhry et al. 2018, with R = −bits).</li>
<li>recovery/skill50: steps after a shift until the mean of KL(model) over 5 steps is half-way between the ideals';
a visit that never gets there counts its whole length.</li>
<li>± is the 95 % interval of the mean over seeds (Student's t).</li></ul>"""


def _curves(run: Run) -> dict[str, Any]:
    """Windowed means over time, over seeds: of every strategy and of the two ideals; and the spans of the regimes."""
    ideals = ("amnesic", "continual")
    columns = ["step", "regime", "shift", *(f"kl/{who}" for who in ("model", *ideals))]
    read = {
        label: [c.steps.read(columns) for c in cells] for label, cells in _by_label(run).items()
    }
    tables = {
        label: scored for label, each in read.items() if (scored := [t for t in each if len(t)])
    }
    if not tables:
        return {"series": []}
    longest = max(tables.values(), key=lambda group: len(group[0]))
    width = -(-(int(longest[0]["step"].to_numpy()[-1]) + 1) // POINTS)
    curves = [(label, group, "model") for label, group in tables.items()]
    curves += [(name, longest, name) for name in ideals]
    series = [
        {"name": name, "ideal": who in ideals, **_windows(group, who, width)}
        for name, group, who in curves
    ]
    spans = [
        {"from": v.start, "to": v.stop, "letter": pictures.letter(v.regime)}
        for v in visits(longest[0])
    ]
    return {"series": series, "spans": spans, "colours": pictures.COLOURS}


def _windows(tables: Sequence[pl.DataFrame], who: str, width: int) -> dict[str, list[float]]:
    """Mean of KL over windows of `width` steps and over seeds; x is the mean step of a window, y bits."""
    both = pl.concat([t.select("step", pl.col(f"kl/{who}").alias("kl")) for t in tables])
    window = (pl.col("step") // width).alias("window")
    means = both.group_by(window).agg(pl.col("kl").mean(), pl.col("step").mean()).sort("window")
    return {"x": means["step"].round(1).to_list(), "y": means["kl"].round(5).to_list()}


def _heat(cells: Sequence[Cell]) -> pictures.Heat | None:
    """Bits on every regime's probe over time, averaged over seeds."""
    probes = [p for cell in cells if len(p := cell.probes.read())]
    if not probes:
        return None
    found = [probed(p) for p in probes]
    shortest = min(len(each.at) for each in found)
    mean = np.mean([each.bits[:shortest] for each in found], axis=0)
    return pictures.Heat(found[0].at[:shortest], found[0].regimes, mean)


def _baseline(name: str, seen: Sequence[dict[str, Any]]) -> Row:
    numbers: dict[str, list[float | None]] = {
        phase: [s[f"{phase}/{name}"] for s in seen] for phase in ("kl_first_visit", "kl_return")
    }
    gaps = [s["kl/amnesic"] - s["kl/continual"] for s in seen]
    numbers["skill"] = [
        (s["kl/amnesic"] - s[f"kl/{name}"]) / gap if gap >= UNDEFINED else None
        for s, gap in zip(seen, gaps, strict=True)
    ]
    return Row(name, numbers, strategy=False)


def _summary(cell: Cell) -> dict[str, Any] | None:
    """The numbers of a cell; of an unfinished one, those so far."""
    return cell.summary if cell.done else _derived(cell)


def recompute(run: Run) -> None:
    """Derive the numbers of finished cells anew from their tables, by today's formulas; what a step cost stays."""
    for cell in run.cells():
        if cell.done and (numbers := _derived(cell)):
            cost = {k: v for k, v in cell.summary.items() if k.startswith("cost/")}
            write_json(cell.path / "summary.json", numbers | cost)


def _derived(cell: Cell) -> dict[str, Any] | None:
    steps, probes, condition = (t.read() for t in (cell.steps, cell.probes, cell.condition))
    return summarise(steps, probes, condition) if len(steps) and len(probes) else None


def _steps(cell: Cell) -> int:
    return len(cell.steps.read())


def _seeds(cells: Sequence[Cell]) -> str:
    n = len({cell.seed for cell in cells})
    return (
        "One seed: no interval."
        if n == 1
        else f"± is the 95 % interval of the mean over {n} seeds."
    )


def _by_label(run: Run) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in run.cells():
        found.setdefault(cell.label, []).append(cell)
    return found
