"""Page: one self-contained HTML file; nothing in it is fetched, and what it shows can be saved as SVG and CSV."""

import csv
import html
import io
import json
import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import polars as pl

from plasticity.plots import svg
from plasticity.results.store import write_whole

TABLE = re.compile(r'<table data-name="([^"]*)" data-csv="([^"]*)"')
NAME = re.compile(r'<svg class="picture" data-name="([^"]*)"')
DATA = re.compile(r"<metadata>(.*?)</metadata>", re.DOTALL)


def write(
    path: Path, title: str, lead: str, sections: Sequence[str], curves: Sequence[Any] = ()
) -> Path:
    """Write the page, whole.

    Args:
        path: the file.
        title: plain text.
        lead: the sentence below it, plain text.
        sections: HTML of each section.
        curves: what report.js draws into the element `plot<i>`, for each i.
    """
    assets = files("plasticity.report") / "templates"
    body = Template((assets / "report.html").read_text()).substitute(
        title=html.escape(title),
        lead=html.escape(lead),
        light=svg.look(svg.LIGHT),
        dark=svg.look(svg.DARK),
        picture_css=svg.STYLE,
        uplot_css=(assets / "uPlot.min.css").read_text(),
        uplot_js=(assets / "uPlot.iife.min.js").read_text(),
        sections="\n".join(f"<section>{section}</section>" for section in sections),
        curves=_inert(list(curves)),
        palette=_inert(svg.LIGHT),
        script=(assets / "report.js").read_text(),
    )
    write_whole(path, body.encode())
    return path


def table(
    titles: Sequence[str],
    lines: Sequence[tuple[Sequence[str], bool]],
    name: str = "table",
    data: pl.DataFrame | None = None,
) -> str:
    """An HTML table; lines are (cells, whether it is a baseline, which is greyed).

    Args:
        titles: of the columns.
        lines: what is shown.
        name: of the file that it is saved as.
        data: what is saved, where that is more than what is shown.
    """
    head = "".join(f"<th scope=col>{html.escape(title)}</th>" for title in titles)
    body = "".join(
        f"<tr class={'baseline' if baseline else 'strategy'}>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for cells, baseline in lines
    )
    kept = _csv([titles, *(cells for cells, _ in lines)]) if data is None else data.write_csv()
    told = f'data-name="{html.escape(name)}" data-csv="{html.escape(kept)}"'
    region = f"class=wide tabindex=0 role=region aria-label='table: {html.escape(name)}'"
    return (
        f"<div {region}><table {told}><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def folded(summary: str, *inside: str, open_: bool = False) -> str:
    """A section that opens at a click; nothing where there is nothing in it."""
    filled = "".join(inside)
    if not filled:
        return ""
    return f"<details{' open' * open_}><summary>{html.escape(summary)}</summary>{filled}</details>"


def export(page: Path, folder: Path) -> list[Path]:
    """Write every figure of a page as SVG that stands alone, and the data of every figure and table as CSV.

    Args:
        page: an HTML file that `write` wrote.
        folder: where; made if need be.

    Returns:
        what was written.
    """
    done: dict[str, Path] = {}
    for name, ending, text in _files(page.read_text()):
        stem = re.sub(r"[^\w.-]+", "-", html.unescape(name)).strip("-") or "unnamed"
        free = next(
            s for n in range(len(done) + 1) if (s := f"{stem}{-n or ''}{ending}") not in done
        )
        done[free] = folder / free
        write_whole(done[free], text.encode())
    return list(done.values())


def _files(text: str) -> Iterator[tuple[str, str, str]]:
    """(name, ending, content) of everything that a page lets one save."""
    for match in svg.SVG.finditer(text):
        drawn, name = match[0], NAME.match(match[0])
        data = DATA.search(drawn)
        if name and data:
            yield name[1], ".svg", svg.alone(drawn)
            yield name[1], ".csv", html.unescape(data[1])
    for match in TABLE.finditer(text):
        yield match[1], ".csv", html.unescape(match[2])


def _csv(rows: Sequence[Sequence[str]]) -> str:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows(rows)
    return sink.getvalue()


def _inert(value: Any) -> str:
    """As JSON that cannot end the script it stands in."""
    return json.dumps(value).replace("<", "\\u003c")
