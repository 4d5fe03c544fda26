"""Results: what runs have stored, as polars frames. `plasticity.load` is this module's `load`."""

import glob
import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
from jaxtyping import Float

from plasticity.core.errors import did_you_mean
from plasticity.metrics.glossary import GLOSSARY
from plasticity.metrics.significance import spread
from plasticity.metrics.skill import closed, gain
from plasticity.metrics.summary import finite, summarise
from plasticity.results.shapes import BITS
from plasticity.results.store import Cell, Run

TODAY = {entry.id for entry in GLOSSARY if "<" not in entry.id} | BITS.keys()
"""Numbers that every summary of today has."""
BAND = ["step", "kl/model", "kl/amnesic", "kl/continual"]
"""Of the step table, what a gain is made of."""
SHOWN = ("skill", "gain", "kl_return/model", "forgetting/chaudhry2018", "cost/ms_per_step")
"""Numbers that a notebook shows of every strategy; `summary` has all."""


def load(where: str | Path) -> "Results":
    """What the runs there have stored so far; finished or not.

        results = plasticity.load("runs/quickstart/*")
        results.summary.group_by("label").agg(polars.col("skill").mean())
        results.steps.filter(polars.col("step") > 100).collect()

    Args:
        where: the folder of a run; a folder with runs below it, links to one counted once; or a glob of such folders.

    Raises:
        FileNotFoundError: no run lies there; names the nearest folder.
    """
    path = Path(where)
    found = [path] if path.exists() else [Path(p) for p in sorted(glob.glob(str(where)))]
    runs = {run.resolve(): run for folder in reversed(found) for run in reversed(_below(folder))}
    if not runs:
        raise FileNotFoundError(_missing(path, found))
    return Results(tuple(map(Run, reversed(runs.values()))))


Unmoved = Mapping[tuple[int, str], Sequence[Cell]]
"""(seed, network and how far it was pretrained) -> cells of the strategy Frozen, of one run."""


def unmoved(cells: Iterable[Cell]) -> Unmoved:
    """Those of the cells whose network is never updated, by what makes them comparable to others."""
    found: dict[tuple[int, str], list[Cell]] = {}
    for cell in cells:
        if (cell.meta.get("strategy") or {}).get("type") == "Frozen":
            found.setdefault(_network(cell), []).append(cell)
    return found


def numbers(cell: Cell, frozen: Unmoved | None = None) -> dict[str, Any] | None:
    """Formula id -> number of a cell; of an unfinished one, those so far; None: nothing is stored yet.

    A summary from before a number of today was thought of is derived anew, from its tables; what is not in them stays
    as it was stored (`cost/`, `network/`, `world/`), and what they lack is None (code lengths, where answers were not
    counted).

    Args:
        cell: finished or not.
        frozen: of its run; None: they are looked for.
    """
    if not cell.done:
        return derived(cell, frozen=frozen)
    stored = cell.summary
    if TODAY <= stored.keys():
        return stored | {"gain": _gain(cell, stored, frozen)}
    kept = {k: v for k, v in stored.items() if k.startswith(("cost/", "network/", "world/"))}
    found = derived(cell, frozen=frozen)
    return stored if found is None else found | kept


@runtime_checkable
class OwnSummary(Protocol):
    """What a stream tells of a learner that no other could."""

    def summary(self, steps: pl.DataFrame, probes: pl.DataFrame) -> dict[str, float | None]:
        """Name -> number, from the tables of a cell."""
        ...


def derived(
    cell: Cell, stream: OwnSummary | None = None, frozen: Unmoved | None = None
) -> dict[str, Any] | None:
    """The numbers of a cell from its tables, by today's formulas; None: there are no steps or no probes yet.

    Args:
        cell: finished or not.
        stream: the world, if what only it can tell is wanted too.
        frozen: of its run; None: they are looked for.
    """
    tables = cell.steps, cell.probes, cell.condition, cell.frontier
    steps, probes, condition, frontier = (each.read() for each in tables)
    if not (len(steps) and len(probes)):
        return None
    own = stream.summary(steps, probes) if stream else {}
    start = never_updated(cell, steps, frozen)
    found = summarise(steps, probes, condition, frozen=start, frontier=frontier)
    return found | finite({f"world/{k}": v for k, v in own.items()})


def never_updated(
    cell: Cell, steps: pl.DataFrame, frozen: Unmoved | None = None
) -> Float[np.ndarray, " steps"] | None:
    """KL(informed || the same network, never updated) at the steps of a cell, from the one that ran beside it.

    That is the cell of the strategy Frozen with the same seed and network, which met the same batches.

    Args:
        cell: whose.
        steps: its step table, or those of its columns that BAND names.
        frozen: of its run; None: they are looked for.

    Returns:
        bits; None: there is none beside it, or not yet at all these steps.
    """
    for other in _twins(cell, frozen):
        table = other.steps.read(BAND)
        both = steps.select("step", "kl/amnesic").join(table, on="step") if len(table) else table
        alike = len(both) == len(steps) and np.allclose(
            both["kl/amnesic"], both["kl/amnesic_right"]
        )
        if alike:
            return both["kl/model"].to_numpy()
    return None


def _gain(cell: Cell, stored: Mapping[str, Any], frozen: Unmoved | None) -> float | None:
    """Of a finished cell, by what lies beside it now: by its numbers, if that is finished too."""
    twins = _twins(cell, frozen)
    for other in twins:
        its = other.summary if other.done else {}
        if its and all(
            math.isclose(stored[k] or math.nan, its.get(k) or math.nan, rel_tol=1e-9, abs_tol=1e-8)
            for k in ("steps", "kl/amnesic", "kl/continual")
        ):
            bits = [its.get("kl/model"), stored["kl/model"], stored["kl/continual"]]
            return None if None in bits else finite({"": closed(*bits)})[""]
    if not twins or not len(steps := cell.steps.read(BAND)):
        return None
    return finite({"": gain(steps, never_updated(cell, steps, frozen))})[""]


def _twins(cell: Cell, frozen: Unmoved | None) -> Sequence[Cell]:
    """The cells in which the same network met the same batches and was never updated."""
    if frozen is None:
        frozen = unmoved(Cell(p.parent) for p in cell.path.parent.glob("*/cell.json"))
    return frozen.get(_network(cell), ())


def _network(cell: Cell) -> tuple[int, str]:
    return cell.seed, json.dumps([cell.meta.get("network"), cell.meta.get("pretrained_gap")])


@dataclass(frozen=True)
class Results:
    """Runs, and their tables; every frame begins with the columns run, label and seed.

    Args:
        runs: in the order of their folders.
    """

    runs: tuple[Run, ...]

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
    def steps(self) -> pl.LazyFrame:
        """One row per step: step, regime, shift, alarm, answers, <metric>/<predictor> [bits], belief/<slot>."""
        return self._scanned("steps")

    @property
    def probes(self) -> pl.LazyFrame:
        """One row per probe of a regime: step, regime, <metric>/<predictor> [bits]; step s means after s updates."""
        return self._scanned("probes")

    @property
    def frontier(self) -> pl.LazyFrame:
        """One row per stretch: step, regime, fresh, and what exact mixtures lose: <live or fresh>/b<share> [bits]."""
        return self._scanned("frontier")

    @property
    def condition(self) -> pl.LazyFrame:
        """One row per measurement of the network: step, <column>/<source>."""
        return self._scanned("condition")

    @property
    def timing(self) -> pl.LazyFrame:
        """One row per stretch: step, seconds."""
        return self._scanned("timing")

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
