"""The record of truth: parquet parts on disk, each written whole and sealed.

runs/<name>/<id>/               Run: one launch of one YAML
    experiment.yaml             everything resolved: run it again and the same numbers come
    environment.json            versions, git commit, machine
    cells/<label>-seed<k>/      Cell: one strategy under one seed
        cell.json               what it is; its identity is the SHA-256 of all that decides its numbers
        steps/00000.parquet ...  parts of its tables: `Cell` says what is in each
        checkpoint.safetensors  the learner after the last stretch; gone when the cell is done
        error.txt               why it failed, where it did
        summary.json            present when the cell is done
    report.html
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from plasticity.core.names import folder_name, printable
from plasticity.results.sealed import (
    Damaged,
    digest,
    write_sealed_json,
    write_whole,
)
from plasticity.results.shapes import CELL, CONFIG, ENVIRONMENT, SUMMARY, TABLES, expect, read_json
from plasticity.results.table import Table

KINDS = tuple(TABLES)
"""Tables of a cell."""
NAMES = ("name", "out", "wandb", "loggers", "keep", "seed", "seeds")
"""Keys of a YAML that say nothing of the numbers of a cell; a sweep adds seeds to its runs."""
OVER = "to start this cell over, remove its folder: rm -r {}"
"""What to do about a file of a cell that is damaged."""


@dataclass(frozen=True)
class Cell:
    """One strategy under one seed. What lies in its folder is sealed to it: to all that decides its numbers."""

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

    @cached_property
    def meta(self) -> dict[str, Any]:
        """What was fixed before the first step: label, seed, strategy, observers' alphabet.

        Raises:
            Damaged: it is not as it was written.
        """
        with self.remedied():
            return read_json(self.path / "cell.json", "cell.json", CELL)

    @property
    def begun(self) -> bool:
        """Whether anything was fixed; before that the folder holds at most a lock and why it failed.

        Raises:
            Damaged: there is something else, and it does not say of what cell.
        """
        file = self.path / "cell.json"
        if file.exists() or not self.path.is_dir():
            return file.exists()
        if any(p.name != "error.txt" and p.name[0] != "." for p in self.path.iterdir()):
            text = "it is missing, and without it nobody knows of which cell the other files are"
            raise Damaged(file, text, OVER.format(self.path))
        return False

    @property
    def identity(self) -> str:
        """SHA-256 of all that decides its numbers; "" of one that was not begun."""
        return self.meta["identity"] if (self.path / "cell.json").exists() else ""

    def begin(self, meta: Mapping[str, Any], identity: str, yaml: str | None = None) -> None:
        """Write down what was fixed before the first step.

        Args:
            meta: label, seed, index and whatever explains the numbers.
            identity: SHA-256 of all that decides them.
            yaml: digest of the run's.

        Raises:
            Damaged: another cell lies here, which was begun with what decides other numbers.
        """
        file = self.path / "cell.json"
        if file.exists() and self.identity != identity:
            text = "this cell was begun under another experiment.yaml than the one that is to go on"
            raise Damaged(file, text, f"put back its own, or {OVER.format(self.path)}")
        write_sealed_json(file, {**meta, "identity": identity, "yaml": yaml}, "cell.json")
        vars(self).pop("meta", None)

    def end(self, summary: Mapping[str, Any]) -> None:
        """Write down the numbers of the finished cell; from now on it is done.

        Args:
            summary: formula id -> number.

        Raises:
            Damaged: some table is not whole.
        """
        parts = {kind: Table(self.path / kind, self.place(kind)).parts() for kind in KINDS}
        last = {kind: every[-1][0] if every else -1 for kind, every in parts.items()}
        record = {"numbers": {**summary}, "last": last}
        write_sealed_json(self.path / "summary.json", record, self.place("summary"))

    def start_over(self) -> None:
        """Forget every step."""
        for kind in KINDS:
            self.table(kind).clear()
        self.checkpoint.unlink(missing_ok=True)

    def table(self, kind: str) -> Table:
        """One of KINDS. Of a finished cell, parts that are missing at the end are noticed too."""
        last = self._end["last"].get(kind, -1) if self.done else None
        return Table(self.path / kind, self.place(kind), last, TABLES[kind])

    @property
    def steps(self) -> Table:
        """One row per step: step, regime, shift, alarm, answers, <metric>/<predictor> [bits]."""
        return self.table("steps")

    def recorded(self) -> list[int]:
        """The steps of which there is a row, in order: 0, 1, 2, ... of a whole record; Damaged where a part is."""
        with self.remedied():
            rows = self.steps.read(["step"])
        return rows["step"].to_list() if len(rows) else []

    @property
    def probes(self) -> Table:
        """One row per probe of a regime: step, regime, <metric>/<predictor> [bits]; step s means after s updates."""
        return self.table("probes")

    @property
    def condition(self) -> Table:
        """One row per measurement of the network: step, <column>/<source>; step s means after s updates."""
        return self.table("condition")

    @property
    def frontier(self) -> Table:
        """One row per stretch: step, regime, fresh, and what the exact mixtures lose [bits]."""
        return self.table("frontier")

    @property
    def timing(self) -> Table:
        """One row per stretch: step, seconds."""
        return self.table("timing")

    @property
    def checkpoint(self) -> Path:
        """The learner after the last whole stretch: an archive."""
        return self.path / "checkpoint.safetensors"

    @property
    def error(self) -> Path:
        """Why the cell failed when it was last tried."""
        return self.path / "error.txt"

    def fail(self, why: str) -> None:
        """Write down why it failed, for people: whatever cannot be encoded is replaced."""
        write_whole(self.error, why.encode("utf-8", "replace"))

    @property
    def done(self) -> bool:
        """Whether the cell ran to its end."""
        return (self.path / "summary.json").exists()

    @property
    def summary(self) -> dict[str, Any]:
        """The numbers of a finished cell; Damaged where they are not as they were written."""
        return self._end["numbers"]

    @property
    def _end(self) -> dict[str, Any]:
        """The numbers, and the last part of each table."""
        with self.remedied():
            return read_json(self.path / "summary.json", self.place("summary"), SUMMARY)

    def place(self, what: str) -> str:
        """Under which something of this cell is sealed."""
        return f"{self.identity}/{what}"

    @contextmanager
    def remedied(self) -> Iterator[None]:
        """Whoever finds something damaged says how to start the cell over."""
        try:
            yield
        except Damaged as error:
            raise Damaged(error.path, error.text, OVER.format(self.path)) from None


@dataclass(frozen=True)
class Run:
    """One launch of one YAML."""

    path: Path

    def cells(self) -> list[Cell]:
        """Every cell that was begun, in the order of the YAML.

        Raises:
            Damaged: one was begun under another YAML than lies here now, or in another folder; of one there are tables
                and no cell.json.
        """
        begun = [(cell, cell.meta) for cell in map(Cell, self.path.glob("cells/*")) if cell.begun]
        ours = self.digest
        for cell, meta in begun:
            file, name = cell.path / "cell.json", folder_name(meta["label"], f"-seed{meta['seed']}")
            if meta.get("yaml") != ours:
                text = "it was begun under another experiment.yaml than the one of this run"
                raise Damaged(file, text, "put that one back, or remove the cell")
            if cell.name != name:
                raise Damaged(file, f"it is of the cell {name}", "put its folder back in its place")
        return [cell for cell, _ in sorted(begun, key=lambda each: each[1]["index"])]

    def begin(self, text: str, environment: Mapping[str, Any]) -> None:
        """Write down what runs, and what the numbers may depend on besides.

        Args:
            text: the resolved YAML. It may be written again, for a sweep adds seeds to its runs.
            environment: versions, commit, machine.
        """
        known = self._about["yaml"] if (self.path / "environment.json").exists() else []
        about = {**environment, "yaml": [*known, _told(yaml.safe_load(text))]}
        write_sealed_json(self.path / "environment.json", about, "environment.json")
        write_whole(self.path / "experiment.yaml", text.encode())

    @property
    def digest(self) -> str | None:
        """SHA-256 of what the resolved YAML says of the numbers; None: there is no YAML, as of a bench's cells."""
        if not (self.path / "experiment.yaml").exists():
            return None
        return _told(self.config, NAMES)

    @property
    def name(self) -> str:
        """Of the experiment."""
        return printable(self.config["name"])

    @property
    def config(self) -> dict[str, Any]:
        """The resolved YAML.

        Raises:
            Damaged: it is not as it was written.
        """
        file = self.path / "experiment.yaml"
        try:
            found = yaml.safe_load(file.read_bytes())
            known = _told(found) in self._about["yaml"]
        except (
            yaml.YAMLError,
            AttributeError,
            IsADirectoryError,
            RecursionError,
            TypeError,
            ValueError,
        ):
            found, known = {}, False
        if not known:
            text = "it is not what environment.json says (`wandb`, `loggers` and `out` may be changed since)"
            raise Damaged(file, text, "put that one back, or start another run with this one")
        expect(file, found, CONFIG)
        return found

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, commit, machine; Damaged where they are not as they were written."""
        return {k: v for k, v in self._about.items() if k != "yaml"}

    @property
    def _about(self) -> dict[str, Any]:
        file = self.path / "environment.json"
        if not file.exists():
            raise Damaged(file, "it is missing, and nothing tells experiment.yaml from another")
        return read_json(file, "environment.json", ENVIRONMENT)


def _told(config: Mapping[str, Any], but: Sequence[str] = ("wandb", "loggers", "out")) -> str:
    """SHA-256 of what a YAML says, but for some keys."""
    return digest({k: v for k, v in config.items() if k not in but})
