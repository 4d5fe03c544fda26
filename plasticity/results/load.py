"""Results: what runs have stored, as polars frames. `plasticity.load` is this module's `load`."""

import glob
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, cast, overload

import polars as pl

from plasticity.core.errors import did_you_mean
from plasticity.metrics.significance import spread
from plasticity.results.numbers import numbers, unmoved
from plasticity.results.store import Cell, Run

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
SHOWN = ("skill", "gain", "kl_return/model", "forgetting/chaudhry2018", "cost/ms_per_step")
"""Numbers that a notebook shows of every strategy; `summary` has all."""


@overload
def load(where: str | Path, lazy: Literal[False] = False) -> "Results[pl.DataFrame]": ...
@overload
def load(where: str | Path, lazy: Literal[True]) -> "Results[pl.LazyFrame]": ...
def load(where: str | Path, lazy: bool = False) -> "Results[Any]":
    """What the runs there have stored so far; finished or not.

        results = plasticity.load("runs/quickstart/*")
        results.summary.group_by("label").agg(polars.col("skill").mean())
        results.steps.filter(polars.col("step") > 100)

    Args:
        where: the folder of a run; a folder with runs below it, links to one counted once; or a glob of such folders.
        lazy: whether the tables are LazyFrames, of which polars reads what a query asks for; else DataFrames.

    Raises:
        FileNotFoundError: no run lies there; names the nearest folder.
    """
    path = Path(where)
    found = [path] if path.exists() else [Path(p) for p in sorted(glob.glob(str(where)))]
    runs = {run.resolve(): run for folder in reversed(found) for run in reversed(_below(folder))}
    if not runs:
        raise FileNotFoundError(_missing(path, found))
    return Results(tuple(map(Run, reversed(runs.values()))), lazy)


@dataclass(frozen=True)
class Results(Generic[Frame]):
    """Runs, and their tables; every frame begins with the columns run, label and seed.

    Args:
        runs: in the order of their folders.
        lazy: whether tables other than the summary are LazyFrames.
    """

    runs: tuple[Run, ...]
    lazy: bool = False

    @property
    def summary(self) -> pl.DataFrame:
        """One row per cell: whether it is done, and every number by its formula id; null: undefined."""
        rows = [
            {**_head(run, cell), "done": cell.done, **(numbers(cell, frozen) or {})}
            for run in self.runs
            for cells in [run.cells()]
            for frozen in [unmoved(cells)]
            for cell in cells
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    @property
    def steps(self) -> Frame:
        """One row per step: step, regime, shift, alarm, answers, <metric>/<predictor> [bits], belief/<slot>."""
        return self._table("steps")

    @property
    def probes(self) -> Frame:
        """One row per probe of a regime: step, regime, <metric>/<predictor> [bits]; step s means after s updates."""
        return self._table("probes")

    @property
    def frontier(self) -> Frame:
        """One row per stretch: step, regime, fresh, and what exact mixtures lose: <live or fresh>/b<share> [bits]."""
        return self._table("frontier")

    @property
    def condition(self) -> Frame:
        """One row per measurement of the network: step, <column>/<source>."""
        return self._table("condition")

    @property
    def timing(self) -> Frame:
        """One row per stretch: step, seconds."""
        return self._table("timing")

    @property
    def configs(self) -> dict[str, dict[str, Any]]:
        """Folder of a run -> its resolved YAML."""
        return {run.path.as_posix(): run.config for run in self.runs}

    @property
    def config(self) -> dict[str, Any]:
        """The resolved YAML of the one run that was loaded.

        Raises:
            ValueError: several were.
        """
        if len(self.runs) > 1:
            raise ValueError(f"config: expected one run, got {len(self.runs)}; configs has all")
        return next(iter(self.configs.values()))

    def _table(self, kind: str) -> Frame:
        scanned = self._scanned(kind)
        return cast(Frame, scanned if self.lazy else scanned.collect())

    def _scanned(self, kind: str) -> pl.LazyFrame:
        """A table of every cell, found to be as it was written (else: Damaged), and no value of it read yet."""
        frames = []
        for run in self.runs:
            for cell in run.cells():
                if parts := cell.table(kind).verified():
                    head = [pl.lit(value).alias(key) for key, value in _head(run, cell).items()]
                    files = [part.absolute() for part in parts]  # `file:x` would be a URL
                    frames.append(pl.scan_parquet(files, glob=False).select(*head, pl.all()))
        empty = pl.LazyFrame(schema={"run": pl.String, "label": pl.String, "seed": pl.Int64})
        return pl.concat(frames, how="diagonal_relaxed") if frames else empty

    def _shown(self) -> list[list[str]]:
        """A line for each strategy of each run: which, how many seeds, and mean and interval of a few numbers."""
        table, lines = self.summary, list[list[str]]()
        if not len(table):
            return lines
        for (run, label), cells in table.group_by("run", "label", maintain_order=True):
            values = [cells[key] if key in cells.columns else pl.Series([None]) for key in SHOWN]
            lost = cells["diverged/step"].drop_nulls() if "diverged/step" in cells.columns else []
            shown = ["-" if v.null_count() else spread(v.to_list(), 3) for v in values]
            shown[0] = f"diverged ({len(lost)}/{len(cells)})" if len(lost) else shown[0]
            done = f"{cells['done'].sum()}/{len(cells)}"
            lines.append([str(run), str(label), done, *shown])
        return lines

    def __repr__(self) -> str:
        lines = [["run", "label", "done", *SHOWN], *self._shown()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = (
            "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) for line in lines
        )
        return "\n".join([f"{len(self.runs)} run{'s' * (len(self.runs) > 1)}", *text])

    def _repr_html_(self) -> str:
        lines = [["run", "label", "done", *SHOWN], *self._shown()]
        rows = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in line)}</tr>"
            for line in lines
        )
        return f"<table>{rows}</table>"


def _head(run: Run, cell: Cell) -> dict[str, Any]:
    return {"run": run.path.as_posix(), "label": cell.label, "seed": cell.seed}


def _below(folder: Path) -> list[Path]:
    """The runs at or below a folder. One with cells holds no others, whatever a sweep keeps beside its runs."""
    if not folder.is_dir():
        return []
    if (folder / "cells").is_dir() and (folder / "experiment.yaml").exists():
        return [folder]
    within = [run for child in sorted(folder.iterdir()) for run in _below(child)]
    return within or [folder] * (folder / "experiment.yaml").exists()


def _missing(path: Path, found: Sequence[Path]) -> str:
    """Why nothing was loaded, with the nearest folder that is there."""
    if found:
        return f"{path}: expected the folder of a run (it holds experiment.yaml), or of several; there is none in it"
    nearest = next(
        parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists()
    )
    missed = path.absolute().relative_to(nearest).parts[0]
    names = sorted(p.name for p in nearest.iterdir() if p.is_dir()) if nearest.is_dir() else []
    return (
        f"{path}: there is no such folder; the nearest is {nearest}.{did_you_mean(missed, names)}"
    )
