"""Capture: residual streams, attention weights and values of a network during one forward pass."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from plasticity.core.network import Network
from plasticity.diagnostics.geometry import language_models
from plasticity.diagnostics.geometry.anatomy import NOWHERE, Parts, of_stack
from plasticity.integrations.huggingface import HuggingFace
from plasticity.networks.mlp import Stack


class Attended(NamedTuple):
    """One attention layer during a pass."""

    weights: Float[Tensor, "batch heads time time"]
    """Recomputed from queries and keys: fused attention returns none."""
    values: Float[Tensor, "batch groups time channels"]
    """One per head, or fewer, where queries are grouped."""


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
    if isinstance(network, HuggingFace):
        return language_models.parts(network)
    return of_stack(network) if isinstance(network, Stack) else NOWHERE


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
    symbols = slice(where.front, None)
    with ExitStack() as hooks:
        for name, module in where.streams.items():

            def leaves(_: nn.Module, args: Any, out: Any, name: str = name) -> None:
                streams[name] = first(out).detach()[:, symbols]

            hooks.enter_context(_hooked(module.register_forward_hook(leaves)))
        for name, module in where.layers.items():

            def enters(_: nn.Module, args: Any, named: dict[str, Any], name: str = name) -> None:
                x = args[0] if args else named["hidden_states"]
                if attends := where.attention.get(name):
                    q, k, v = attends.project(x)
                    weights = among(attention_weights(q, k)[..., symbols, symbols])
                    attention[name] = Attended(weights.detach(), v.detach()[:, :, symbols])
                if remembers := where.memories.get(name):
                    held = remembers.states(x).detach()[:, symbols]
                    states[f"{name} state"] = projected(held)

            handle = module.register_forward_pre_hook(enters, with_kwargs=True)
            hooks.enter_context(_hooked(handle))
        yield lambda logits: Inside(logits, {**streams}, {**attention}, {**states})


def first(out: Any) -> Tensor:
    """What a module puts out, without what it says beside that."""
    return out[0] if isinstance(out, tuple) else out


def projected(state: Float[Tensor, "batch time size"]) -> Float[Tensor, "batch time _"]:
    """The state, or PROJECTED Gaussian sums of it (Johnson & Lindenstrauss 1984), always the same."""
    size = state.shape[-1]
    if size <= PROJECTED:
        return state
    generator = torch.Generator().manual_seed(0)
    sums = torch.randn(size, PROJECTED, generator=generator) / math.sqrt(PROJECTED)
    return state @ sums.to(state)


def attention_weights(
    q: Float[Tensor, "batch heads time channels"], k: Float[Tensor, "batch groups time channels"]
) -> Float[Tensor, "batch heads time time"]:
    """Causal softmax(q . k / sqrt(channels)); of grouped queries, heads / groups in a row read the same keys."""
    k = k.repeat_interleave(q.shape[1] // k.shape[1], 1)
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
    return scores.masked_fill(future, -math.inf).softmax(-1)


def among(weights: Float[Tensor, "*heads time time"]) -> Float[Tensor, "*heads time time"]:
    """Attention among symbols: what a prefix gets is left out, and rows sum to 1 again."""
    return weights / weights.sum(-1, keepdim=True).clamp_min(1e-30)


@contextmanager
def _hooked(handle: RemovableHandle) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()
