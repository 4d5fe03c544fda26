"""Comparison of strategies over several runs, paired by seed where both faced the same world."""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from rich.table import Table as RichTable

from plasticity.core.errors import did_you_mean
from plasticity.metrics.significance import spread
from plasticity.report.changes import changes, worlds
from plasticity.report.notes import notes
from plasticity.report.run_report import Row, RunNumbers, read, rows
from plasticity.report.verdict import (
    NOTE,
    Difference,
    Verdict,
    diverged_at,
    paired,
    shared,
    verdict,
)
from plasticity.results.store import Run

NUMBERS = {
    "skill": ("skill", 2),
    "gain": ("gain", 2),
    "KL return": ("kl_return", 2),
    "forgetting": ("forgetting/chaudhry2018", 2),
    "ms/step": ("cost/ms_per_step", 1),
}
"""Title of a number -> its formula id, and digits."""
SPARE = ("Δ gain", "pairs", "Δ forgetting", "Δ KL return", "Δ ms/step")
"""Titles that a narrow terminal does without, the first to go first."""
LONG = 12
"""Letters of a run's name, at most; those of longer names are numbered."""


class World(NamedTuple):
    """What a cell met. Two cells are paired only if this is the same for both."""

    stream: str
    """Its resolved recipe."""
    seed: int
    steps: int
    ideals: tuple[float | None, ...]
    """Bits of the amnesic and the continual observer: other batches, other bits, whatever the recipe says."""

    def met(self) -> str:
        """In words."""
        return f"{self.steps} steps, ideals at {' and '.join(map(str, self.ideals))} bits"


class StrategyResult(NamedTuple):
    """A strategy in one of the runs."""

    title: str
    label: str
    run: int
    row: Row
    worlds: tuple[World, ...]
    """Of its cells, as the numbers of the row."""

    def values(self, key: str) -> dict[World, float]:
        """World -> number, where it is defined; none where it diverged in one: the others say nothing of it."""
        return {} if self.diverged else self._values(key)

    @property
    def diverged(self) -> dict[World, int]:
        """World -> step from which its bits were no numbers."""
        return {world: int(step) for world, step in self._values("diverged/step").items()}

    def _values(self, key: str) -> dict[World, float]:
        found = zip(self.worlds, self.row.numbers.get(key, ()), strict=False)
        return {world: float(value) for world, value in found if value is not None}


class Comparison(NamedTuple):
    """Of several runs."""

    names: list[str]
    """What each run is called."""
    folders: list[str]
    """Where each lies."""
    contenders: list[StrategyResult]
    against: StrategyResult
    unpaired: list[str]
    """Why some are not paired, or not on every seed; a sentence each."""
    changes: list[tuple[str, list[str]]]
    """Key -> what it is in each run, where that is not the same."""
    verdict: Verdict
    notes: list[str]
    """What must be known before any verdict; of several runs each with its name."""

    def differences(self, key: str) -> dict[str, Difference | None]:
        """Title -> its number less that of the one it is held against, corrected for all pairs of strategies."""
        pairs = self._paired(key)
        return {c.title: pairs.get((c.title, self.against.title)) for c in self.contenders}

    def again(self) -> Iterator[tuple[str, Difference | None]]:
        """Every strategy of a later run, less the same strategy in the first run that has it; in skill."""
        first: dict[str, StrategyResult] = {}
        pairs = self._paired("skill")
        for c in self.contenders:
            before = first.setdefault(c.label, c)
            if before.run != c.run:
                yield f"{c.title} less {before.title}", pairs.get((c.title, before.title))

    def _paired(self, key: str) -> dict[tuple[str, str], Difference]:
        """Of every pair; skills are held against 0 beside it, as the verdict does."""
        return paired({c.title: c.values(key) for c in self.contenders}, bound=key == "skill")


def compared(runs: Sequence[Run], against: str | None = None) -> Comparison:
    """Every strategy of every run, held against one of them.

    Args:
        runs: finished or not; unfinished cells are paired with those of as many steps.
        against: label of the strategy that the others are held against, or its title where several runs have it;
            None: the one with the highest mean skill.

    Raises:
        ValueError: nothing is stored yet, or no strategy is called so; names the nearest.
    """
    runs = list({run.path.resolve(): run for run in runs}.values())
    names = _names(runs)
    stored = [read(run) for run in runs]
    contenders = [c for i, each in enumerate(stored) for c in _contenders(i, each)]
    if not contenders:
        raise ValueError(f"{', '.join(names)}: expected a run with steps, nothing is stored yet")
    labels = [c.label for c in contenders]
    contenders = [
        c._replace(title=f"{c.label} ({names[c.run]})") if labels.count(c.label) > 1 else c
        for c in contenders
    ]
    base = _chosen(contenders, against)
    alike = [c for c in contenders if _same_stream(c, base)]
    return Comparison(
        names,
        [run.path.as_posix() for run in runs],
        contenders,
        base,
        [*_unpaired(runs, names, contenders, base)],
        changes(runs),
        verdict({c.title: c.values("skill") for c in alike}, {c.title: c.diverged for c in alike}),
        [
            f"{name}: {note}"
            for name, each in zip(names, stored, strict=True)
            for note in notes(each)
        ],
    )


