"""Document: JSON from a stranger, bounded in size, nesting, numbers and words before anything looks at it."""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from plasticity.config.recipe import show
from plasticity.core.errors import ConfigError, Problem, reason

MOST_BYTES = 2**24
"""Of the file: 20 times the results of the largest suite that is shipped."""
DEEPEST = 16
"""Mappings and lists inside one another."""
LONGEST = 1000
"""Characters of a word."""
LARGEST = 2**53
"""Integers up to here are floats too."""
TOLD = 20
"""Problems, at most: of many like faults the first ones say it."""


def read(path: Path) -> Any:
    """What a JSON file holds: finite numbers, printable words, no key twice.

    Raises:
        ConfigError: it cannot be read, or is beyond the bounds; with the first problems, by key.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ValueError(f"expected at most {MOST_BYTES:,} bytes, it has more")
        value = json.loads(data.decode(), object_pairs_hook=_once)
    except RecursionError:
        wrong = f"expected at most {DEEPEST} mappings and lists inside one another, it has more"
    except (OSError, ValueError) as error:
        wrong = getattr(error, "strerror", None) or reason(error)
    else:
        if problems := list(_beyond(value, ())):
            raise ConfigError(first([Problem(f"{path}: {key}", text) for key, text in problems]))
        return value
    raise ConfigError([Problem(str(path), f"cannot be read as JSON: {wrong}")])


def first(problems: list[Problem]) -> list[Problem]:
    """As many as one reads; the last says how many more there are."""
    more = len(problems) - TOLD
    if more <= 0:
        return problems
    where = problems[0].where.split(": ")[0]
    return [*problems[:TOLD], Problem(where, f"and {more} more", sys.maxsize, 1)]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {show(twice)} is there twice in one mapping")
    return found


def _beyond(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(dotted key, what was expected) of every part that is beyond the bounds."""
    key = ".".join(path)
    if isinstance(value, dict | list):
        if len(path) >= DEEPEST:
            yield key, f"expected at most {DEEPEST} mappings and lists inside one another"
            return
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(name, str) and _unfit(name):
                yield (
                    key,
                    f"expected printable keys of up to {LONGEST} characters, got {show(name)}",
                )
            else:
                yield from _beyond(part, (*path, str(name)))
    elif isinstance(value, str) and _unfit(value):
        yield key, f"expected printable words of up to {LONGEST} characters, got {show(value)}"
    elif isinstance(value, float) and not math.isfinite(value):
        yield key, f"expected a finite number, got {value}"
    elif isinstance(value, int) and abs(value) > LARGEST:
        yield key, f"expected an integer of up to {LARGEST}, got {show(value)}"


def _unfit(word: str) -> bool:
    return len(word) > LONGEST or not word.isprintable()
