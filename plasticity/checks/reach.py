"""Reach: every object that can be got at from one, by attributes, closures and containers."""

import gc
from collections import deque
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch

LEAVES = (
    type,
    ModuleType,
    CodeType,
    FrameType,
    str,
    bytes,
    int,
    float,
    complex,
    torch.dtype,
    np.generic,
)
"""Where nothing that belongs to one run lies behind: classes and modules are everybody's."""


def reachable(root: object, name: str) -> Iterator[tuple[str, object]]:
    """(path, object) of everything that is reached from `root`, itself first, nearest first, each once.

    Not followed: what a function may look up by a global name, which everybody can.

    Args:
        root: where to begin.
        name: what paths call it.
    """
    queue, seen = deque([(name, root)]), {id(root)}
    while queue:
        path, found = queue.popleft()
        yield path, found
        for step, each in _inside(found):
            if id(each) not in seen and each is not None and not isinstance(each, LEAVES):
                seen.add(id(each))
                queue.append((path + step, each))


def _inside(found: Any) -> Iterator[tuple[str, object]]:
    """What one object holds, by name; without one, what the garbage collector knows of."""
    if isinstance(found, FunctionType):
        cells = found.__closure__ or ()
        for name, cell in zip(found.__code__.co_freevars, cells, strict=True):
            yield f".<{name}>", _content(cell)
        yield ".__defaults__", (found.__defaults__, found.__kwdefaults__)
        yield ".__dict__", found.__dict__
        return
    if isinstance(found, MethodType | BuiltinFunctionType):
        yield ".__self__", found.__self__
        yield "", getattr(found, "__func__", None)
        return
    if isinstance(found, Mapping):
        for key, value in list(found.items()):
            yield f"[{key!r}]" if isinstance(key, str | int) else "[...]", value
    elif isinstance(found, list | tuple | deque):
        names = getattr(found, "_fields", None)
        for i, value in enumerate(found):
            yield f".{names[i]}" if names else f"[{i}]", value
    for name, value in list(getattr(found, "__dict__", {}).items()):
        yield f".{name}", value
    for value in gc.get_referents(found):
        yield "...", value


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None
