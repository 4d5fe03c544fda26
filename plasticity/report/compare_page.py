"""The page of a comparison: which strategy, by how much, and what differs between the runs."""

import html
from pathlib import Path

from plasticity.plots import pictures
from plasticity.report import page
from plasticity.report.comparison import Comparison, caption, cells, ranked, titles
from plasticity.report.run_report import answered
from plasticity.report.verdict import Difference

LEAD = "Strategies of several runs, each difference paired by seed and only within the same world."


def write(found: Comparison, path: Path) -> Path:
    """One self-contained page.

    Args:
        found: the comparison.
        path: the file; written whole.
    """
    order, labels = ranked(found.contenders), [*dict.fromkeys(c.label for c in found.contenders)]
    colours = {c.title: labels.index(c.label) for c in order}
    against = found.against.title
    apart = {title: d.values if d else [] for title, d in found.differences("skill").items()}
    notes = "".join(f"<p class=open>{html.escape(line)}</p>" for line in found.unpaired)
    lines = [(line, False) for line in cells(found)]
    where = "; ".join(map(": ".join, zip(found.names, found.folders, strict=True)))
    parts = [
        f"<p class=small>{html.escape(where)}</p>",
        answered(found.verdict),
        notes,
        "<h3>Skill</h3>",
        pictures.bars({c.title: [*c.values("skill").values()] for c in order}, colours=colours),
        f"<h3>Skill less that of {html.escape(against)}, paired by seed</h3>",
        pictures.bars(
            {c.title: apart[c.title] for c in order},
            name="difference in skill",
            marks={0.0: f"as good as {against}"},
            missing="not paired",
            colours=colours,
        ),
        "<h3>Differences</h3>",
        page.table(titles(found), lines, "differences"),
        f"<p class=small>{html.escape(caption(found))} KL return, forgetting: bits per position, fewer are better.</p>",
        _again(found),
        "<h3>What differs between the runs</h3>",
        _changes(found),
    ]
    title = f"Compared: {', '.join(found.names)}"
    return page.write(path, title, LEAD, ["".join(parts)])


def _again(found: Comparison) -> str:
    """The same strategy in a later run; "" where no two runs share one."""
    told = [([title, *_apart(d)], False) for title, d in found.again()]
    if not told:
        return ""
    return "<h3>The same strategy, run by run</h3>" + page.table(
        ["", "Δ skill", "surely differs", "pairs"], told, "run by run"
    )


def _apart(found: Difference | None) -> tuple[str, str, str]:
    """A difference, whether it is sure, and of how many pairs."""
    if found is None:
        return "not paired", "-", "0"
    return found.shown(), "yes" if found.sure else "no", str(len(found.values))


def _changes(found: Comparison) -> str:
    if not found.changes:
        return "<p>Nothing: the same YAML, the same strategies, the same code.</p>"
    lines = [([key, *values], False) for key, values in found.changes]
    return page.table(["", *found.names], lines, "what differs")
