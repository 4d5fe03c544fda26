"""One thread, so that a busy two-core machine stays fast; seeds are each test's own business."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from . import shapes  # noqa: F401  it comes before what it checks

# isort: split
from plasticity import cli

from .calling import GOOD, Call, Done
from .chaos.amount import FULL, Tally, lines

torch.set_num_threads(1)


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """`plasticity WORDS` in an empty folder that holds good.yaml; in this process.

    Of a run no page is drawn, which takes two thirds of a small one's time, unless `drawn`.
    """
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    Path("good.yaml").write_text(GOOD)

    def blank(runs: object, path: Path) -> Path:
        path.touch()
        return path

    def plasticity(*words: str, drawn: bool = False) -> Done:
        monkeypatch.setattr(sys, "argv", ["plasticity", *words])
        monkeypatch.setattr(sys, "path", sys.path[:])
        capsys.readouterr()
        heard = {
            each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        try:
            with monkeypatch.context() as patched:
                if words[:1] in (("run",), ("resume",)) and not drawn:
                    patched.setattr("plasticity.report.run_page.write", blank)
                cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        finally:
            for each, handler in heard.items():
                signal.signal(each, handler)
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    return plasticity


@pytest.fixture
def tally(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Tally:
    """Counts an outcome; `make chaos` prints the sums over the tests of a file."""
    counts: dict[str, int] = {}
    record_property("tally", (request.path.stem.removeprefix("test_"), counts))

    def count(outcome: str) -> None:
        counts[outcome] = counts.get(outcome, 0) + 1

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line of figures for each file of tests that counts."""
    reports = [r for key in ("passed", "failed") for r in terminalreporter.getreports(key)]
    tallies = [
        value
        for r in reports
        if r.when == "call"
        for key, value in r.user_properties
        if key == "tally"
    ]
    for line in lines(tallies) if FULL else ():
        terminalreporter.write_line(line)
