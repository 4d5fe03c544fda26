"""A small table of cricket innings, and a query language over it."""

import sqlite3
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

INNINGS = 5
"""Rows for each pair of a team and a venue, so that no answer is empty."""
SEED = 1877
"""Of the table: the year of the first test match."""


class Slot(NamedTuple):
    """A place in a program."""

    name: str
    keywords: tuple[str, ...]
    """All that can stand there."""


SLOTS = (
    Slot("aggregates", ("SUM", "AVG", "MAX", "MIN", "COUNT")),
    Slot("columns", ("runs", "balls", "fours", "sixes", "minutes")),
    Slot(
        "teams",
        (
            "India",
            "Australia",
            "England",
            "Pakistan",
            "New Zealand",
            "South Africa",
            "Sri Lanka",
            "West Indies",
        ),
    ),
    Slot(
        "venues",
        ("Eden", "Melbourne", "Lord's", "Lahore", "Basin", "Newlands", "Galle", "Sabina"),
    ),
)
"""In the order in which a program has them."""


class Scorecard:
    """Programs of four tokens, one for each of SLOTS, and their answers from the one table.

    A token is a number: the keywords of all slots one after the other, of each slot as many as `sizes`
    has it. A program is the SQL query that `sql` writes, and sqlite answers it. Different programs may
    have one answer (no column changes a COUNT), and then they agree.

    Args:
        sizes: keywords of each slot, the first ones.

    Raises:
        ValueError: a slot has fewer keywords than that.

    >>> card = Scorecard([2, 2, 3, 2])
    >>> card.sql([1, 2, 4, 8])
    "SELECT AVG(runs) FROM innings WHERE team = 'India' AND venue = 'Melbourne'"
    >>> card.answer([1, 2, 4, 8])
    45.0
    """

    def __init__(self, sizes: Sequence[int]):
        for slot, size in zip(SLOTS, sizes, strict=True):
            if not 1 <= size <= len(slot.keywords):
                raise ValueError(f"{slot.name}: expected 1 to {len(slot.keywords)}, got {size}")
        self.sizes = tuple(sizes)
        self.tokens = sum(sizes)
        """Keywords in all."""
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        """The first token of each slot."""

    def sql(self, program: Sequence[int]) -> str:
        """The query that these tokens stand for.

        Raises:
            ValueError: a token is not one of its slot's.
        """
        words = list[str]()
        for slot, token, start, size in zip(SLOTS, program, self.starts, self.sizes, strict=True):
            if not start <= token < start + size:
                raise ValueError(
                    f"program: expected a token from {start} to {start + size - 1} "
                    f"for {slot.name}, got {token}"
                )
            words.append(slot.keywords[token - start].replace("'", "''"))
        aggregate, column, team, venue = words
        return (
            f"SELECT {aggregate}({column}) FROM innings WHERE team = '{team}' AND venue = '{venue}'"
        )

    def answer(self, program: Sequence[int]) -> float:
        """What the database answers."""
        (found,) = table().execute(self.sql(program)).fetchone()
        return float(found)

    def agree(
        self, said: Int[np.ndarray, "*programs slots"], wanted: Int[np.ndarray, "*programs slots"]
    ) -> Bool[np.ndarray, "*programs"]:
        """Whether two programs have the same answer; a program that makes no sense has none."""
        value = said - self.starts
        sense = ((value >= 0) & (value < self.sizes)).all(-1)
        known = answers(self.sizes)
        mine, right = (
            known[tuple(np.moveaxis(np.clip(v, 0, np.subtract(self.sizes, 1)), -1, 0))]
            for v in (value, wanted - self.starts)
        )
        return sense & (mine == right)


@cache
def table() -> sqlite3.Connection:
    """The innings: made up, and the same in every process."""
    rng = np.random.default_rng(SEED)
    teams, venues = (slot.keywords for slot in SLOTS[2:])
    rows = list[tuple[str | int, ...]]()
    for team in teams:
        for venue in venues:
            for _ in range(INNINGS):
                runs = int(rng.geometric(1 / 35)) - 1
                balls = runs + int(rng.integers(1, 60))
                fours = int(rng.binomial(runs // 4, 0.4))
                sixes = int(rng.binomial((runs - 4 * fours) // 6, 0.2))
                minutes = balls + int(rng.integers(0, 60))
                rows.append((team, venue, runs, balls, fours, sixes, minutes))
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    columns = ", ".join(f"{name} INTEGER" for name in SLOTS[1].keywords)
    connection.execute(f"CREATE TABLE innings (team TEXT, venue TEXT, {columns})")
    connection.executemany("INSERT INTO innings VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return connection


@cache
def answers(sizes: tuple[int, ...]) -> Float[np.ndarray, "aggregates columns teams venues"]:
    """What the database answers to every program, by the places of its tokens in their slots."""
    card, found = Scorecard(sizes), np.empty(sizes)
    for place in np.ndindex(*sizes):
        found[place] = card.answer([int(v) for v in place + card.starts])
    return found
