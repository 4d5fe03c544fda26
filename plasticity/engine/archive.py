"""Archive: trees of plain values and tensors as bytes in safetensors format, data and never code."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from plasticity.results.sealed import BLANK, Damaged, open_sealed, write_sealed

PLAIN = (bool, int, float, str, type(None))


def save(path: Path, tree: Any, place: str) -> None:
    """Write a tree whole and sealed.

    Args:
        path: of the file.
        tree: as for `packed`.
        place: what it is, and of what.

    Raises:
        TypeError: something in it is no data; the message says where.
    """
    write_sealed(path, packed(tree), place)


def load(path: Path, place: str) -> Any:
    """The tree that was saved; tensors on the CPU, tuples as tuples.

    Raises:
        Damaged: the file is not as it was written, or of another place.
        OSError: there is no such file, or it cannot be read.
    """
    data = open_sealed(path, place)
    try:
        return unpacked(data)
    except ValueError as error:
        raise Damaged(path, str(error)) from error


def packed(tree: Any) -> bytes:
    """The bytes of a tree; BLANK is among them.

    Args:
        tree: mappings, lists, tuples, tensors, arrays, numbers, strings and None. A tensor is called by its keys, so
            that a state dict is one for whoever else reads safetensors.

    Raises:
        TypeError: something else is in it; the message says where.
    """
    tensors: dict[str, Tensor] = {}
    about = json.dumps({"seal": BLANK, "tree": _packed(tree, tensors, "")})
    return safetensors.torch.save(tensors, {"plasticity": about})


def unpacked(data: bytes) -> Any:
    """The tree of these bytes.

    Raises:
        ValueError: they are those of no tree.
    """
    try:
        size = int.from_bytes(data[:8], "little")
        about = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["plasticity"])
        return _unpacked(about["tree"], safetensors.torch.load(data))
    except (KeyError, TypeError, ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise ValueError(f"it is no archive ({type(error).__name__})") from error


def _packed(value: Any, tensors: dict[str, Tensor], where: str) -> Any:
    """The skeleton: plain values as they are, all else as {kind: content}."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, Tensor | np.ndarray | np.generic):
        name = where.removeprefix(".") or "value"
        while name in tensors:
            name += "'"
        kind = "tensor" if isinstance(value, Tensor) else "array"
        tensor = value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
        tensors[name] = tensor.detach().cpu().contiguous().clone()
        return {kind: name}
    if isinstance(value, Mapping):
        pairs = ((k, v, f"{where}.{k}") for k, v in value.items())
        return {"dict": [[_packed(k, tensors, w), _packed(v, tensors, w)] for k, v, w in pairs]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_packed(v, tensors, f"{where}.{i}") for i, v in enumerate(value)]}
    raise TypeError(
        f"{where.removeprefix('.')}: expected tensors, arrays, plain values, or lists and mappings of these, got a "
        f"{type(value).__name__}: what is saved is data, from which no object is made again"
    )


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "array":
        return tensors[content].numpy()
    if kind == "dict":
        return {_unpacked(k, tensors): _unpacked(v, tensors) for k, v in content}
    inside: Iterator[Any] = (_unpacked(each, tensors) for each in content)
    return {"list": list, "tuple": tuple}[kind](inside)
