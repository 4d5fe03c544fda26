"""How much is tried: all of it under CHAOS=full (`make chaos`), else the little that fits `make test`."""

import os
from collections import Counter
from collections.abc import Callable

FULL = os.environ.get("CHAOS") == "full"
Tally = Callable[[str], None]
"""Counts what became of one thing that was tried; the sums are printed at the end."""


def amount(short: int, full: int) -> int:
    return full if FULL else short


def lines(tallies: list[tuple[str, dict[str, int]]]) -> list[str]:
    """One line for each title: how often each outcome was counted, over all tests under it."""
    sums: dict[str, Counter[str]] = {}
    for title, counts in tallies:
        sums.setdefault(title, Counter()).update(counts)
    return [f"{t}: {', '.join(f'{n} {w}' for w, n in c.items())}" for t, c in sums.items()]
