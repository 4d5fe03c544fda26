"""Page: one self-contained HTML file; nothing in it is fetched."""

import html
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from plasticity.store import write_whole


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
    assets = files("plasticity") / "assets"
    body = Template((assets / "report.html").read_text()).substitute(
        title=html.escape(title),
        lead=html.escape(lead),
        uplot_css=(assets / "uPlot.min.css").read_text(),
        uplot_js=(assets / "uPlot.iife.min.js").read_text(),
        sections="\n".join(f"<section>{section}</section>" for section in sections),
        curves=json.dumps(list(curves)).replace("<", "\\u003c"),
        script=(assets / "report.js").read_text(),
    )
    write_whole(path, body.encode())
    return path


def table(titles: Sequence[str], lines: Sequence[tuple[Sequence[str], bool]]) -> str:
    """An HTML table; lines are (cells, whether it is a baseline, which is greyed)."""
    head = "".join(f"<th>{html.escape(title)}</th>" for title in titles)
    body = "".join(
        f"<tr class={'baseline' if baseline else 'strategy'}>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for cells, baseline in lines
    )
    return (
        f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
