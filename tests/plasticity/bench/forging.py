"""Results files that somebody has been at."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plasticity.bench.results import read
from plasticity.bench.submit import verify
from plasticity.core.errors import ConfigError

from .arena import suite

Tamper = Callable[[dict[str, Any]], object]


def faults(made: Path, folder: Path, *tampering: Tamper) -> list[str]:
    """What is said of the file after somebody has been at it."""
    value = json.loads((made / "results.json").read_text())
    for tamper in tampering:
        tamper(value)
    file = folder / "results.json"
    file.write_text(json.dumps(value))
    with pytest.raises(ConfigError) as refused:
        verify(read(file), suite(folder), file)
    return [
        str(p).removeprefix(f"{file}: ").removeprefix(f"{file}") for p in refused.value.problems
    ]


def edit(key: str, value: Any) -> Tamper:
    """Put a value at a dotted key; `...` takes the key away."""

    def tamper(tree: Any) -> None:
        *path, last = (int(k) if k.isdecimal() else k for k in key.split("/"))
        for step in path:
            tree = tree[step]
        if value is ...:
            del tree[last]
        else:
            tree[last] = value

    return tamper


def forge(model: float, *places: int) -> Tamper:
    """Bits of the learner, and the skill that follows from them."""

    def tamper(tree: Any) -> None:
        for i in places:
            cell = tree["cells"][i]
            kl = cell["kl"] | {"model": model}
            cell["kl"] = kl
            cell["skill"] = (kl["amnesic"] - model) / (kl["amnesic"] - kl["continual"])

    return tamper
