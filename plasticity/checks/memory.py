"""Memory: what a strategy holds, how much room it takes, and where."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

INTERNAL = vars(nn.Module()).keys()
"""Attributes of any module."""


def held(value: object, seen: set[int] | None = None) -> int:
    """Bytes of all tensors, arrays and text that are reached from here, plus 8 for every other value."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, Tensor | np.ndarray):
        return value.nbytes
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, nn.Module):
        value = vars(value)
    if isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    if isinstance(value, Collection):
        return 8 + sum(held(each, seen) for each in value)
    return 8


def sizes(strategy: nn.Module) -> dict[str, int]:
    """Bytes of every part, by name."""
    return {name: held(part) for name, part in _parts(strategy).items()}


def parts_that_differ(one: nn.Module, other: nn.Module) -> set[str]:
    """Names of parts of `other` whose values are not those of `one`; of what holds no values, nothing is known."""
    before, after = _parts(one), _parts(other)
    return {name for name in after if not alike(before.get(name), after[name])}


def alike(one: Any, other: Any, seen: frozenset[int] = frozenset()) -> bool:
    """Whether two trees hold equal values, NaN being equal to itself; objects are told apart by what they hold."""
    if type(one) is not type(other):
        return False
    if id(one) in seen or one is other:
        return True
    seen |= {id(one)}
    if isinstance(one, Tensor):
        same = one.shape == other.shape and one.dtype == other.dtype
        return same and bool(((one == other) | ((one != one) & (other != other))).all())
    if isinstance(one, nn.Module):
        one, other = dict(one.state_dict()), dict(other.state_dict())
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and alike(one.tolist(), other.tolist())
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(alike(v, other[k], seen) for k, v in one.items())
    if isinstance(one, list | tuple):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(alike(*pair, seen) for pair in pairs)
    if isinstance(one, float):
        return one == other or (one != one and other != other)
    if isinstance(one, int | str | bytes | set | frozenset | None):
        return one == other
    return alike(vars(one), vars(other), seen) if hasattr(one, "__dict__") else True


def _parts(strategy: nn.Module) -> dict[str, Any]:
    """Every buffer and every other attribute of a strategy and of the modules in it, by dotted name."""
    found: dict[str, Any] = dict(strategy.named_buffers())
    for prefix, module in strategy.named_modules():
        own = {name: value for name, value in vars(module).items() if name not in INTERNAL}
        found |= {f"{prefix}.{name}".lstrip("."): value for name, value in own.items()}
    return found


def take_up(other: Any, state: Mapping[str, Any]) -> None:
    """Give one a state dict of its like.

    Raises:
        AssertionError: it does not load.
    """
    try:
        other.load_state_dict(state)
    except Exception as error:
        raise AssertionError(f"its own state dict does not load: {error}") from error
