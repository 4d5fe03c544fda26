"""Entries of the log: when each was made, by which commands, and whether the code it rests on has changed since.

    python experiments/entries.py            # says so
    python experiments/entries.py --write    # and writes it under the heading of each entry

An entry rests on the YAML files and scripts of its commands, on the files of every class that those name, and on the
loop: learner, scores, observers. It was made at the commit that its line says; where it has none, at the one that
brought its heading into the log.
"""

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from plasticity.cli.common import contracts
from plasticity.config import plugins

ROOT = Path(__file__).resolve().parents[1]
LOG = "experiments/README.md"
LOOP = ("plasticity/engine", "plasticity/observers", "plasticity/core", "plasticity/nn")
LINE = re.compile(r"^\*Made at `(\w+)`.*\*\n\n?", re.MULTILINE)
FILE = re.compile(r"experiments/[\w/*.-]+\.(?:yaml|py)")
TYPE = re.compile(r"\btype: (\w+)")
FEW = 6
"""Files that are named, at most; of more it is said how many."""


class Entry(NamedTuple):
    """Of the log."""

    title: str
    text: str
    """All below the heading, without the line that this program writes."""
    made: str | None
    """The commit that its line says."""

    @property
    def commands(self) -> list[str]:
        """Lines that are to be typed."""
        words = ("plasticity ", "python ", "for ", "make ")
        lines = (line[4:] for line in self.text.splitlines() if line.startswith("    "))
        return [line.partition("  #")[0].strip() for line in lines if line.startswith(words)]


def entries(log: str) -> list[Entry]:
    """The entries of a log, in order.

    Args:
        log: its text.
    """
    parts = re.split(r"^## (.*)\n", log, flags=re.MULTILINE)[1:]
    found = []
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        line = LINE.search(text)
        found.append(Entry(title, LINE.sub("", text, count=1), line[1] if line else None))
    return found


def rests_on(entry: Entry, root: Path, homes: dict[str, str]) -> list[str]:
    """Files and folders, from the root, that decide the numbers of an entry.

    Args:
        entry: of the log.
        root: of the checkout.
        homes: name of a class -> its file, from the root.
    """
    named = {name for command in entry.commands for name in FILE.findall(command)}
    files = {str(path.relative_to(root)) for name in named for path in root.glob(name)}
    texts = [entry.title, *entry.commands, *((root / f).read_text() for f in files)]
    types = {name for text in texts for name in TYPE.findall(text)}
    return sorted(files | {homes[name] for name in types & homes.keys()}) + [*LOOP]


def changed(since: str, files: Sequence[str], root: Path) -> list[str]:
    """Those in which a commit after `since` changed something; a folder counts as one.

    Args:
        since: a commit.
        files: files and folders, from the root.
        root: of the checkout.
    """
    found = _git(root, "log", "--name-only", "--format=", f"{since}..HEAD", "--", *files)
    touched = {*found.splitlines()}
    return [f for f in files if any(t == f or t.startswith(f"{f}/") for t in touched)]


def introduced(title: str, root: Path) -> str | None:
    """The commit that brought a heading into the log; None: it is not in the history."""
    found = _git(root, "log", "--reverse", "--format=%h", f"-S## {title}", "--", LOG).split()
    return found[0] if found else None


def line(made: str, stale: Sequence[str]) -> str:
    """What stands under the heading of an entry."""
    if not stale:
        return f"*Made at `{made}`; nothing that it rests on has changed since.*"
    more = f" and {len(stale) - FEW} more" if len(stale) > FEW else ""
    return f"*Made at `{made}`; changed since: {', '.join(stale[:FEW])}{more}.*"


def marked(log: str, root: Path, homes: dict[str, str]) -> Iterator[tuple[Entry, str]]:
    """Every entry with its line; without one where its heading is in no commit.

    Args:
        log: its text.
        root: of the checkout.
        homes: name of a class -> its file.
    """
    for entry in entries(log):
        made = entry.made or introduced(entry.title, root)
        if made is not None:
            yield entry, line(made, changed(made, rests_on(entry, root, homes), root))


def classes() -> dict[str, str]:
    """Name of every class that a YAML may name -> its file, from the root."""
    nouns = contracts()
    known = (found for noun in nouns for found in plugins.known(noun, nouns).items())
    return {
        name: str(file.relative_to(ROOT))
        for name, (cls, *_) in known
        if (file := Path(inspect.getfile(cls))).is_relative_to(ROOT)
    }


def written(log: str, entry: Entry, said: str) -> str:
    """The log with a line under the heading of an entry, in place of the one that was there."""
    heading = f"## {entry.title}\n"
    head, _, rest = log.partition(heading)
    body, between, others = rest.partition("\n## ")
    body = LINE.sub("", body, count=1).lstrip("\n")
    return f"{head}{heading}\n{said}\n\n{body}{between}{others}"


def main(write: bool) -> None:
    """Print, and write where that is asked."""
    file = ROOT / LOG
    log = file.read_text()
    for entry, said in marked(log, ROOT, classes()):
        print(f"{entry.title}\n  {said.strip('*')}")
        for command in entry.commands:
            print(f"  {command}")
        log = written(log, entry, said)
    if write:
        file.write_text(log)


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    main("--write" in sys.argv[1:])
