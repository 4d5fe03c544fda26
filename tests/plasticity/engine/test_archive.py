"""A tree comes back as it was, from data alone; what is no data is named."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from plasticity.checks.memory import alike
from plasticity.engine import archive


def test_a_tree_comes_back() -> None:
    tree = {
        "half": torch.arange(3.0).to(torch.bfloat16),
        "array": np.arange(6)[::2],
        "double": np.array([[0.1, math.inf]]),
        3: [1, (2, None), {}],
        "nan": math.nan,
        "none": torch.zeros(0, 3),
        "scalar": torch.tensor(2),
        "mask": np.zeros((2, 2), bool),
        "a.b": {"c": torch.ones(1)},
        "a": {"b.c": torch.zeros(1)},
        "huge": 2**80,
        "text": "\x1b[0m{}é",
    }
    again = archive.unpacked(archive.packed(tree))
    assert alike(again, tree) and list(again) == list(tree)
    assert archive.packed(again) == archive.packed(tree), "equal trees are equal bytes"


def test_views_and_shared_tensors_are_saved_as_values() -> None:
    base = torch.arange(6.0).reshape(2, 3)
    again = archive.unpacked(archive.packed([base.T, base[1], base]))
    assert [each.tolist() for each in again] == [base.T.tolist(), [3, 4, 5], base.tolist()]


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", print, Path("x"), 1j])
def test_what_is_no_data_is_named(value: Any) -> None:
    with pytest.raises(
        TypeError, match=r"^memory\.0\.kept: expected tensors, .* no object is made"
    ):
        archive.packed({"memory": [{"kept": value}]})


@pytest.mark.parametrize("data", [b"", b"\x80\x04.", b"[" * 100_000, bytes(64)])
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="it is no archive"):
        archive.unpacked(data)
