"""The page of a comparison: which strategy, by how much, and what differs between the runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from plasticity.plots.skill_bars import SKILL, bars
from plasticity.plots.style import HATCHES, Look, looks
from plasticity.report.comparison import Comparison, caption, cells, ranked, titles
from plasticity.report.page import Answer, Chapter, NumberTable, Page, Picture, Section, Words
from plasticity.report.verdict import Difference, leader

LEAD = "Strategies of several runs, each difference paired by seed and only within the same world."


def page(found: Comparison) -> Page:
    """One chapter.

    Args:
        found: the comparison.
    """
    sections = [
        _verdict(found),
        _skill(found),
        _apart(found),
        _differences(found),
        _again(found),
        _changes(found),
    ]
    chapter = Chapter("", [section for section in sections if section])
    return Page(f"Compared: {', '.join(found.names)}", LEAD, [chapter])


def write(found: Comparison, path: Path) -> Path:
    """The page, written whole.

    Args:
        found: the comparison.
        path: the file.
    """
    return page(found).write(path)


def _verdict(found: Comparison) -> Section:
    where = "; ".join(map(": ".join, zip(found.names, found.folders, strict=True)))
    notes = [Words(line, "open") for line in found.unpaired]
    before = [Words(line, "open") for line in found.notes]
    return Section("", [Words(where, "small"), *before, Answer(*found.verdict), *notes])


def _skill(found: Comparison) -> Section:
    values = {c.title: [*c.values("skill").values()] for c in ranked(found.contenders)}
    note = Words(
        "Dots are seeds. An arrow: it lies beyond the scale, at the number that is written there.",
        "small",
    )
    several = len({c.run for c in found.contenders}) > 1
    hatched = "A colour is a strategy; where several runs have it, the pattern is the run."
    blocks = [_bars(found, values, "skill"), *([Words(hatched, "small")] if several else []), note]
    return Section("Skill", blocks)


def _apart(found: Comparison) -> Section | None:
    """Differences from the strategy that the others are held against; None where it is alone."""
    against, apart = found.against.title, found.differences("skill")
    others = [c.title for c in ranked(found.contenders) if c is not found.against]
    if not others:
        return None
    values = {title: d.values if (d := apart[title]) else [] for title in others}
    picture = _bars(
        found, values, "difference in skill", {0.0: f"as good as {against}"}, "not paired"
    )
    return Section(f"Skill less that of {against}, paired by seed", [picture])


def _bars(
    found: Comparison,
    values: Mapping[str, Sequence[float]],
    name: str,
    marks: Mapping[float, str] = SKILL,
    missing: str = "undefined",
) -> Picture:
    along = f"{name} (share of the gap between the two ideals)"
    axes = bars(values, _looks(found), marks, along, missing=missing)
    rows = [(title, i, v) for title, each in values.items() for i, v in enumerate(each)]
    return Picture(axes, name, pl.DataFrame(rows, ["title", "nth", name], orient="row"))


def _looks(found: Comparison) -> dict[str, Look]:
    """Title -> its look: the colour that its label has on every page, and the pattern of its run."""
    drawn = looks(c.label for c in found.contenders)
    labels = [c.label for c in found.contenders]
    return {
        c.title: drawn[c.label]._replace(
            hatch=HATCHES[c.run % len(HATCHES)] if labels.count(c.label) > 1 else ""
        )
        for c in found.contenders
    }


def _differences(found: Comparison) -> Section:
    lines = [(line, False) for line in cells(found)]
    words = f"{caption(found)} KL return, forgetting: bits per position, fewer are better."
    order = [c.title for c in ranked(found.contenders)]
    ahead = leader({c.title: c.values("skill") for c in found.contenders}, bound=True)
    best = {(order.index(ahead), 1)} if ahead else set()
    table = NumberTable(titles(found), lines, "differences", best=best)
    return Section("Differences", [table, Words(words, "small")])


def _again(found: Comparison) -> Section | None:
    """The same strategy in a later run; None where no two runs share one."""
    lines = [([title, *_told(d)], False) for title, d in found.again()]
    if not lines:
        return None
    table = NumberTable(["", "Δ skill", "surely differs", "pairs"], lines, "run by run")
    return Section("The same strategy, run by run", [table])


def _told(found: Difference | None) -> tuple[str, str, str]:
    """A difference, whether it is sure, and of how many pairs."""
    if found is None:
        return "not paired", "-", "0"
    return found.shown(), "yes" if found.sure else "no", str(len(found.values))


def _changes(found: Comparison) -> Section:
    title = "What differs between the runs"
    if not found.changes:
        return Section(
            title, [Words("Nothing: the same YAML, the same strategies, the same code.")]
        )
    lines = [([key, *values], False) for key, values in found.changes]
    return Section(title, [NumberTable(["", *found.names], lines, "what differs", wordy=True)])
