"""Entries of the log are marked where what they rest on has changed since, in a repository made for it."""

import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LOG = """# The log

## 2026-01-01 Does it hold?

    plasticity run experiments/world.yaml   # in a minute

It does.

## 2026-01-02 What does {type: Other} cost?

    python experiments/cost.py

Little.
"""


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "experiments" / "entries.py"))


def commit(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["add", "-A"], [*who, "commit", "-qm", "more"], ["rev-parse", "--short", "HEAD"]):
        done = subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


HOMES = {"EWC": "strategies/ewc.py", "Other": "strategies/other.py"}
FILES = {
    "experiments/world.yaml": "strategies: [{type: EWC}]\n",
    "experiments/cost.py": "",
    "strategies/ewc.py": "one",
    "strategies/other.py": "one",
    "plasticity/engine/learner.py": "one",
}


def test_only_what_an_entry_rests_on_marks_it(script: dict[str, Any], root: Path) -> None:
    commit(root, FILES)
    made = commit(root, {"experiments/README.md": LOG})

    def lines() -> list[str]:
        return [said for _, said in script["marked"](LOG, root, HOMES)]

    whole = f"*Made at `{made}`; nothing that it rests on has changed since.*"
    assert lines() == [whole, whole]
    commit(root, {"strategies/other.py": "two", "README.md": "more"})
    assert lines() == [whole, f"*Made at `{made}`; changed since: strategies/other.py.*"]
    commit(root, {"strategies/ewc.py": "two", "plasticity/engine/learner.py": "two"})
    assert lines()[0].endswith("changed since: strategies/ewc.py, plasticity/engine.*")


def test_a_line_of_an_entry_says_when_it_was_made(script: dict[str, Any], root: Path) -> None:
    """An entry that was run again at a later commit says so, and is read back without its line."""
    commit(root, {**FILES, "experiments/README.md": LOG})
    later = commit(root, {"strategies/ewc.py": "two"})
    heading = "## 2026-01-01 Does it hold?\n"
    told = LOG.replace(heading, f"{heading}\n{script['line'](later, ['a'])}\n")
    first, second = (said for _, said in script["marked"](told, root, HOMES))
    assert first == f"*Made at `{later}`; nothing that it rests on has changed since.*"
    assert later not in second
    [entry, _] = script["entries"](told)
    assert entry.made == later and entry.commands == ["plasticity run experiments/world.yaml"]
    assert "Made at" not in entry.text


def test_what_is_written_changes_nothing_else_and_is_replaced(script: dict[str, Any]) -> None:
    """A command keeps the four spaces that make it one, and a second line takes the place of the first."""
    told = LOG
    for said in ("*Made at `aaa`; changed since: a.*", "*Made at `bbb`; changed since: b.*"):
        for entry in script["entries"](told):
            told = script["written"](told, entry, said)
    found = script["entries"](told)
    assert [e.made for e in found] == ["bbb", "bbb"] and "aaa" not in told
    assert [e.commands for e in found] == [e.commands for e in script["entries"](LOG)]
    assert script["LINE"].sub("", told).replace("\n\n\n", "\n\n") == LOG


def test_every_entry_of_the_log_names_a_command_that_is_there(script: dict[str, Any]) -> None:
    """Files of its commands exist, and every heading is met once."""
    log = (ROOT / "experiments" / "README.md").read_text()
    found = script["entries"](log)
    assert len({entry.title for entry in found}) == len(found) > 20
    for entry in found:
        for command in entry.commands:
            for name in script["FILE"].findall(command):
                assert [*ROOT.glob(name)] or name.endswith(".png"), f"{entry.title}: {name}"
