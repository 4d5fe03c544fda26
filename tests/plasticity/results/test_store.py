"""What is on disk is whole, and writing a part again replaces it."""

from pathlib import Path

import numpy as np
import pytest

from plasticity.results.sealed import Damaged, write_whole
from plasticity.results.table import Table

from .runs import made


def test_parts_come_back_in_order_and_are_replaced(tmp_path) -> None:
    table = Table(tmp_path / "steps")
    assert table.read().is_empty()
    values = np.random.default_rng(0).normal(size=5)
    table.write(0, {"step": np.arange(5), "kl/model": values})
    table.write(1, {"step": np.arange(5, 10), "kl/model": values})
    table.write(0, {"step": np.arange(5), "kl/model": -values})
    frame = table.read()
    assert frame["step"].to_list() == list(range(10))
    assert np.array_equal(frame["kl/model"].to_numpy(), np.concatenate([-values, values]))


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    path = tmp_path / "part"
    write_whole(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_half_written_part_is_not_read(tmp_path) -> None:
    table = Table(tmp_path)
    table.write(0, {"step": np.arange(3)})
    (tmp_path / ".00001.parquet.partial").write_bytes(b"PAR1 and then the power went")
    assert len(table.read()) == 3


def test_a_folder_may_be_called_like_a_pattern(tmp_path) -> None:
    """A strategy's label is in the name of its folder."""
    table = Table(tmp_path / "[red]*?-seed0")
    table.write(0, {"step": np.arange(3)})
    assert table.read()["step"].to_list() == [0, 1, 2]


def test_a_cell_in_another_folder_or_without_its_name_is_refused(tmp_path: Path) -> None:
    """Resumed beside a renamed cell, the same one would be there twice."""
    run = made(tmp_path / "run", {"EWC": [0.4], "Frozen": [0.0]})
    ewc, frozen = (run.path / "cells" / f"{label}-seed0" for label in ("EWC", "Frozen"))
    ewc.rename(ewc.with_name("EWC-seed00"))
    with pytest.raises(Damaged, match=r"EWC-seed00/cell\.json: it is of the cell EWC-seed0; put"):
        run.cells()
    ewc.with_name("EWC-seed00").rename(ewc)
    (run.path / "cells" / "new").mkdir()
    for name in (".lock", "error.txt"):  # of a cell that failed before it was begun
        (run.path / "cells" / "new" / name).touch()
    assert [cell.name for cell in run.cells()] == ["EWC-seed0", "Frozen-seed0"]
    (frozen / "cell.json").unlink()
    with pytest.raises(Damaged, match=r"Frozen-seed0/cell\.json: it is missing, and without it"):
        run.cells()


def test_a_folder_in_place_of_the_yaml_is_refused(tmp_path: Path) -> None:
    run = made(tmp_path / "run", {"EWC": [0.4]})
    (run.path / "experiment.yaml").unlink()
    (run.path / "experiment.yaml").mkdir()
    with pytest.raises(Damaged, match=r"experiment\.yaml: it is not what environment"):
        run.cells()
