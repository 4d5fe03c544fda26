"""SVG that is well formed, carries its own data, and stands alone as a file."""

import html
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import accumulate

import polars as pl

LIGHT = {
    "ink": "#1c1c1c",
    "paper": "#ffffff",
    "soft": "#5f6368",
    "line": "#d5d5d5",
    "shade": "#f3f3f3",
}
DARK = {
    "ink": "#e8e8e8",
    "paper": "#16181c",
    "soft": "#a0a4ab",
    "line": "#3a3e46",
    "shade": "#1f2227",
}
"""What stylesheets call var(--ink) and so on. A file that stands alone is light."""
COLOURS = ["#0077bb", "#d55e00", "#009e73", "#b07aa1", "#b07d00", "#3a8fc4", "#a6611a", "#7570b3"]
"""Of the strategies, in order: after Okabe & Ito 2008, each at least 3:1 on light and on dark (WCAG 1.4.11)."""
DASHES = ["", "9 3", "2 3", "9 3 2 3", "14 4"]
"""Of their lines, in order; five against eight colours, so that forty lines differ, whatever an eye sees of colour."""
Number = int | float
WIDE = 6.6
"""Pixels of a character of a key, about."""
STYLE = (files("plasticity.plots") / "picture.css").read_text()
SVG = re.compile(r"<svg class=\"picture.*?</svg>", re.DOTALL)
"""A picture in a page."""


def tag(name: str, *inside: str, **attributes: object) -> str:
    """An element; `class_` is class, `text_anchor` text-anchor; numbers to a tenth; None: no such attribute."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_plain(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{told}>{''.join(inside)}</{name}>" if inside else f"<{name}{told} />"


def text(
    x: Number, y: Number, words: str, anchor: str = "start", class_: str | None = "tick"
) -> str:
    """Words at a place."""
    return tag("text", html.escape(words), x=x, y=y, text_anchor=anchor, class_=class_)


def picture(
    name: str, label: str, size: tuple[Number, Number], parts: Sequence[str], data: pl.DataFrame
) -> str:
    """A whole picture.

    Args:
        name: of the files that it and its data are saved as.
        label: what it says, for those who cannot see it.
        size: width and height in pixels.
        parts: its elements, the lowest first.
        data: what it draws; kept in it as CSV.
    """
    kept = tag("metadata", html.escape(data.write_csv()))
    box = f"0 0 {size[0]:.0f} {size[1]:.0f}"
    return tag(
        "svg",
        kept,
        *parts,
        class_="picture",
        data_name=name,
        viewBox=box,
        role="img",
        aria_label=label,
    )


def alone(drawn: str) -> str:
    """A picture as the text of a file: with its fonts, its colours and a light background."""
    style = re.sub(r"var\(--(\w+)\)", lambda name: LIGHT[name[1]], STYLE)
    width, height = re.search(r'viewBox="0 0 (\d+) (\d+)"', drawn).groups()  # pyright: ignore[reportOptionalMemberAccess] every picture here has one
    back = tag("rect", width=width, height=height, fill=LIGHT["paper"])
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
    inside = drawn.removeprefix("<svg").replace(">", f"><style>{style}</style>{back}", 1)
    return f"{head}{inside}\n"


def look(palette: Mapping[str, str]) -> str:
    """A palette as CSS."""
    return "".join(f"--{name}: {value}; " for name, value in palette.items())


def colour(index: int) -> str:
    """Of the strategy with this number."""
    return COLOURS[index % len(COLOURS)]


def dash(index: int) -> str | None:
    """Of its line; None: solid."""
    return DASHES[index % len(DASHES)] or None


def key(names: Mapping[str, Mapping[str, object]], left: Number, top: Number, width: Number) -> str:
    """Which line is whose, in as many rows as it takes; `key_rows` counts them.

    Args:
        names: title -> how its line looks.
        left: pixels.
        top: pixels; the middle of the first row.
        width: pixels there are.
    """
    out = []
    for (name, line), (x, row) in zip(names.items(), _places(names, width), strict=True):
        y = top + 17 * row
        out.append(tag("line", x1=left + x, x2=left + x + 26, y1=y, y2=y, **line))
        out.append(text(left + x + 31, y + 4, name))
    return "".join(out)


def key_rows(names: Sequence[str], width: Number) -> int:
    """Rows that `key` takes."""
    return 1 + max((row for _, row in _places(names, width)), default=-1)


def _places(names: Sequence[str] | Mapping[str, object], width: Number) -> list[tuple[float, int]]:
    """Left end and row of each entry of a key."""

    def following(place: tuple[float, int, float], name: str) -> tuple[float, int, float]:
        _, row, used = place
        size = 31 + WIDE * len(name) + 16
        return (used, row, used + size) if used + size <= width else (0.0, row + 1, size)

    places = list(accumulate(names, following, initial=(0.0, 0, 0.0)))[1:]
    return [(x, row) for x, row, _ in places]


def _plain(value: object) -> str:
    """As an attribute."""
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return html.escape(str(value))
