"""Files of a picture: SVG, PDF and PNG, the same bytes whenever it is drawn.

In an SVG text is text, there are words for those who cannot see it, and its data.
"""

import html
import io
import re
from collections.abc import Mapping
from typing import Literal

import polars as pl
from matplotlib.axes import Axes

from plasticity.core.names import printable
from plasticity.plots.style import LIGHT, RC, figure_of, style
from plasticity.results.csv_text import frame_csv

SMALLEST = 8.0
"""Points of text in a column of a paper."""
SIGNED = {"Date": None, "Creator": None, "Format": None, "Type": None}
"""What matplotlib would write of itself and of the hour."""
FONT = re.compile(r"font-family: 'DejaVu Sans', sans-serif")
ID = re.compile(r' id="([^"]*)"')
REFERENCE = re.compile(r'(?:href="#|url\(#)([^")]*)')
COLOUR = re.compile("|".join(map(re.escape, LIGHT.values())))
VARIABLE = {value: f"var(--{name})" for name, value in LIGHT.items()}
GLOBAL = re.compile(r"\s*<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
"""A rule of matplotlib's for all that is drawn; in a page it would hold for the page. Its stylesheet has the same."""
JOINS = "<style>*{stroke-linejoin: round; stroke-linecap: butt}</style>"


def standalone(ax: Axes, name: str = "picture", data: pl.DataFrame | None = None) -> str:
    """The whole figure of some axes as an SVG file, light on white.

    Args:
        ax: any of the figure's; its label (`Axes.set_label`) says what there is to see.
        name: title of the file.
        data: what it draws; kept in it as CSV.
    """
    attributes, inside = _parts(ax, name)
    return f"<svg{_written(attributes)}>{_said(name, data)}{JOINS}{inside}\n"


def printed(
    ax: Axes, ending: Literal["pdf", "png"], dpi: int = 200, column: float | None = None
) -> bytes:
    """The whole figure of some axes as a file for a paper: PDF with TrueType fonts, or PNG.

    Args:
        ax: any of the figure's.
        ending: which.
        dpi: pixels an inch, of a PNG.
        column: inches that it is given on the page; what is too wide is drawn narrower, so that its text, once it is
            scaled to the column, is of SMALLEST points.
    """
    sink, figure = io.BytesIO(), figure_of(ax)
    unsigned = {"CreationDate": None} if ending == "pdf" else {"Software": None}
    width, height = figure.get_size_inches()
    narrow = (column or width) * RC["font.size"] / SMALLEST
    with style():
        figure.set_size_inches(min(width, narrow), height)
        figure.savefig(sink, format=ending, dpi=dpi, metadata=unsigned)
        figure.set_size_inches(width, height)
    return sink.getvalue()


def inline(ax: Axes, name: str, data: pl.DataFrame | None = None) -> str:
    """The same as an element of a page, whose colours are those of the page: var(--ink) and so on, as in `LIGHT`."""
    attributes, inside = _parts(ax, name)
    size = {key: attributes.pop(key) for key in ("width", "height")}
    pixels = float(size["width"].removesuffix("pt"))
    readable = f"min-width: {0.72 * pixels:.0f}px; max-width: {1.45 * pixels:.0f}px"
    attributes |= {"class": "picture", "style": readable, "data-name": name}
    inside = COLOUR.sub(lambda colour: VARIABLE[colour[0]], inside)
    return f"<svg{_written(attributes)}>{_said(name, data)}{inside}"


def _parts(ax: Axes, name: str) -> tuple[dict[str, str], str]:
    """Attributes of the root, and everything in it; ids are those of references alone, and this picture's own."""
    sink = io.StringIO()
    with style():
        figure_of(ax).savefig(sink, format="svg", metadata=SIGNED)
    text = GLOBAL.sub("", sink.getvalue(), count=1)
    head = re.search(r"<svg([^>]*)>", text)
    assert head, "matplotlib wrote no svg"
    inside = FONT.sub("font-family: system-ui, sans-serif", text[head.end() :].strip())
    inside, used = inside.replace("\n", " "), {*REFERENCE.findall(inside)}
    own = re.sub(r"\W+", "-", name)
    inside = ID.sub(lambda i: f' id="{own}-{i[1]}"' if i[1] in used else "", inside)
    inside = REFERENCE.sub(lambda r: r[0].removesuffix(r[1]) + f"{own}-{r[1]}", inside)
    attributes = dict(re.findall(r'([\w:]+)="([^"]*)"', head[1]))
    return attributes | {"role": "img", "aria-label": str(ax.get_label() or name)}, inside


def _written(attributes: Mapping[str, str]) -> str:
    return "".join(f' {key}="{html.escape(value)}"' for key, value in attributes.items())


def _said(name: str, data: pl.DataFrame | None) -> str:
    kept = "" if data is None else f"<metadata>{html.escape(printable(frame_csv(data)))}</metadata>"
    return f"<title>{html.escape(name)}</title>{kept}"
