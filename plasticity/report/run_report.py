"""Numbers of a run as a table, from what is stored and from nothing else."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from plasticity.config.recipe import Recipe
from plasticity.core.predictors import PREDICTORS
from plasticity.metrics.summary import spread
from plasticity.metrics.visits import UNDEFINED
from plasticity.report.verdict import Verdict, diverged_at, leader, verdict
from plasticity.results.numbers import OwnSummary, derived, numbers, unmoved
from plasticity.results.store import Cell, Run

BASELINES = PREDICTORS[1:]
Summaries = Mapping[str, Sequence[Mapping[str, object]]]
"""Label -> the numbers of its cells, one per seed."""


class RunNumbers(NamedTuple):
    """A run and the numbers of its cells, derived once for all that is said of them."""

    run: Run
    groups: Mapping[str, Sequence[tuple[Cell, Mapping[str, Any] | None]]]
    """Label -> its cells, one per seed, in the order of the YAML, each with its numbers (None: no steps)."""

    @property
    def known(self) -> Iterator[tuple[Cell, Mapping[str, Any]]]:
        """Every cell that has numbers."""
        return ((c, s) for group in self.groups.values() for c, s in group if s)


def read(run: Run) -> RunNumbers:
    """The numbers of a run, finished or not."""
    groups = by_label(run)
    frozen = unmoved(cell for cells in groups.values() for cell in cells)
    found = {label: [(c, numbers(c, frozen)) for c in cells] for label, cells in groups.items()}
    return RunNumbers(run, found)


class Row(NamedTuple):
    """One line of the table: a strategy, or an observer or baseline that faced the same batches."""

    title: str
    numbers: dict[str, list[float | None]]
    """Formula id -> one number per seed; None: undefined."""
    strategy: bool
    seeds: tuple[int, ...] = ()
    """Whose numbers they are, in order."""

    def by_seed(self, key: str) -> dict[int, float]:
        """Seed -> number, where it is defined; none where it diverged under some seed: survivors say nothing of it."""
        return {} if self.diverged else self._by_seed(key)

    @property
    def diverged(self) -> dict[int, int]:
        """Seed -> step from which its bits were no numbers."""
        return {seed: int(step) for seed, step in self._by_seed("diverged/step").items()}

    def _by_seed(self, key: str) -> dict[int, float]:
        found = zip(self.seeds, self.numbers.get(key, ()), strict=False)
        return {seed: float(value) for seed, value in found if value is not None}


def _number(key: str, digits: int, ranged: bool = True) -> Callable[[Row], str]:
    """Mean over seeds, and its 95 % interval."""

    def show(row: Row) -> str:
        values = [v for v in row.numbers.get(key, ()) if v is not None]
        if not values or len(values) < len(row.numbers[key]):
            return "-"
        return spread(values, digits) if ranged else f"{np.mean(values):z,.{digits}f}"

    return show


def _skill(row: Row) -> str:
    return diverged_at(row.diverged) if row.diverged else _number("skill", 2)(row)


def _recovery(row: Row) -> str:
    text, never = _number("recovery/skill50", 0, False)(row), row.numbers.get("recovery/never", [])
    if text == "-":
        return text
    total = sum(n or 0 for n in never)
    return f"{text} ({total:.0f} never)" if total else text


class Column(NamedTuple):
    """Of the table."""

    title: str
    show: Callable[[Row], str]
    key: str = ""
    """Formula id whose best mean is marked, where it is surely the best."""
    larger: bool = False
    """Whether more of it is better."""


FORGETTING = Column("forgetting", _number("forgetting/chaudhry2018", 3), "forgetting/chaudhry2018")
COLUMNS = (
    Column("", lambda row: row.title),
    Column("skill", _skill, "skill", larger=True),
    Column("gain", _number("gain", 2), "gain", larger=True),
    Column("KL first visit", _number("kl_first_visit", 3), "kl_first_visit"),
    Column("KL return", _number("kl_return", 3), "kl_return"),
    FORGETTING,
    Column("recovery", _recovery),
    Column("ms/step", _number("cost/ms_per_step", 1, False)),
    Column("forward", _number("cost/forward", 1, False)),
    Column("backward", _number("cost/backward", 1, False)),
    Column("trained", _number("cost/trainable", 0, False)),
)
"""In order."""
CAPTION = (
    "skill: 0 is the best any frozen model can do, 1 the ideal continual learner. gain: the same, but 0 is this "
    "network, never updated (- where Frozen did not run beside it). "
    "KL from the informed observer, forgetting: bits per position. KL over the first 10 steps of a visit. "
    "recovery: steps until half of the gap is closed (never: visits that end before). forward, backward: passes "
    "through networks for each that one prediction takes."
)


def rows(of: RunNumbers) -> list[Row]:
    """The strategies in the order of the YAML, then the observers and baselines that faced the same batches."""
    found: list[Row] = []
    seen: list[Mapping[str, Any]] = []
    for label, group in of.groups.items():
        each = [(cell.seed, s) for cell, s in group if s]
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


def best(found: Sequence[Row]) -> set[tuple[int, int]]:
    """(row, column) of what is surely better than the same number of every other strategy of the table.

    Args:
        found: all rows.
    """
    marked = set[tuple[int, int]]()
    rows = {row.title: i for i, row in enumerate(found) if row.strategy}
    for j, column in enumerate(COLUMNS):
        sign = 1 if column.larger else -1
        values = {
            title: {seed: sign * value for seed, value in found[i].by_seed(column.key).items()}
            for title, i in rows.items()
        }
        if column is FORGETTING:  # who never moves forgets nothing, and is no better for it
            values = {title: of for title, of in values.items() if any(of.values())}
        if ahead := leader(values, bound=column.key == "skill"):
            marked.add((rows[ahead], j))
    return marked


def title(run: Run) -> str:
    """How many seeds, and how good the pretrained network was."""
    cells = run.cells()
    seeds = len({cell.seed for cell in cells})
    gaps = [g for cell in cells if (g := cell.meta.get("pretrained_gap")) is not None]
    pretrained = f"; pretrained to {np.mean(gaps):.3f} bits of the amnesic observer" if gaps else ""
    return f"{run.name}: {seeds} seed{'s' * (seeds != 1)}{pretrained}"


def answer(of: RunNumbers) -> Verdict:
    """Which strategy, and how sure."""
    found = [row for row in rows(of) if row.strategy]
    skills = {row.title: row.by_seed("skill") for row in found}
    return verdict(skills, {row.title: row.diverged for row in found})


def recompute(run: Run, world: Recipe[OwnSummary]) -> None:
    """Derive the numbers of finished cells anew from their tables, by today's formulas; what a step cost stays.

    Args:
        run: whose cells.
        world: the stream that they went through.
    """
    for cell in run.cells():
        if cell.done and (found := derived(cell, world.build(seed=cell.seed))):
            cost = {k: v for k, v in cell.summary.items() if k.startswith("cost/")}
            cell.end(found | cost)


def by_label(run: Run) -> dict[str, list[Cell]]:
    """The cells of every strategy, one per seed."""
    found: dict[str, list[Cell]] = {}
    for cell in run.cells():
        found.setdefault(cell.label, []).append(cell)
    return found


def _baseline(name: str, seen: Sequence[Mapping[str, Any]]) -> Row:
    told: dict[str, list[float | None]] = {
        phase: [s.get(f"{phase}/{name}") for s in seen] for phase in ("kl_first_visit", "kl_return")
    }
    told["skill"] = [_standing(s, name) for s in seen]
    return Row(name, told, strategy=False)


def _standing(numbers: Mapping[str, Any], name: str) -> float | None:
    """Skill of an observer or baseline; None: undefined, or some bits are infinite (probability 0) or not known."""
    own, amnesic, continual = (numbers.get(f"kl/{who}") for who in (name, "amnesic", "continual"))
    if own is None or amnesic is None or continual is None or amnesic - continual < UNDEFINED:
        return None
    return (amnesic - own) / (amnesic - continual)
