"""The record of truth: parquet parts on disk, each written whole.

runs/<name>/<id>/               Run: one launch of one YAML
experiment.yaml             everything resolved: run it again and the same numbers come
environment.json            versions, git commit, machine
cells/<label>-seed<k>/      Cell: one strategy under one seed
steps/00000.parquet     one row per step: step, regime, shift, alarm, answers, <metric>/<predictor> [bits]
probes/00000.parquet    one row per probe: step, regime, <metric>/<predictor> [bits]
condition/00000.parquet one row per measurement of the network: step, <column>/<source>
frontier/00000.parquet  one row per stretch: step, regime, fresh, <live or fresh>/b<share> [bits]
timing/00000.parquet    one row per stretch: step, seconds
checkpoint.ckpt         the learner after the last stretch; gone when the cell is done
summary.json            present when the cell is done
report.html
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from plasticity.core.names import printable

if TYPE_CHECKING:
    import polars


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all: temporary, fsync, rename, fsync the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, value: Any) -> None:
    """A mapping as indented JSON, whole."""
    write_whole(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


class Table:
    """A table in numbered parts. Writing part n again replaces it, so that a resumed run repeats nothing."""

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, part: int, columns: Mapping[str, np.ndarray]) -> None:
        """Write one part; nothing is written where there are no rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table(dict(columns))
        if not table.num_rows:
            return
        sink = pa.BufferOutputStream()
        encodings = {
            f.name: "BYTE_STREAM_SPLIT" for f in table.schema if pa.types.is_floating(f.type)
        }
        pq.write_table(
            table, sink, compression="zstd", use_dictionary=False, column_encoding=encodings or None
        )
        write_whole(self.folder / f"{part:05d}.parquet", sink.getvalue().to_pybytes())

    def read(self, columns: list[str] | None = None) -> "polars.DataFrame":
        """Every part written so far, in order; safe while another process writes.

        Args:
            columns: which; None: all.
        """
        import polars as pl

        parts = sorted(self.folder.glob("[0-9]*.parquet"))
        if not parts:
            return pl.DataFrame()
        return pl.read_parquet(parts, columns=columns, glob=False).rechunk()


@dataclass(frozen=True)
class Cell:
    """One strategy under one seed."""

    path: Path

    @property
    def name(self) -> str:
        """`<label>-seed<k>`."""
        return self.path.name

    @property
    def label(self) -> str:
        """What the strategy is called in tables."""
        return printable(self.meta["label"])

    @property
    def seed(self) -> int:
        """Seed of the world and of the strategy."""
        return self.meta["seed"]

    @property
    def meta(self) -> dict[str, Any]:
        """What was fixed before the first step: label, seed, strategy, observers' alphabet."""
        return json.loads((self.path / "cell.json").read_text())

    @property
    def steps(self) -> Table:
        """One row per step."""
        return Table(self.path / "steps")

    @property
    def probes(self) -> Table:
        """One row per probe of a regime; step s means after s updates."""
        return Table(self.path / "probes")

    @property
    def condition(self) -> Table:
        """One row per measurement of the network; step s means after s updates."""
        return Table(self.path / "condition")

    @property
    def frontier(self) -> Table:
        """One row per stretch: step, regime, fresh, and what the exact mixtures lose [bits]."""
        return Table(self.path / "frontier")

    @property
    def timing(self) -> Table:
        """Seconds per stretch."""
        return Table(self.path / "timing")

    @property
    def checkpoint(self) -> Path:
        """The learner after the last whole stretch."""
        return self.path / "checkpoint.ckpt"

    @property
    def done(self) -> bool:
        """Whether the cell ran to its end."""
        return (self.path / "summary.json").exists()

    @property
    def summary(self) -> dict[str, Any]:
        """The numbers of a finished cell."""
        return json.loads((self.path / "summary.json").read_text())


@dataclass(frozen=True)
class Run:
    """One launch of one YAML."""

    path: Path

    def cells(self) -> list[Cell]:
        """Every cell that was begun, in the order of the YAML."""
        begun = [Cell(p.parent) for p in self.path.glob("cells/*/cell.json")]
        return sorted(begun, key=lambda cell: cell.meta["index"])

    @property
    def name(self) -> str:
        """Of the experiment."""
        return printable(self.config["name"])

    @property
    def config(self) -> dict[str, Any]:
        """The resolved YAML."""
        return yaml.safe_load((self.path / "experiment.yaml").read_text())

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, commit, machine."""
        return json.loads((self.path / "environment.json").read_text())


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """While nobody else is inside, of whatever process; a process that is killed is out.

    Two commands may want one cell, and a worker outlives a killed leader for a moment. (flock: between machines it
    needs a file system that locks, as NFS 4, Lustre with `flock`, or GPFS do.)
    """
    path.mkdir(parents=True, exist_ok=True)
    with open(path / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
