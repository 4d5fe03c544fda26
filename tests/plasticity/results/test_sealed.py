"""A file that is not as it was written is never read: flipped, cut, of another place, of another format."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from plasticity.engine import archive
from plasticity.results.sealed import (
    BLANK,
    Damaged,
    read_sealed_json,
    write_sealed,
    write_sealed_json,
)
from plasticity.results.table import Table

FLIPS = 200


def _json(folder: Path) -> Callable[[], Any]:
    write_sealed_json(folder / "file", {"skill": 0.5, "of": "me"}, "place")
    return lambda: read_sealed_json(folder / "file", "place")


def _archive(folder: Path) -> Callable[[], Any]:
    tree = {"weights": torch.arange(20.0), "step": 3, "of": [1, (2, None)]}
    archive.save(folder / "file", tree, "place")
    return lambda: archive.load(folder / "file", "place")


def _part(folder: Path) -> Callable[[], Any]:
    table = Table(folder, "place")
    table.write(0, {"step": np.arange(9), "kl/model": np.random.default_rng(0).random(9)})
    (folder / "00000.parquet").rename(folder / "file")
    (folder / "00000.parquet").symlink_to(folder / "file")
    return table.read


KINDS = [_json, _archive, _part]


@pytest.mark.parametrize("kind", KINDS)
def test_no_flipped_bit_and_no_cut_is_read(kind: Any, tmp_path: Path) -> None:
    read, file = kind(tmp_path), tmp_path / "file"
    right, rng = file.read_bytes(), np.random.default_rng(0)
    read()
    for bit in rng.integers(0, 8 * len(right), FLIPS):
        wrong = bytearray(right)
        wrong[bit // 8] ^= 1 << (bit % 8)
        file.write_bytes(wrong)
        with pytest.raises(Damaged, match="file|00000"):
            read()
    for size in (0, 1, *rng.integers(0, len(right), 20)):
        file.write_bytes(right[:size])
        with pytest.raises(Damaged):
            read()
    file.write_bytes(right + b"\0")
    with pytest.raises(Damaged):
        read()
    file.write_bytes(right)
    read()


def test_what_is_sealed_for_one_place_is_not_read_at_another(tmp_path: Path) -> None:
    write_sealed_json(tmp_path / "a", {"skill": 0.5}, "one cell")
    with pytest.raises(Damaged, match="a: it is damaged, or was written for another place"):
        read_sealed_json(tmp_path / "a", "another cell")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b'{"skill": 9}', "it has no seal: it is damaged, or older than sealed files"),
        (b'{"seal": "plasticity-seal-1:' + b"0" * 64 + b'"}', "no seal of this format"),
    ],
)
def test_other_formats_are_refused_in_a_sentence(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(Damaged, match=said) as refused:
        read_sealed_json(tmp_path / "a", "")
    assert str(refused.value).count("\n") == 0


def test_a_seal_has_one_place(tmp_path: Path) -> None:
    """Whatever is in a name: text that looks like a seal is refused and not taken for one."""
    for data in (b"none", 2 * BLANK.encode()):
        with pytest.raises(ValueError, match="expected one place for the seal"):
            write_sealed(tmp_path / "a", data, "")
    with pytest.raises(ValueError, match="got 2"):
        write_sealed_json(tmp_path / "a", {"label": BLANK}, "")
    assert not (tmp_path / "a").exists()


def test_whoever_else_reads_them_can(tmp_path: Path) -> None:
    """A seal leaves JSON, parquet and safetensors what they are."""
    from safetensors.torch import load_file

    _json(tmp_path)
    assert json.loads((tmp_path / "file").read_text())["skill"] == 0.5
    _part(tmp_path)
    assert pl.read_parquet(tmp_path / "file")["step"].to_list() == list(range(9))
    archive.save(tmp_path / "file", {"a.weight": torch.ones(2), "b": 1}, "")
    assert load_file(tmp_path / "file")["a.weight"].tolist() == [1, 1]


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(Damaged, match="file: it is a folder: expected a file"):
        read_sealed_json(tmp_path / "file", "place")


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_stranger_sealed_and_is_something_else_is_refused(kind: Any, tmp_path: Path) -> None:
    """Anybody can make a seal that fits."""
    read = kind(tmp_path)
    place = "place/0-0" if kind is _part else "place"
    write_sealed(tmp_path / "file", b"no such thing " + BLANK.encode(), place)
    with pytest.raises(Damaged, match="it is no "):
        read()
