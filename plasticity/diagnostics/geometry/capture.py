"""Capture: residual streams, attention weights and values of a network during one forward pass."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from plasticity.core.network import Network
from plasticity.networks.mlp import Stack


@runtime_checkable
class Attends(Protocol):
    """An attention layer that shows its queries, keys and values."""

    heads: int
    out_proj: nn.Linear

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys, values: (batch, heads, time, channels) each."""
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
    attention: Mapping[str, nn.Module]
    """Those of them that attend (`Attends`)."""
    norms: Mapping[str, nn.Module]
    """What stands in front of each layer."""


class Attended(NamedTuple):
    """One attention layer during a pass."""

    weights: Float[Tensor, "batch heads time time"]
    """Recomputed from queries and keys: fused attention returns none."""
    values: Float[Tensor, "batch heads time channels"]


class Inside(NamedTuple):
    """What went on during a pass."""

    logits: Float[Tensor, "batch time symbols"]
    streams: dict[str, Float[Tensor, "batch time width"]]
    attention: dict[str, Attended]
    states: dict[str, Float[Tensor, "batch time _"]]
    """Of recurrent layers; of more than PROJECTED numbers a random projection, from which less can be read."""


PROJECTED = 256
"""Numbers of a memory that are looked at, at most."""


def parts(network: nn.Module) -> Parts:
    """Where to look inside a network; nowhere, if it is none that is known."""
    if not isinstance(network, Stack):
        return Parts({}, {}, {}, {})
    names = [f"{i} {type(mixer).__name__}" for i, mixer in enumerate(network.mixers, 1)]
    layers = dict(zip(names, network.mixers, strict=True))
    streams = dict(zip(["0 embedding", *names], network.streams, strict=True))
    attention = {name: each for name, each in layers.items() if isinstance(each, Attends)}
    return Parts(streams, layers, attention, dict(zip(names, network.norms, strict=True)))


@torch.no_grad()
def look(network: Network, inputs: Int[Tensor, "batch time"]) -> Inside:
    """One forward pass, with everything noted.

    Args:
        network: in evaluation mode.
        inputs: observed symbols.
    """
    with noting(network) as found:
        return found(network.eager(inputs))


@contextmanager
def noting(network: nn.Module) -> Iterator[Callable[[Tensor], Inside]]:
    """While it lasts, passes are noted, with the weights that they have; what is given makes of logits the last one."""
    where = parts(network)
    streams, attention, states = dict[str, Tensor](), dict[str, Attended](), dict[str, Tensor]()
    with ExitStack() as hooks:
        for name, module in where.streams.items():

            def leaves(_: nn.Module, args: Any, out: Tensor, name: str = name) -> None:
                streams[name] = out.detach()

            hooks.enter_context(_hooked(module.register_forward_hook(leaves)))
        for name, module in where.layers.items():

            def enters(layer: nn.Module, args: tuple[Tensor], name: str = name) -> None:
                if isinstance(layer, Attends):
                    q, k, v = layer.project(args[0])
                    attention[name] = Attended(attention_weights(q, k).detach(), v.detach())
                if isinstance(layer, Remembers):
                    states[f"{name} state"] = projected(layer.states(args[0]).detach())

            hooks.enter_context(_hooked(module.register_forward_pre_hook(enters)))
        yield lambda logits: Inside(logits, {**streams}, {**attention}, {**states})


def projected(state: Float[Tensor, "batch time size"]) -> Float[Tensor, "batch time _"]:
    """The state, or PROJECTED Gaussian sums of it (Johnson & Lindenstrauss 1984), always the same."""
    size = state.shape[-1]
    if size <= PROJECTED:
        return state
    generator = torch.Generator().manual_seed(0)
    sums = torch.randn(size, PROJECTED, generator=generator) / math.sqrt(PROJECTED)
    return state @ sums.to(state)


def attention_weights(
    q: Float[Tensor, "*heads time channels"], k: Float[Tensor, "*heads time channels"]
) -> Float[Tensor, "*heads time time"]:
    """Causal softmax(q . k / sqrt(channels))."""
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
    return scores.masked_fill(future, -math.inf).softmax(-1)


@contextmanager
def _hooked(handle: RemovableHandle) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()
