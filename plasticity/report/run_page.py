"""The page of one run or several: what each strategy carried over, and what it forgot."""

from collections.abc import Sequence
from pathlib import Path

from plasticity.plots.style import looks
from plasticity.report.details import DETAILS
from plasticity.report.page import Chapter, Page, Section, Words
from plasticity.report.run_report import RunNumbers, title
from plasticity.report.sections import SECTIONS, gather

LEAD = (
    "What does each strategy carry over when the world comes back, and what does it forget? "
    "In bits from an exact Bayesian observer."
)


def page(runs: Sequence[RunNumbers]) -> Page:
    """A chapter per run; a strategy has one colour in all of them.

    Args:
        runs: finished or not.
    """
    drawn = looks(label for each in runs for label in each.groups)
    chapters = []
    for each in runs:
        sections = [Section("", [Words(f"No cell of {each.run.path} was begun.")])]
        if each.groups:
            of = gather(each, drawn)
            sections = [found for section in (*SECTIONS, *DETAILS) if (found := section(of))]
        chapters.append(Chapter(title(each.run), sections))
    return Page(" and ".join(dict.fromkeys(each.run.name for each in runs)), LEAD, chapters)


def write(runs: Sequence[RunNumbers], path: Path) -> Path:
    """The page, written whole.

    Args:
        runs: finished or not.
        path: the file.
    """
    return page(runs).write(path)
