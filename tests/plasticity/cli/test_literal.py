"""What others wrote is shown as it is: no markup, no control character, no letter that a terminal lacks."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from plasticity.cli.common import PlainConsole
from plasticity.core.names import folder_name
from plasticity.results.store import Cell, Run

from ...calling import Call
from ..results.runs import made


def shown(thing: object) -> str:
    sink = io.StringIO()
    PlainConsole(file=sink, width=200, force_terminal=True).print(thing, highlight=False)
    return sink.getvalue()


@pytest.mark.parametrize("text", ["[/red]", "[bold]x", ":smile:", "\\[x]"])
def test_a_console_takes_text_literally(text: str) -> None:
    assert shown(text) == f"{text}\n"
    table = Table(text, title=text)
    table.add_row(text)
    assert shown(table).count(text) == 3


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert shown("a\x1b[2Jb\x07\u202ec") == "a\\x1b[2Jb\\x07\\u202ec\n"


def test_a_report_of_a_strangers_run(call: Call, tmp_path: Path) -> None:
    run = made(
        tmp_path / "x[1]", {"Frozen": [0.0, 0.1], "EWC": [0.5, 0.6]}, name="[/b]\x1b]0;owned\x07"
    )
    cell = run.cells()[-1]
    cell.begin(cell.meta | {"label": (label := "=1+[/red]\x1b[2J")}, cell.identity, run.digest)
    cell.path.rename(cell.path.with_name(folder_name(label, "-seed1")))
    done = call("report", str(run.path), "--export", str(tmp_path / "files"))
    assert done.code == 0, done
    page = (run.path / "report.html").read_text()
    for text in (done.out, done.err, page):
        assert "\x1b]0" not in text and "\x1b[2J" not in text and "\x07" not in text
    assert "[/b]" in done.out and "=1+[/red]" in done.out
    numbers = (tmp_path / "files" / "numbers.csv").read_text()
    assert "\n'=1+[/red]" in numbers


def test_a_terminal_that_lacks_letters(tmp_path: Path) -> None:
    run = made(tmp_path / "run", {"Frozen": [0.0, 0.1], "EWC": [0.5, 0.6]}, name="Größe 日本")
    words = [sys.executable, "-m", "plasticity", "report", str(run.path)]
    base = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    base |= {"OMP_NUM_THREADS": "1", "MPLCONFIGDIR": str(tmp_path)}
    done = subprocess.run(words, capture_output=True, env=base, timeout=120)
    assert done.returncode == 0, done.stderr
    assert b"Gr??e ??" in done.stdout


def test_brackets_in_a_folder_are_letters(tmp_path: Path) -> None:
    one = made(tmp_path / "exp1", {"EWC": [0.2]}, seeds=(0,))
    other = made(tmp_path / "exp[1]", {"EWC": [0.9]}, seeds=(0,))
    for run, skill in ((one, 0.2), (other, 0.9)):
        (cell,) = Run(run.path).cells()
        table = Cell(cell.path).steps.read(["kl/model"])
        assert table["kl/model"][0] == pytest.approx(1 - skill * 0.9)
