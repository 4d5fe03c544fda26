"""One thread, so that a busy two-core machine stays fast; seeds are each test's own business."""

import signal
import sys
from pathlib import Path

import pytest
import torch

from plasticity import cli

from .calling import GOOD, Call, Done

torch.set_num_threads(1)


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """`plasticity WORDS` in an empty folder that holds good.yaml; in this process."""
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    Path("good.yaml").write_text(GOOD)

    def plasticity(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["plasticity", *words])
        monkeypatch.setattr(sys, "path", sys.path[:])
        capsys.readouterr()
        heard = {
            each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        try:
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
