"""Flipped bits, cut files, files and folders in each other's place: refused by name, or the numbers are the same."""

import shutil
from pathlib import Path
from random import Random
from typing import Any

import pytest

from plasticity.results.store import Run

from ..calling import Call
from .amount import Tally, amount
from .damage import BITS, FOLDERS, damaged
from .reading import called, judged, read, refused
from .worlds import differing, record

FLIPS, BROKEN = amount(4, 200), amount(4, 100)
"""How many files are flipped or cut, and how many folders damaged otherwise."""
RUNS = ("finished", "unfinished")
RIGHT: dict[str, Any] = {}
"""What is read where nothing is damaged."""


@pytest.fixture
def right(here: Call, whole: Path) -> dict[str, Any]:
    """What is read of each run, and what it comes to when it is resumed, where nothing is damaged."""
    if not RIGHT:
        RIGHT.update({run: read(here, run) for run in RUNS})
        for run in RUNS:
            assert not here("resume", run).code
            RIGHT[f"{run} resumed"] = record(Run(Path(run)))
            shutil.rmtree(run)
        shutil.copytree(whole, ".", dirs_exist_ok=True)
    return RIGHT


@pytest.mark.parametrize("seed", range(FLIPS + BROKEN))
def test_nothing_damaged_is_read_as_if_it_were_whole(
    seed: int, here: Call, right: dict[str, Any], tally: Tally
) -> None:
    did, touched = damaged(Random(seed), BITS if seed < FLIPS else FOLDERS)
    tally("flipped or cut" if seed < FLIPS else "damaged folders")
    wrong = list[str]()
    for run in RUNS:
        if touched[0].parts[0] not in (run, "runs"):
            continue
        try:
            found = judged(read(here, run), right[run], touched)
            for outcome in [*found, resumed(here, run, right, touched)]:
                tally(f"readings {outcome}")
        except AssertionError as error:
            tally("mismatched")
            wrong.append(str(error))
    assert not wrong, f"seed {seed}: {did}: {wrong}"


def resumed(call: Call, run: str, right: dict[str, Any], touched: list[Path]) -> str:
    """What came of `plasticity resume`; what it says is done is what it should be."""
    done = called(call, "resume", run)
    if done.code:
        return refused(done, touched)
    wrong = differing(record(Run(Path(run))), right[f"{run} resumed"])
    assert not wrong, f"resume: {wrong} differ"
    return "identical"
