"""CSV that a spreadsheet opens without computing anything."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

import polars as pl

FORMULA = re.compile(r"[=+\-@\t\r]")
NUMBER = re.compile(r"[-+]?([\d,]*\.?\d+(e[-+]?\d+)?%?)?", re.IGNORECASE)
"""What is no formula though it begins like one; a lone sign stands for what is not known."""


def frame_csv(frame: pl.DataFrame) -> str:
    """A frame as CSV, its numbers to the last bit, its words `inert`.

    Args:
        frame: of numbers and words.
    """
    words = [name for name, kind in frame.schema.items() if kind == pl.String]
    safe = frame.with_columns(pl.col(n).map_elements(inert, pl.String) for n in words)
    return safe.rename(inert).write_csv()


def rows_csv(rows: Iterable[Sequence[str]]) -> str:
    """Rows of words as CSV, `inert`.

    Args:
        rows: the titles first.
    """
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows([*map(inert, row)] for row in rows)
    return sink.getvalue()


def inert(text: str) -> str:
    """A cell that a spreadsheet would compute, behind an apostrophe; any other as it is (OWASP, CSV injection)."""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text
