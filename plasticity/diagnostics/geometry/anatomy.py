"""Anatomy: where to look inside a network, by names for people."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn

from plasticity.networks.mlp import Stack


@runtime_checkable
class Attends(Protocol):
    """An attention layer that shows its queries, keys and values."""

    heads: int
    out_proj: nn.Module

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys, values: (batch, heads, time, channels) each.

        Of keys and values there may be fewer: head h reads those of number h // (heads / fewer). Scores are
        q . k / sqrt(channels).
        """
        ...


@runtime_checkable
class Remembers(Protocol):
    """A recurrent layer that shows its memory."""

    def states(self, x: Tensor) -> Tensor:
        """What it remembers at each position: (batch, time, numbers)."""
        ...


class Parts(NamedTuple):
    """Where to look inside a network; each by a name for people, from the input on."""

    streams: Mapping[str, nn.Module]
    """Modules whose output is the residual stream, as it is there."""
    layers: Mapping[str, nn.Module]
    """Modules whose output is added to it."""
    attention: Mapping[str, Attends]
    """How those of them attend that do."""
    memories: Mapping[str, Remembers]
    """What those of them remember that are recurrent."""
    norms: Mapping[str, nn.Module]
    """What stands in front of each layer."""
    entering: Mapping[str, str]
    """Layer -> the residual stream that it reads; of those that read one of `streams`."""
    front: int = 0
    """Positions before the first symbol (a prefix): nobody looks at them."""
    unknown: str = ""
    """Why there are no layers; empty: all are known."""


NOWHERE = Parts({}, {}, {}, {}, {}, {})
"""Of a network that nobody knows."""


def of_stack(network: Stack) -> Parts:
    """Where to look inside a residual stack: every mixer, and the stream before and after it."""
    names = [f"{i} {type(mixer).__name__}" for i, mixer in enumerate(network.mixers, 1)]
    layers = dict(zip(names, network.mixers, strict=True))
    streams = dict(zip(["0 embedding", *names], network.streams, strict=True))
    return Parts(
        streams,
        layers,
        {name: each for name, each in layers.items() if isinstance(each, Attends)},
        {name: each for name, each in layers.items() if isinstance(each, Remembers)},
        dict(zip(names, network.norms, strict=True)),
        dict(zip(names, streams, strict=False)),
    )
