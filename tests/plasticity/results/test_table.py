"""Parts come back in the order of their numbers, whatever was merged; what is missing or foreign is named."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from plasticity.results.sealed import Damaged
from plasticity.results.store import Cell
from plasticity.results.table import MERGED, Table


def fill(table: Table, parts: int, first: int = 0) -> None:
    """Of two rows each; every fifth has none."""
    for part in range(first, first + parts):
        rows = np.arange(2 * part, 2 * part + 2 if part % 5 else 2 * part)
        table.write(part, {"step": rows, "kl/model": rows / 7})


def wanted(parts: int) -> list[int]:
    return [step for part in range(parts) if part % 5 for step in (2 * part, 2 * part + 1)]


def test_parts_beyond_five_digits_are_in_order(tmp_path: Path) -> None:
    table = Table(tmp_path)
    for part in (99_999, 100_000, 100_001):
        table.write(part, {"step": np.array([part])})
    assert table.read()["step"].to_list() == [99_999, 100_000, 100_001]


def test_many_parts_are_few_files(tmp_path: Path) -> None:
    table, most = Table(tmp_path, "mine"), 0
    for part in range(3000):
        fill(table, 1, part)
        table.merge(upto=part)
        most = max(most, sum(1 for _ in tmp_path.iterdir()))
    assert most <= 2 * MERGED + 1
    assert table.read()["step"].to_list() == wanted(3000)
    assert table.part(1234)["step"].to_list() == [2468, 2469] and table.part(5).is_empty()
    assert dict(table.parts())[2999] == 2 and len(table.parts()) == 2400
    table.merge(upto=3000, whole=True)
    assert [path.name for path in tmp_path.iterdir()] == ["00001-02999.parquet"]
    assert table.read()["step"].to_list() == wanted(3000)


def test_a_kill_while_merging_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The merged file is there, and none, some or all of those it was made of."""
    table = Table(tmp_path / "t", "mine")
    fill(table, MERGED + 20)
    shutil.copytree(tmp_path / "t", tmp_path / "before")
    table.merge(upto=MERGED + 20)
    singles = sorted((tmp_path / "before").iterdir())
    for left in (1, 7, len(singles)):
        for path in singles[:left]:
            shutil.copy(path, tmp_path / "t")
        assert table.read()["step"].to_list() == wanted(MERGED + 20)
    fill(table, 2 * MERGED, MERGED + 20)
    table.merge(upto=3 * MERGED + 20)
    assert table.read()["step"].to_list() == wanted(3 * MERGED + 20)
    assert len(list((tmp_path / "t").iterdir())) < MERGED, "what a kill left behind is gone"


def test_a_kill_before_a_merged_file_has_its_name_leaves_nothing(tmp_path: Path) -> None:
    """When the merge is tried again the table has other parts, and one file may be left of all."""
    table = Table(tmp_path, "mine")
    for first, size in ((0, MERGED), (MERGED, 1)):
        fill(table, size, first)
        (tmp_path / f".00000-{first:05d}.parquet.partial").write_bytes(b"half")
        table.merge(upto=first + size, whole=True)
        assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / "00003.parquet").write_bytes(b"the kill came before this one was removed")
    table.merge(upto=MERGED + 1, whole=True)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_part_that_is_written_again_replaces_its_first_try(tmp_path: Path) -> None:
    table = Table(tmp_path, "mine")
    fill(table, 4)
    table.write(2, {"step": np.array([4, 5]), "kl/model": np.array([9.0, 9.0])})
    assert table.read()["kl/model"].to_list()[2:4] == [9.0, 9.0]


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_missing_part_is_noticed(lost: int, tmp_path: Path) -> None:
    table = Table(tmp_path, "mine")
    fill(table, 5)
    (tmp_path / f"{lost:05d}.parquet").unlink()
    with pytest.raises(Damaged, match=rf"part {lost}(, and part {lost})? is missing"):
        table.read()


def test_the_last_part_of_a_finished_cell_cannot_go(tmp_path: Path) -> None:
    cell = Cell(tmp_path)
    cell.begin({"label": "EWC", "seed": 0, "index": 0}, "identity")
    fill(cell.condition, 5)
    cell.end({"skill": 0.5})
    assert cell.summary == {"skill": 0.5}
    (tmp_path / "condition" / "00004.parquet").unlink()
    with pytest.raises(Damaged, match="its last part is 4, and what follows part 3 is missing"):
        cell.condition.read()


def test_parts_of_another_cell_or_number_are_refused(tmp_path: Path) -> None:
    mine, other = Table(tmp_path / "a", "one cell"), Table(tmp_path / "b", "other cell")
    for table in (mine, other):
        fill(table, 4)
    shutil.copy(tmp_path / "b" / "00002.parquet", tmp_path / "a" / "00002.parquet")
    with pytest.raises(Damaged, match=r"00002\.parquet: it is damaged, or was written for another"):
        mine.read()
    one, two = (tmp_path / "b" / f"0000{n}.parquet" for n in (1, 2))
    swapped = two.read_bytes()
    two.write_bytes(one.read_bytes())
    one.write_bytes(swapped)
    with pytest.raises(Damaged, match=r"00001\.parquet"):
        other.read()
