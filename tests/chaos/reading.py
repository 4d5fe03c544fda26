"""Everything that reads a run, and whether what it says is refused, right, or neither."""

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import plasticity
from plasticity.core.errors import ConfigError

from ..calling import Call, Done

CELL = "Replay-seed1"
"""Of the unfinished run, the one that was stopped."""
COMMANDS = {
    "finished": [("report", "finished"), ("compare", "finished", "unfinished")],
    "unfinished": [
        ("report", "unfinished"),
        ("matrix", f"unfinished/cells/{CELL}", "--prompts", "12", "--to", "matrix.html"),
    ],
}
"""Run -> what only reads it."""
FRAMES = ("steps", "probes", "condition", "frontier")


def loaded(run: str) -> dict[str, dict[str, Any]]:
    """Label -> summary and tables of its cell, as `plasticity.load` has them.

    Raises:
        ConfigError, FileNotFoundError: it refuses.
    """
    results = plasticity.load(run)
    found: dict[str, dict[str, Any]] = {
        row["label"]: {"summary": row} for row in results.summary.to_dicts()
    }
    for frame in FRAMES:
        rows = getattr(results, frame)
        for label, tables in found.items():
            mine = rows.filter(rows["label"] == label).to_dicts() if len(rows) else []
            tables[frame] = [repr(row) for row in mine]
    return found


def called(call: Call, *words: str) -> Done:
    """`plasticity WORDS`, page and all, for it reads what it draws; what escapes is what a terminal would show."""
    try:
        return call(*words, drawn=True)
    except Exception:
        return Done(1, "", traceback.format_exc())


def read(call: Call, run: str) -> dict[str, Any]:
    """Command -> what came of it; `load` -> the cells, or the sentence of a refusal."""
    found: dict[str, Any] = {" ".join(words): called(call, *words) for words in COMMANDS[run]}
    if run == "unfinished" and Path("matrix.json").exists():
        found["matrix.json"] = Path("matrix.json").read_text()
    try:
        found["load"] = loaded(run)
    except (ConfigError, FileNotFoundError) as error:
        found["load"] = str(error)
    except Exception:
        found["load"] = traceback.format_exc()
    return found


def judged(found: Mapping[str, Any], right: Mapping[str, Any], touched: list[Path]) -> list[str]:
    """Of each reader: refused, identical, or earlier: what is there of a cell that now counts as unfinished.

    Raises:
        AssertionError: something wrong was read, or refused without a name, or with a traceback.
    """
    outcomes = dict[str, str]()
    cells = found["load"]
    if isinstance(cells, str):
        outcomes["load"] = refused(cells, touched)
    else:
        gone = right["load"].keys() - cells.keys() if not touched[0].exists() else {}
        assert cells.keys() | gone == right["load"].keys(), f"load: cells are {list(cells)}"
        each = [
            judged_cell(label, cell, right["load"][label], "Frozen" in gone)
            for label, cell in cells.items()
        ]
        outcomes["load"] = "earlier" if gone or "earlier" in each else "identical"
    for name in found.keys() - {"load"}:
        mine, its = found[name], right[name]
        if isinstance(mine, Done) and mine.code:
            outcomes[name] = refused(mine, touched)
        elif outcomes["load"] == "earlier" and "matrix" not in name:
            outcomes[name] = "earlier"
        else:
            same = mine.out == its.out if isinstance(mine, Done) else mine == its
            assert same, f"{name}: reads {mine} for {its}"
            outcomes[name] = "identical"
    return list(outcomes.values())


def refused(said: Done | str, touched: list[Path]) -> str:
    """Nothing to object to, if a refusal has the right code and names what is damaged."""
    text = said if isinstance(said, str) else said.out + said.err
    if isinstance(said, Done):
        assert said.code == 2 or 101 <= said.code <= 120, f"exit code {said.code}: {text}"
    assert "Traceback" not in text, text
    names = {part for path in touched for part in (path.name, *path.parts[2:3])}
    assert any(name in text for name in names), f"none of {names} is named: {text}"
    return "refused"


def judged_cell(label: str, cell: Mapping[str, Any], right: Mapping[str, Any], alone: bool) -> str:
    """identical, or earlier: it does not count as done, and its tables are beginnings of the right ones.

    Args:
        label: of the cell.
        cell: as it is loaded.
        right: as it should be.
        alone: whether Frozen, from which `gain` counts, is not there.
    """
    mine, its = cell["summary"], dict(right["summary"])
    if alone and mine["gain"] is None:
        its["gain"] = None
    if mine["done"]:
        assert repr(cell) == repr({**right, "summary": its}), f"load: {label} differs"
        return "identical"
    whole = True
    for frame in FRAMES:
        assert cell[frame] == right[frame][: len(cell[frame])], f"load: {label} {frame} differs"
        whole &= cell[frame] == right[frame]
    kept = {k for k in its if k != "done" and not k.startswith(("cost/", "world/"))}
    for key in kept if whole else ():
        assert repr(mine.get(key)) == repr(its[key]), f"load: {label} {key} differs"
    return "identical" if whole and not its["done"] else "earlier"