def cells(found: Comparison) -> list[list[str]]:
    """The lines of the table, best first: title, skill, and each difference with its interval."""
    told = [(found.differences(key), digits) for key, digits in NUMBERS.values()]
    lines = []
    for c in ranked(found.contenders):
        skills = [*c.values("skill").values()]
        each = [_signed(apart[c.title], digits) for apart, digits in told]
        apart = told[0][0][c.title]
        sure = "-" if apart is None else ("yes" if apart.sure else "no")
        last = [*each, sure, str(len(apart.values) if apart else 0)]
        level = diverged_at(c.diverged) if c.diverged else "-"
        line = [c.title, spread(skills, 2) if skills else level]
        lines.append([*line, *([""] * len(last) if c is found.against else last)])
    return lines


def titles(found: Comparison) -> list[str]:
    """Of the columns of `cells`."""
    return ["", "skill", *(f"Δ {title}" for title in NUMBERS), "surely differs", "pairs"]


def caption(found: Comparison) -> str:
    """What the columns say."""
    return f"Δ: less {found.against.title} under the same seed. Surely differs: in skill. {NOTE}"


def shown(found: Comparison) -> RichTable:
    """The table, for a terminal."""
    table = RichTable(caption=caption(found), box=None, header_style="bold", pad_edge=False)
    for i, name in enumerate(titles(found)):
        side = "right" if i else "left"
        table.add_column("\n".join(name.rsplit(" ", 1)), justify=side, no_wrap=not i)
    for line in cells(found):
        table.add_row(*line)
    return table


def ranked(contenders: Sequence[StrategyResult]) -> list[StrategyResult]:
    """By mean skill in the worlds that are shared, best first; then who shares none; last who diverged, or has none."""
    known = {c.title: found for c in contenders if (found := c.values("skill"))}
    order = [*shared(known)]

    def place(c: StrategyResult) -> tuple[int, float]:
        if c.title in order:
            return order.index(c.title), 0.0
        return len(order), -float(
            np.mean([*known[c.title].values()] if c.title in known else -np.inf)
        )

    return sorted(contenders, key=place)


def _contenders(index: int, of: RunNumbers) -> Iterator[StrategyResult]:
    stream = json.dumps(of.run.config.get("stream"), sort_keys=True)
    for row in rows(of):
        if row.strategy and row.seeds:
            steps, *ideals = (row.numbers[key] for key in ("steps", "kl/amnesic", "kl/continual"))
            met = [
                World(
                    stream,
                    seed,
                    int(n or 0),
                    tuple(None if b is None else round(b, 6) for b in bits),
                )
                for seed, n, *bits in zip(row.seeds, steps, *ideals, strict=True)
            ]
            yield StrategyResult(row.title, row.title, index, row, tuple(met))


def _chosen(contenders: Sequence[StrategyResult], against: str | None) -> StrategyResult:
    if against is None:
        return ranked(contenders)[0]
    for c in contenders:
        if against in (c.title, c.label):
            return c
    known = dict.fromkeys(name for c in contenders for name in (c.label, c.title))
    near = did_you_mean(against, known) or f" There are: {', '.join(known)}"
    raise ValueError(f"--against: no run has a strategy {against!r}.{near}")


def _signed(found: Difference | None, digits: int) -> str:
    """A difference with its sign and its interval."""
    if found is None:
        return "-"
    text = spread(found.values, digits)
    return text if text.startswith("-") else f"+{text}"


def _same_stream(one: StrategyResult, other: StrategyResult) -> bool:
    return {w.stream for w in one.worlds} == {w.stream for w in other.worlds}


def _unpaired(
    runs: Sequence[Run],
    names: Sequence[str],
    contenders: Sequence[StrategyResult],
    base: StrategyResult,
) -> Iterator[str]:
    """Why strategies of a run are not paired with the one they are held against, or not on every seed."""
    for run, name in zip(runs, names, strict=True):
        if apart := worlds(runs[base.run], run):
            keys = "; ".join(f"{key} is {here}, not {there}" for key, (there, here) in apart[:3])
            more = f"; and {len(apart) - 3} more" * (len(apart) > 3)
            yield f"{name}: not paired with {names[base.run]}, it is another world: {keys}{more}"
    told: dict[tuple[int, str], list[str]] = {}
    for c in contenders:
        for why in _lone(c, base):
            told.setdefault((c.run, why), []).append(c.title)
    for (i, why), who in told.items():
        every = len(who) == sum(c.run == i for c in contenders)
        yield f"{names[i] if every else ', '.join(who)}: {why}"


def _lone(c: StrategyResult, base: StrategyResult) -> Iterator[str]:
    """Why a strategy is not paired with another on some seed, in the same stream."""
    mine, theirs = ({w.seed: w for w in who.worlds} for who in (c, base))
    if not _same_stream(c, base):
        return
    if lone := sorted(mine.keys() ^ theirs.keys()):
        which = f"seed{'s' * (len(lone) > 1)} {', '.join(map(str, lone))}"
        yield f"{which} left out, {base.title} and it do not both have them"
    for seed in sorted(mine.keys() & theirs.keys()):
        if mine[seed] != theirs[seed]:
            yield (
                f"seed {seed} is not paired, other batches were met: {mine[seed].met()}; "
                f"{base.title}: {theirs[seed].met()}"
            )


def _names(runs: Sequence[Run]) -> list[str]:
    """Of their experiments, or of their folders, where that tells them apart and is short; else run 1, run 2."""
    for call in (lambda run: run.name, lambda run: run.path.name):
        names = [call(run) for run in runs]
        if len({*names}) == len(names) and max(map(len, names)) <= LONG:
            return names
    return [f"run {i + 1}" for i in range(len(runs))]
