"""`plasticity WORDS` in a process that kills itself at one of its durable operations."""

import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from plasticity import cli
from plasticity.report import run_page

DURABLE = ("fsync", "replace", "unlink", "rmdir")
"""Functions of `os` after which the disk is another."""
RARE = "summary|weights|cell.json|experiment|environment|error|[0-9]-[0-9]|[.]lock"
"""In paths that a run writes once; merged parts too."""


class Kill(NamedTuple):
    """SIGKILL at the nth durable operation on a path in which a pattern is found."""

    nth: int
    pattern: str = ""
    before: bool = False
    """Whether the operation is not carried out any more."""


def drawn(rng: Random, span: int) -> Kill:
    """At any operation, or at a rare one.

    Args:
        rng: decides.
        span: operations between two kills, about.
    """
    before = rng.random() < 0.5
    if rng.random() < 0.7:
        return Kill(rng.randint(1, 2 * span), "", before)
    return Kill(rng.randint(1, 1 + span // 10), RARE, before)


def job(words: Sequence[str | Path], kill: Kill | None, log: Path) -> tuple[Any, ...]:
    """Arguments of `runpy.run_path`, for a process that cannot import this module by its name."""
    return __file__, {"JOB": ([*map(str, words)], kill and tuple(kill), log)}


def doomed(words: Sequence[str], kill: Sequence[Any] | None, log: Path) -> None:
    """`plasticity WORDS`, its output in a file; no page is drawn, for a page is no record."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    if kill:
        count = iter(range(1, sys.maxsize))
        for name in DURABLE:
            watched = _watched(getattr(os, name), Kill(*kill), lambda: next(count))
            setattr(os, name, watched)
    run_page.write = lambda runs, to: to
    sys.argv = ["plasticity", *words]
    cli.main()


def _watched(
    operation: Callable[..., Any], kill: Kill, count: Callable[[], int]
) -> Callable[..., Any]:
    def watched(*args: Any, **named: Any) -> Any:
        file = args[-1]  # of `replace` the new name
        path = os.readlink(f"/proc/self/fd/{file}") if isinstance(file, int) else os.fspath(file)
        mine = re.search(kill.pattern, path) is not None and count() == kill.nth
        if mine and kill.before:
            os.kill(os.getpid(), signal.SIGKILL)
        found = operation(*args, **named)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    return watched


if "JOB" in globals():
    doomed(*globals()["JOB"])
