"""CSV exports: a spreadsheet computes nothing that a stranger wrote, and numbers stay numbers."""

import polars as pl
import pytest

from plasticity.report.page import NumberTable
from plasticity.results.csv_text import frame_csv, inert


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-0.3 ± 0.1"]
)
def test_a_formula_is_behind_an_apostrophe(text: str) -> None:
    assert inert(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-0.37", "+1", "-1e-05", "-", "-1,204", "-.5", "EWC", "a=b", ""])
def test_numbers_and_words_stay(text: str) -> None:
    assert inert(text) == text


def test_every_word_of_a_frame_and_its_titles() -> None:
    frame = pl.DataFrame({"=title": ["=1", None, "EWC"], "bits": [-0.1, 1e-300, None]})
    assert frame_csv(frame) == "'=title,bits\n'=1,-0.1\n,1e-300\nEWC,\n"


def test_a_table_of_a_page() -> None:
    table = NumberTable(["", "skill"], [(["=HYPERLINK(1)", "-0.37"], False)])
    assert table.csv == ",skill\n'=HYPERLINK(1),-0.37\n"
