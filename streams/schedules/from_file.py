"""Schedule from a file: recorded, or written by hand."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from plasticity import Belief, Count, Hold, Stream, Table, Tunnel, did_you_mean, reason

HEADERS = (["regime"], ["regime", "steps"])
"""Columns of a text file."""


class FromFile(Stream):
    """The regimes that a file lists, step by step or span by span.

    - text (CSV, TSV; columns separated by commas, semicolons or white space, `#` begins a comment):
      a regime on each line, for one step; or `regime, steps`, for a span. A header may name the columns.
    - the folder `steps/` of a cell of a run: its column `regime`. Where batches were mixed, that is
      the regime of most sequences, and here of all.

    Args:
        tunnels: the tasks; regime r lives in tunnels[r % len(tunnels)].
        file: where the regimes are listed, from the working directory.
        steps: length of the stream, in steps, at most what the file lists; null: all of it.
        batch: sequences per step.
        time: symbols per sequence.
        hold: what a latent is held for, in every regime or in each of a list.
        probe: held-out sequences per regime.
        seed: of everything random here.

    Raises:
        ValueError: there is no such file; a line is not as expected; the file lists fewer steps.
    """

    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        file: str,
        steps: Count | None = None,
        batch: Count = 8,
        time: Count = 32,
        hold: Hold | Sequence[Hold] = "regime",
        probe: Count = 64,
        seed: int = 0,
    ):
        spans = _recorded(Path(file)) if Path(file).is_dir() else _written(Path(file))
        regimes, lengths = np.array(list(spans), np.int64).reshape(-1, 2).T
        self.file, self._regimes, self._ends = file, regimes, lengths.cumsum()
        listed = int(lengths.sum())
        if not listed:
            raise ValueError(f"{file}: expected the regime of at least one step, got none")
        if steps is not None and steps > listed:
            raise ValueError(f"steps: expected at most the {listed} that {file} lists, got {steps}")
        several = int(regimes.max()) + 1
        super().__init__(tunnels, several, steps or listed, batch, time, hold, probe, seed)
        self._last = dict(zip(regimes.tolist(), (self._ends - 1).tolist(), strict=True))

    def schedule(self, step: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
        """The same regime for the whole batch.

        Raises:
            IndexError: the file ends before.
        """
        return np.full(self.batch, self._regime(step))

    def prior(self, step: int, before: Belief | None) -> Belief:
        """The file is known, so there is no doubt."""
        return {self._regime(step): 1.0}

    def retired(self, regime: int, step: int) -> bool:
        """After its last line."""
        return step >= self._last.get(regime, -1)

    def _regime(self, step: int) -> int:
        span = self._ends.searchsorted(step, "right")
        if span == len(self._ends):
            raise IndexError(f"step {step}: {self.file} lists {self._ends[-1]} steps")
        return int(self._regimes[span])


def _written(file: Path) -> Iterator[tuple[int, int]]:
    """(regime, steps) of every line.

    Raises:
        ValueError: a line is not as expected, or there is no file.
    """
    if not file.is_file():
        near = did_you_mean(file.name, [path.name for path in sorted(file.parent.glob("*"))])
        raise ValueError(f"file: there is no file {file}.{near}".removesuffix("."))
    columns: list[str] = []
    for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), 1):
        if not (words := [w for w in re.split(r"[\s,;]+", line.partition("#")[0]) if w]):
            continue
        where = f"{file}:{number}"
        if not columns and not any(map(str.isdecimal, words)):
            columns = [word.lower() for word in words]
            if columns not in HEADERS:
                near = "".join(
                    did_you_mean(c, HEADERS[-1]) for c in columns if c not in HEADERS[-1]
                )
                got = ", ".join(words)
                raise ValueError(f"{where}: expected regime, or regime, steps, got {got}.{near}")
            continue
        columns = columns or HEADERS[len(words) > 1]
        if len(words) != len(columns) or not all(map(str.isdecimal, words)):
            raise ValueError(
                f"{where}: expected {', '.join(columns)} in whole numbers of 0 or more, got {line.strip()!r}"
            )
        regime, steps = int(words[0]), int(words[1]) if len(words) > 1 else 1
        if not steps:
            raise ValueError(f"{where}: expected 1 step or more, got 0")
        yield regime, steps


def _recorded(folder: Path) -> Iterator[tuple[int, int]]:
    """(regime, 1) of every step of a record.

    Raises:
        ValueError: it is no record of steps 0, 1, 2 ...
    """
    try:
        table = Table(folder).read(["step", "regime"])
    except Exception as error:  # whatever polars says of a file that is none
        raise ValueError(
            f"{folder}: expected parquet parts with step and regime: {reason(error)}"
        ) from error
    at, regimes = (table[name].to_list() if len(table) else [] for name in ("step", "regime"))
    for row, (step, regime) in enumerate(zip(at, regimes, strict=True)):
        if step != row or regime < 0:
            raise ValueError(
                f"{folder}: row {row}: expected step {row} and a regime of 0 or more, got step {step}, "
                f"regime {regime}"
            )
        yield regime, 1
