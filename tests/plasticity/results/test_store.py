"""What is on disk is whole, and writing a part again replaces it."""

import numpy as np
import pytest

from plasticity.results.sealed import write_whole
from plasticity.results.table import Table


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
