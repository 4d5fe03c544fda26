"""Forgeries: sealed files with seals that fit, in which an entry is missing or is something else."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml

from plasticity.engine import archive
from plasticity.results.sealed import (
    BLANK,
    digest,
    read_sealed_json,
    write_sealed,
    write_sealed_json,
)
from plasticity.results.store import NAMES

from .payloads import place

VALUES: list[Any] = [None, True, 7, -1, 2**80, 0.5, "x", "", [], [1], {}, {"a": 1}, [[["x"]]]]
"""What an entry may become."""
COLUMNS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "text": lambda column: column.cast(pl.String),
    "nulls": lambda column: column.replace_strict({}, default=None, return_dtype=pl.Float64),
    "lists": lambda column: column.implode().repeat_by(1).first(),
}
"""What a column may become."""


def forged(rng: Random, file: Path) -> str:
    """Forge one entry of a file; what was done."""
    if file.suffix == ".parquet":
        return _part(rng, file)
    if file.name == "experiment.yaml":
        tree = yaml.safe_load(file.read_text())
        did = _changed(rng, tree)
        file.write_text(yaml.safe_dump(tree))
        of_cells = digest({k: v for k, v in tree.items() if k not in NAMES})
        told = digest({k: v for k, v in tree.items() if k not in ("wandb", "loggers", "out")})
        about = file.with_name("environment.json")
        write_sealed_json(about, {"yaml": [told]}, "environment.json")
        for cell in file.parent.glob("cells/*/cell.json"):
            meta = read_sealed_json(cell, "cell.json") | {"yaml": of_cells}
            write_sealed_json(cell, meta, "cell.json")
        return did
    where = place(file)
    if file.suffix == ".json":
        tree = read_sealed_json(file, where)
        did = _changed(rng, tree)
        write_sealed_json(file, tree, where)
        return did
    tree = archive.load(file, where)
    did = _changed(rng, tree, [torch.zeros(2), *VALUES])
    archive.save(file, tree, where)
    return did


def _changed(rng: Random, tree: dict[str, Any], values: list[Any] = VALUES) -> str:
    """Drop or replace an entry, the deeper the less likely."""
    at: Any = tree
    path = list[str]()
    while True:
        key = rng.choice([*at] if isinstance(at, dict) else range(len(at)))
        path.append(str(key))
        inside = at[key]
        if not (isinstance(inside, dict | list) and inside) or rng.random() < 0.4:
            break
        at = inside
    name, value = ".".join(path), rng.choice(values)
    if rng.random() < 0.5:
        del at[key]
        return f"{name} dropped"
    at[key] = value
    return f"{name} is {value!r}"


def _part(rng: Random, file: Path) -> str:
    data, where = file.read_bytes(), place(file)
    facts = json.loads(pl.read_parquet_metadata(io.BytesIO(data))["plasticity"])
    frame, rows = pl.read_parquet(io.BytesIO(data)), facts["parts"]
    column, kind = rng.choice(frame.columns), rng.choice([*COLUMNS, "dropped", "parts"])
    if kind == "parts":
        facts["parts"] = rng.choice(
            [None, [], 3, [["x", "y"]], [[n, 0] for n, _ in rows], 2 * rows]
        )
        did = f"parts are {facts['parts']}"
    elif kind == "dropped":
        frame, did = frame.drop(column), f"{column} dropped"
    else:
        change = COLUMNS[kind](pl.col(column)).alias(column)
        frame, did = frame.with_columns(change), f"{column} is {kind}"
    sink, table = pa.BufferOutputStream(), frame.to_arrow()
    with pq.ParquetWriter(sink, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"seal": BLANK, "plasticity": json.dumps(facts)})
    write_sealed(file, sink.getvalue().to_pybytes(), where)
    return did
