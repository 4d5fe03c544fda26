"""Changes: what differs between runs, in their YAML, their strategies, and the code that ran them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plasticity.results.store import Run

Told = list[tuple[str, list[str]]]
"""Key -> what it is in each run; only where that is not the same, and what one lacks is -."""
ELSEWHERE = ("seed", "seeds", "out", "wandb", "loggers", "strategy", "strategies")
"""Keys of a YAML that say nothing about what differs, or that are told otherwise."""
CODE = ("commit", "packages", "python")
"""Of an environment, what numbers may depend on."""


def changes(runs: Sequence[Run]) -> Told:
    """All that differs between runs."""
    return _told([dict(_facts(run)) for run in runs])


def worlds(*runs: Run) -> Told:
    """What differs between the streams of runs."""
    return _told([dict(_flat({"stream": run.config.get("stream")})) for run in runs])


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    yield from _flat({key: each for key, each in run.config.items() if key not in ELSEWHERE})
    found = run.cells()
    yield "seeds", ", ".join(str(seed) for seed in sorted({cell.seed for cell in found}))
    strategies = {cell.label: cell.meta.get("strategy") for cell in found}
    yield from _flat({f"strategy {label}": told for label, told in strategies.items()})
    yield from _flat({key: run.environment.get(key) for key in CODE}, "environment")


def _told(facts: Sequence[Mapping[str, str]]) -> Told:
    keys = dict.fromkeys(key for each in facts for key in each)
    told = [(key, [each.get(key, "-") for each in facts]) for key in keys]
    return [(key, values) for key, values in told if len({*values}) > 1]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Path -> leaf."""
    if not isinstance(value, dict | list):
        yield path, str(value)
        return
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _flat(each, f"{path}.{key}".removeprefix("."))
