"""A finished run, one that was stopped, and their cache, made once; each test has a copy to damage."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from plasticity.report.page import Page

from ..calling import Call
from .reading import CELL
from .worlds import WORLD


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with chaos.yaml, `finished`, `unfinished` and their cache, once `here` has made them."""
    return tmp_path_factory.mktemp("whole")


@pytest.fixture
def here(whole: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`call` in a copy of that folder. No page is drawn: its numbers are in the tables."""
    monkeypatch.setattr(Page, "write", lambda page, to: to)
    if not any(whole.iterdir()):
        make(call)
        shutil.copytree(".", whole, dirs_exist_ok=True)
    else:
        shutil.copytree(whole, ".", dirs_exist_ok=True)
    return call


def make(call: Call) -> None:
    names = "[{type: Frozen}, {type: Finetune}, {type: Replay}]"
    Path("chaos.yaml").write_text(WORLD.format(out="runs", strategies=names))
    done = call("run", "chaos.yaml", "--run-dir", "finished")
    assert not done.code, done
    replace, written = os.replace, list[str]()

    def stopping(source: Any, to: Any) -> None:
        replace(source, to)
        written.append(str(to))
        if sum(f"{CELL}/checkpoint" in path for path in written) == 3:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "replace", stopping)
        done = call("run", "chaos.yaml", "--run-dir", "unfinished", "--seed=1")
    assert done.code == 130 and Path(f"unfinished/cells/{CELL}/checkpoint.safetensors").exists()
