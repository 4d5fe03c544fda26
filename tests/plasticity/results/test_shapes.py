"""What a stranger sealed is looked at: what is missing, or of another type, is refused in a line that names it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import plasticity
from plasticity.results.sealed import (
    BLANK,
    Damaged,
    read_sealed_json,
    write_sealed,
    write_sealed_json,
)
from plasticity.results.shapes import CHECKPOINT, TABLES, expect
from plasticity.results.store import Cell, Run
from plasticity.results.table import Table

from ...calling import Call
from .runs import made

PLACES: dict[str, Callable[[Run], tuple[Path, str]]] = {
    "cell.json": lambda run: (run.cells()[0].path / "cell.json", "cell.json"),
    "summary.json": lambda run: (
        run.cells()[0].path / "summary.json",
        run.cells()[0].place("summary"),
    ),
    "environment.json": lambda run: (run.path / "environment.json", "environment.json"),
}
FORGERIES: list[tuple[str, str, Any, str]] = [
    ("cell.json", "label", ..., "label: expected text, it is missing"),
    ("cell.json", "label", 3, "label: expected text, got 3"),
    ("cell.json", "seed", "0", "seed: expected a whole number, got '0'"),
    ("cell.json", "seed", True, "seed: expected a whole number, got True"),
    ("cell.json", "seed", 2**63, "seed: expected a whole number, got 9223372036854775808"),
    ("cell.json", "index", ..., "index: expected a whole number, it is missing"),
    ("cell.json", "identity", [1], "identity: expected text, got [1]"),
    ("cell.json", "strategy", "EWC", "strategy: expected a mapping or null, got 'EWC'"),
    ("cell.json", "pretrained_gap", {}, "pretrained_gap: expected a number or null, got {}"),
    ("summary.json", "numbers", ..., "numbers: expected a mapping, it is missing"),
    ("summary.json", "numbers", [0.5], "numbers: expected a mapping, got [0.5]"),
    ("summary.json", "numbers.skill", "0.5", "numbers.skill: expected a number or null, got '0.5'"),
    ("summary.json", "numbers.skill", [1], "numbers.skill: expected a number or null, got [1]"),
    ("summary.json", "numbers.skill", 2**80, "numbers.skill: expected a number or null, got 1208"),
    ("summary.json", "numbers.skill", 10**400, "numbers.skill: expected a number or null, got 10"),
    ("summary.json", "last", ..., "last: expected a mapping, it is missing"),
    ("summary.json", "last.steps", None, "last.steps: expected a whole number, got None"),
    ("environment.json", "yaml", ..., "yaml: expected a list, it is missing"),
    ("environment.json", "yaml", [1], "yaml.0: expected text, got 1"),
]


@pytest.mark.parametrize(("name", "key", "value", "said"), FORGERIES)
def test_a_forged_entry_is_named(
    name: str, key: str, value: Any, said: str, call: Call, tmp_path: Path
) -> None:
    run = made(tmp_path / "run", {"Frozen": [0.0], "EWC": [0.5]}, seeds=(0,))
    file, place = PLACES[name](run)
    tree = read_sealed_json(file, place)
    *above, last = key.split(".")
    at = tree[above[0]] if above else tree
    if value is ...:
        del at[last]
    else:
        at[last] = value
    write_sealed_json(file, tree, place)
    done = call("report", str(run.path))
    assert done.code == 2 and "Traceback" not in done.err
    assert done.err.startswith(f"{file}: {said}"), done.err
    assert len(done.err.splitlines()) == 1


def test_a_number_that_a_summary_lacks_is_derived_anew(tmp_path: Path) -> None:
    """As where it was written before the number was thought of."""
    run = made(tmp_path / "run", {"Frozen": [0.0], "EWC": [0.5]}, seeds=(0,))
    right = plasticity.load(run.path).summary
    for cell in run.cells():
        numbers = {k: v for k, v in cell.summary.items() if k not in ("kl/model", "skill")}
        cell.end(numbers)
    again = plasticity.load(run.path).summary
    assert again["kl/model"].to_list() == right["kl/model"].to_list()
    assert again["skill"].to_list() == right["skill"].to_list()


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999"])
def test_a_number_is_finite(text: str, tmp_path: Path) -> None:
    run = made(tmp_path / "run", {"EWC": [0.5]}, seeds=(0,))
    file, place = PLACES["summary.json"](run)
    tree = read_sealed_json(file, place)
    tree["numbers"]["skill"] = "HERE"
    data = json.dumps({"seal": "SEAL", **tree}).replace('"HERE"', text)
    write_sealed(file, data.replace("SEAL", BLANK).encode(), place)
    with pytest.raises(Damaged, match="no JSON mapping|numbers.skill: expected a number or null"):
        plasticity.load(run.path).summary  # noqa: B018


STEP = {"step": np.arange(3), "seconds": np.ones(3)}
COLUMNS: list[tuple[dict[str, np.ndarray], str]] = [
    ({"step": STEP["step"]}, "column seconds: expected a number, it is missing"),
    (STEP | {"step": np.ones(3)}, "column step: expected a whole number, got Float64"),
    (STEP | {"step": np.array(["a", "b", "c"])}, "column step: expected a whole number, got Str"),
    (STEP | {"other": np.array(["a", "b", "c"])}, "column other: expected a number, got String"),
]


@pytest.mark.parametrize(("columns", "said"), COLUMNS)
def test_a_table_has_its_columns(columns: dict[str, np.ndarray], said: str, tmp_path: Path) -> None:
    (cell,) = made(tmp_path / "run", {"EWC": [0.5]}, seeds=(0,)).cells()
    cell.timing.write(0, columns)
    for read in (cell.timing.read, cell.timing.verified, lambda: cell.timing.part(0)):
        with pytest.raises(Damaged, match=f"00000.parquet: {said}"):
            read()


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("frontier", "fresh/b0.05"),
        ("frontier", "live/b1"),
        ("steps", "kl_realised/informed"),
        ("probes", "kl_amnesic/model"),
    ],
)
def test_what_the_metrics_need_is_in_the_table(kind: str, column: str, tmp_path: Path) -> None:
    (cell,) = made(tmp_path / "run", {"EWC": [0.5]}, seeds=(0,)).cells()
    rows = {name: np.zeros(2, of) for name, of in TABLES[kind].items()}
    cell.table(kind).write(9, {name: each for name, each in rows.items() if name != column})
    with pytest.raises(Damaged, match=f"column {column}: expected a number, it is missing"):
        Cell(cell.path).table(kind).read()


def test_parts_have_their_rows(tmp_path: Path) -> None:
    """A file that says of itself that it has other rows than it has."""
    table = Table(tmp_path)
    table.write(0, STEP)
    (file,) = table.files()
    frame = table.read().to_arrow()
    for parts in ([(0, 2)], [(0, 4)], [(0, 0), (1, 3)], []):
        table._write(file, frame, parts, [])
        with pytest.raises(Damaged, match=r"00000.parquet: parts: expected 3 rows in all, got \["):
            table.read()


def test_what_may_be_missing() -> None:
    expect(Path("x"), {"a": 1}, {"a": int, "b": str | None})
    with pytest.raises(Damaged, match="x: state_dict: expected a mapping, it is missing"):
        expect(Path("x"), {"epoch": 1}, CHECKPOINT)
    for value in ([1], "x", None):
        with pytest.raises(Damaged, match="x: it: expected a mapping"):
            expect(Path("x"), value, {"a": int})


def test_cells_of_a_forged_checkpoint_are_named(call: Call) -> None:
    """Whatever it lacks deep inside."""
    from plasticity.engine import archive

    from ..launch.test_failures import falls

    with pytest.MonkeyPatch.context() as patched:
        falls(patched, ValueError("stop"), 7)
        assert call("run", "good.yaml", "--run-dir", "run").code == 101
    cell = Cell(Path("run/cells/Finetune-seed0"))
    right = archive.load(cell.checkpoint, cell.place("checkpoint"))
    for drop in ("epoch", "state_dict", "loops", "optimizer_states", "StreamDataModule"):
        archive.save(
            cell.checkpoint, {k: v for k, v in right.items() if k != drop}, cell.place("checkpoint")
        )
        done = call("resume", "run")
        assert done.code == 101 and "Traceback" not in done.err + done.out
        assert "failed: run/cells/Finetune-seed0/checkpoint.safetensors: " in done.out, drop
        assert drop in done.out or "it is sealed, and is not the state of this" in done.out
