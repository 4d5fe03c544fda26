"""Shapes of sealed files: anybody can make a seal that fits, so what is behind one is looked at before it is used."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, get_args

from plasticity.core.errors import one_line, reason
from plasticity.core.predictors import FRONTIER, MODEL, PREDICTORS
from plasticity.results.sealed import Damaged, read_sealed_json

if TYPE_CHECKING:
    import polars

NUMBER = int | float | None
"""Of a summary: None is undefined."""
CELL = {
    "label": str,
    "seed": int,
    "index": int,
    "identity": str,
    "yaml": str | None,
    "network": dict | None,
    "strategy": dict | None,
    "pretrained_gap": NUMBER,
}
SUMMARY = {"numbers": {...: NUMBER}, "last": {...: int}}
ENVIRONMENT = {"yaml": [str], "packages": dict | None}
CONFIG = {
    "name": str,
    **dict.fromkeys(("stream", "network", "strategy", "pretrain", "updates"), dict | None),
    **dict.fromkeys(("networks", "strategies"), list | None),
}
CHECKPOINT = {
    "epoch": int,
    "state_dict": dict,
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
    "StreamDataModule": dict,
}
"""Lightning begins anew, and says nothing, with a part that is not there."""
FACTS = {"after": int, "parts": [(int, int)]}
BITS, REALISED, FRESH = (
    {f"{score}/{name}": float for name in (MODEL, *PREDICTORS)}
    for score in ("kl", "kl_realised", "kl_amnesic")
)
TABLES: Mapping[str, Mapping[str, type]] = {
    "steps": {"step": int, "regime": int, "shift": bool} | BITS | REALISED,
    "probes": {"step": int, "regime": int} | BITS | FRESH,
    "condition": {"step": int},
    "frontier": {"step": int, "regime": int, "fresh": int} | dict.fromkeys(FRONTIER, float),
    "timing": {"step": int, "seconds": float},
}
"""Kind -> columns that each of its parts has."""
NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NoneType: "null",
    dict: "a mapping",
    list: "a list",
}
WORD = 2**63
"""Whole numbers are below this: more than that is in no column."""
DEEP = (dict, list, tuple)
"""Shapes of which the inside is looked at."""
MISFITS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What is raised by a value of a kind, a size or a name that is not expected."""


def expect(path: Path, value: Any, shape: Any, where: str = "") -> None:
    """Nothing happens if a value has a shape.

    Args:
        path: of the file.
        value: what is in it.
        shape: a type or a union of such; [shape] of a list, a tuple of shapes of a list of this length; key -> shape of
            a mapping with at least these keys, of which those that may be None may be missing; ... -> shape of every
            entry of a mapping. Numbers are finite.
        where: keys that lead to it.

    Raises:
        Damaged: it has not; names the key, what was expected and what was got.
    """
    if not _fits(value, _kinds(shape)):
        raise _misfit(path, where, shape, f"got {one_line(repr(value))[:60]}")
    every: Mapping[Any, Any] = {}
    if isinstance(shape, list):
        value = dict(enumerate(value))
        every = dict.fromkeys(value, shape[0])
    elif isinstance(shape, tuple):
        value, every = dict(enumerate(value)), dict(enumerate(shape))
    elif isinstance(shape, Mapping):
        every = dict.fromkeys(value, shape[...]) if ... in shape else shape
    for key, inside in every.items():
        kinds = _kinds(inside)
        if key in value:
            if type(inside) in DEEP or not _fits(value[key], kinds):
                expect(path, value[key], inside, f"{where}.{key}".removeprefix("."))
        elif NoneType not in kinds:
            raise _misfit(path, f"{where}.{key}".removeprefix("."), inside, "it is missing")
    if isinstance(shape, tuple) and len(value) > len(shape):
        raise _misfit(path, where, shape, f"of {len(shape)}, got {len(value)}")


def read_json(path: Path, place: str, shape: Any) -> dict[str, Any]:
    """The mapping in a sealed file; Damaged where the seal does not fit, or it has not the shape."""
    found = read_sealed_json(path, place)
    expect(path, found, shape)
    return found


def expect_columns(
    path: Path, schema: "Mapping[str, polars.DataType]", wanted: Mapping[str, type]
) -> None:
    """Nothing happens if a table has the columns that are wanted, and no others but of numbers, true and false.

    Raises:
        Damaged: it has not; names the column.
    """
    for name in {**wanted, **schema}:
        kind, found = wanted.get(name), schema.get(name)
        if found is None:
            raise Damaged(path, f"column {name}: expected {NAMES[wanted[name]]}, it is missing")
        fits = {bool: str(found) == "Boolean", int: found.is_integer(), float: found.is_numeric()}
        if not (fits[kind] if kind else any(fits.values())):
            raise Damaged(path, f"column {name}: expected {NAMES[kind or float]}, got {found}")


@contextmanager
def fitting(path: Path, what: str) -> Iterator[None]:
    """What is raised because a sealed file holds something else than `what` is said of the file.

    Raises:
        Damaged: that was raised.
    """
    try:
        yield
    except MISFITS as error:
        kind = f"{type(error).__name__}: " if isinstance(error, LookupError) else ""
        text = f"it is sealed, and is not {what}: {kind}{reason(error)[:200]}"
        raise Damaged(path, text) from error


def _fits(value: Any, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, int):
        return (int in kinds or float in kinds) and abs(value) < WORD
    if isinstance(value, float):
        return float in kinds and math.isfinite(value)
    return isinstance(value, kinds)


def _kinds(shape: Any) -> tuple[type, ...]:
    if type(shape) in DEEP:
        return (dict,) if isinstance(shape, dict) else (list,)
    return get_args(shape) if isinstance(shape, UnionType) else (shape,)


def _misfit(path: Path, where: str, shape: Any, got: str) -> Damaged:
    kinds = [kind for kind in _kinds(shape) if not (kind is int and float in _kinds(shape))]
    wanted = " or ".join(NAMES[kind] for kind in kinds)
    return Damaged(path, f"{where or 'it'}: expected {wanted}, {got}")
