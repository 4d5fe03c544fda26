"""Errors of a configuration: what is wrong, where, and the nearest valid name."""

import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong with a configuration, and where."""

    where: str
    """file:line:column: path; empty parts are left out."""
    text: str
    """What was expected, and what was got."""
    line: int = 0
    """1-based, to sort by; 0: it is in no file."""
    column: int = 0

    def __str__(self) -> str:
        return one_line(f"{self.where}: {self.text}" if self.where else self.text)


class ConfigError(Exception):
    """A configuration cannot be used: one line for every problem, in the order of the file.

    Args:
        problems: all of them.
    """

    def __init__(self, problems: Sequence[Problem]):
        last = sys.maxsize
        self.problems = tuple(sorted(set(problems), key=lambda p: (p.line or last, p.column, p)))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The word that is spelt most alike, whatever its case; None if none is."""
    by_lower = {candidate.lower(): candidate for candidate in words}
    near = get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """` Did you mean 'x'?` of the nearest word; empty if none is near."""
    near = nearest(word, words)
    return "" if near is None else f" Did you mean {near!r}?"


def reason(error: BaseException) -> str:
    """What an exception says, in one line; its kind where it says nothing."""
    return one_line(str(error)) or type(error).__name__


def one_line(text: str) -> str:
    """The text with every run of white space as one space, and printable everywhere."""
    return " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
