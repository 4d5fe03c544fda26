"""Every kind of bad file gets the place, the key, what was expected and the nearest name; and no traceback."""

import re
from pathlib import Path

import pytest
import torch

from ...calling import GOOD, Call, refused
from .bad import names, text, values, worlds

TABLES = (text, values, names, worlds)
FILES = {name: case for table in TABLES for name, case in table.FILES.items()}


def begins(line: str, told: str) -> bool:
    """Whether the line, after the name of the file, begins as told; ` ... ` stands for any words."""
    words = map(re.escape, told.split(" ... "))
    return re.match("x.yaml:" + " .*".join(words), line) is not None


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nobody is logged in, and there is no GPU."""
    home = tmp_path_factory.mktemp("home")
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / "netrc"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_no_two_cases_have_one_name() -> None:
    assert len(FILES) == sum(len(table.FILES) for table in TABLES) >= 100


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file(name: str, call: Call) -> None:
    """`validate` tells exactly these lines, in the order of the file."""
    content, told = FILES[name]
    Path("x.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    lines = refused(call, "validate", "x.yaml").splitlines()
    assert len(lines) == len(told), lines
    assert all(map(begins, lines, told)), lines


@pytest.mark.parametrize("name", worlds.FILES)
def test_run_says_what_validate_says(name: str, call: Call) -> None:
    """And leaves no folder behind."""
    content, told = FILES[name]
    assert isinstance(content, str)
    Path("x.yaml").write_text(content)
    lines = refused(call, "run", "x.yaml").splitlines()
    assert len(lines) == len(told) and all(map(begins, lines, told)), lines


def test_the_file_that_each_is_made_of_is_good(call: Call) -> None:
    Path("x.yaml").write_text(GOOD)
    done = call("validate", "x.yaml")
    assert done == (0, "x.yaml: fine, 2 cells (2 strategies), 10 steps each\n", "")
