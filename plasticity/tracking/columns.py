"""A resolved YAML as columns and tags by which runs can be sorted."""

from collections.abc import Iterator, Mapping
from typing import Any

SIBLINGS = ("networks", "strategies", "seeds", "wandb", "loggers", "out")
"""Keys of the YAML that say nothing of this cell."""


def columns(config: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings in mappings, which wandb shows as dotted columns: strategy.type, stream.tunnels.0.symbols, seed.

    A list of mappings is a mapping by place, since nothing can be grouped by a list. `strategy.lr` is the learning
    rate that holds: the strategy's own, or else the optimizer's.

    Args:
        config: the resolved YAML of one cell, with `strategy` and `optimizer`.
    """
    tree = {k: _tree(v) for k, v in config.items() if k not in SIBLINGS}
    rates = (tree[part].get("lr") for part in ("strategy", "optimizer"))
    rate = next((rate for rate in rates if rate is not None), None)
    return tree | {"strategy": tree["strategy"] | {"lr": rate}}


def tags(config: Mapping[str, Any]) -> list[str]:
    """Every type in the cell's stream, network and strategy: schedule, tunnels, a tunnel within a tunnel."""
    found = (
        kind for part in ("stream", "network", "strategy") for kind in _types(config.get(part))
    )
    return sorted({kind[:64] for kind in found})


def _tree(value: Any) -> Any:
    if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        value = {str(place): each for place, each in enumerate(value)}
    return {k: _tree(v) for k, v in value.items()} if isinstance(value, Mapping) else value


def _types(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from filter(None, [value.get("type")])
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _types(each)
