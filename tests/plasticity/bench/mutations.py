"""Mutated results files, seeded; and what of a results file is checked."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

OTHERS: list[Any] = [
    None, True, 0, -1, 1e-300, 1e300, 2**70, -0.5, "", "x", "\x00", "ü" * 5000, [], {}, [[]], {"type": []},
    float("nan"), float("inf"),
]  # fmt: skip
"""Values of every type, some of them beyond all bounds."""
FAITH = {"forgetting", "recovery", "ms_per_step", "pretrained_gap", "memory_bytes", "diverged", "excess",
    "forward", "backward"}  # fmt: skip
"""Keys of a cell that are within bounds, and taken on faith."""


def mutated(text: str, seed: int) -> tuple[str, bytes]:
    """(what was done, the bytes of the file) of one mutation of a results file."""
    rng = random.Random(seed)
    value = json.loads(text)
    places = list(_places(value, ()))
    kind = rng.choice(["swap", "drop", "scale", "scale", "twice", "cut", "deep", "rename", "byte"])
    if kind == "scale":
        places = [p for p in places if type(_at(value, p)) in (int, float)]
    path = rng.choice(places)
    parent, key = _at(value, path[:-1]), path[-1]
    if kind == "swap":
        parent[key] = rng.choice(OTHERS)
    elif kind == "drop":
        del parent[key]
    elif kind == "scale":
        parent[key] = parent[key] * rng.choice([0, -1, 0.5, 1.001, 3, 1e-200, 1e200]) + rng.choice(
            [0, 1]
        )
    elif kind == "twice":
        rows = value[rng.choice(["cells", "rates", "contenders"])]
        rows.insert(rng.randrange(len(rows) + 1), copy.deepcopy(rng.choice(rows)))
    elif kind == "deep":
        for _ in range(rng.choice([3, 30, 300])):
            parent[key] = rng.choice([[parent[key]], {"type": parent[key]}])
    elif kind == "rename" and isinstance(key, str):
        parent[rng.choice([key[:-1], f"{key}x", key.upper(), f"{key}\n"])] = parent.pop(key)
    made = json.dumps(value).encode()
    at = rng.randrange(len(made))
    if kind == "cut":
        made = made[:at]
    elif kind == "byte":
        made = made[:at] + bytes([rng.randrange(256)]) + made[at + 1 :]
    return f"seed {seed}: {kind} {'.'.join(map(str, path))}", made


def checked(value: dict[str, Any]) -> Any:
    """All of a results file that `submit` vouches for; booleans by their name, for True is 1."""
    contenders = set(value["contenders"])
    cells = [
        {
            k: v
            for k, v in cell.items()
            if k not in FAITH | ({"trainable"} if cell["strategy"] in contenders else set())
        }
        for cell in value["cells"]
    ]
    rates = [each | {"skills": list(each["skills"])} for each in value["rates"]]
    own = {k: v for k, v in value["strategies"].items() if k not in contenders}
    return _rounded([value["suite"], own, value["contenders"], rates, cells])


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    if isinstance(value, bool):
        return str(value)
    return round(value, 7) if isinstance(value, float | int) else value


def _places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(part, dict | list):
            yield from _places(part, (*path, key))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value
