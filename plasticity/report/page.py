"""Page: chapters of sections of blocks, as one self-contained HTML file, and what it shows as files for a paper.

A block says what there is to show; `templates/page.html` says how. Nothing of a page is fetched, and all text is
escaped by Jinja.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.axes import Axes

from plasticity.plots.style import DARK, LIGHT
from plasticity.plots.vector import inline, printed, standalone
from plasticity.report import tex
from plasticity.results.csv_text import frame_csv, rows_csv
from plasticity.results.sealed import write_whole


class Words(NamedTuple):
    """A paragraph."""

    kind = "words"
    text: str
    look: str = ""
    """small: a note below something; open: something is not finished."""


class Answer(NamedTuple):
    """What a reader wants first."""

    kind = "answer"
    answer: str
    because: str
    sure: bool


class NumberTable(NamedTuple):
    """A table; a line is its cells, and whether it is a baseline, which is greyed."""

    kind = "table"
    titles: Sequence[str]
    lines: Sequence[tuple[Sequence[str], bool]]
    name: str = "table"
    """Of the file that it is saved as."""
    data: pl.DataFrame | None = None
    """What is saved, where that is more than what is shown."""
    wordy: bool = False
    """Whether its cells are words, which begin at the left."""
    best: Collection[tuple[int, int]] = ()
    """(line, column) of what is surely better than all beside it."""

    @property
    def csv(self) -> str:
        """As it is saved."""
        if self.data is not None:
            return frame_csv(self.data)
        return rows_csv([self.titles, *(cells for cells, _ in self.lines)])


class Picture(NamedTuple):
    """A figure, and what it draws."""

    kind = "picture"
    axes: Axes
    name: str
    """Of the files that it and its data are saved as."""
    data: pl.DataFrame
    caption: str = ""

    @property
    def markup(self) -> Markup:
        """As an element of a page."""
        return Markup(inline(self.axes, self.name, self.data))


class Pictures(NamedTuple):
    """Small ones, side by side where there is room."""

    kind = "pictures"
    pictures: Sequence[Picture]


class Zoomable(NamedTuple):
    """A line plot that page.js draws; where no script runs, a picture."""

    kind = "zoomable"
    still: Picture
    plotted: Mapping[str, Any]
    """What page.js is told, as JSON."""


class Items(NamedTuple):
    """A list with bullets."""

    kind = "items"
    items_: Sequence[str]


class Paragraphs(NamedTuple):
    """Text for a paper."""

    kind = "paragraphs"
    texts: Sequence[str]
    name: str
    """Of the file that it is saved as."""


class Listing(NamedTuple):
    """Text as it stands in a file."""

    kind = "listing"
    title: str
    text: str


Block = Words | Answer | NumberTable | Picture | Pictures | Zoomable | Items | Paragraphs | Listing


class Section(NamedTuple):
    """Blocks under a heading."""

    title: str
    blocks: Sequence[Block]
    folded: bool = False
    """Whether it opens at a click."""


class Chapter(NamedTuple):
    """Sections of one subject: a run, say."""

    title: str
    sections: Sequence[Section]


class Page(NamedTuple):
    """One file."""

    title: str
    lead: str
    """The sentence below it."""
    chapters: Sequence[Chapter]

    def write(self, path: Path) -> Path:
        """Write it whole.

        Args:
            path: the file.
        """
        write_whole(path, self.html().encode())
        return path

    def html(self) -> str:
        """The text of the file."""
        return _environment().get_template("page.html").render(page=self)

    def export(self, folder: Path, column: float | None = None) -> list[Path]:
        """Write pictures as SVG, PDF and PNG, tables as LaTeX, their data as CSV, and paragraphs as LaTeX.

        Args:
            folder: where; made if need be.
            column: inches that a picture is given on the page.

        Returns:
            what was written.
        """
        done: dict[str, Path] = {}
        for name, ending, content in self._files(column):
            stem = re.sub(r"[^\w.-]+", "-", name).strip("-") or "unnamed"
            free = next(
                s for n in range(len(done) + 1) if (s := f"{stem}{-n or ''}{ending}") not in done
            )
            done[free] = folder / free
            write_whole(done[free], content)
        return list(done.values())

    def _files(self, column: float | None) -> Iterator[tuple[str, str, bytes]]:
        """(name, ending, content) of everything that can be saved."""
        sections = [section for chapter in self.chapters for section in chapter.sections]
        for block in (block for section in sections for block in section.blocks):
            if isinstance(block, NumberTable):
                yield block.name, ".csv", block.csv.encode()
                yield block.name, ".tex", tex.tabular(block).encode()
            if isinstance(block, Paragraphs):
                yield block.name, ".tex", tex.paragraphs(block.texts).encode()
            for picture in _pictures(block):
                axes, name, data, _ = picture
                yield name, ".svg", standalone(axes, name, data).encode()
                yield name, ".pdf", printed(axes, "pdf", column=column)
                yield name, ".png", printed(axes, "png", column=column)
                yield name, ".csv", frame_csv(data).encode()


def _pictures(block: Block) -> Sequence[Picture]:
    if isinstance(block, Pictures):
        return block.pictures
    if isinstance(block, Zoomable):
        return [block.still]
    return [block] if isinstance(block, Picture) else []


@cache
def _environment() -> Environment:
    """The templates, and what every page has in it."""
    found = Environment(
        loader=PackageLoader("plasticity.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    assets = files("plasticity.report") / "templates"
    names = {
        "uplot_css": "uPlot.min.css",
        "uplot_js": "uPlot.iife.min.js",
        "script": "page.js",
    }
    own = {key: Markup((assets / name).read_text(encoding="utf-8")) for key, name in names.items()}
    palettes = {key: _palette(value) for key, value in (("light", LIGHT), ("dark", DARK))}
    found.globals.update(own | palettes | {"palette": LIGHT})
    return found


def _palette(colours: Mapping[str, str]) -> str:
    """As CSS."""
    return "".join(f"--{name}: {value}; " for name, value in colours.items())
