"""Interventions: what a network says with a head, a layer, a direction or a whole residual stream replaced."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity.diagnostics.geometry.anatomy import Attends
from plasticity.diagnostics.geometry.capture import first, parts
from plasticity.diagnostics.geometry.effects import Directions

Edit = Callable[[Tensor], Tensor]
"""From what a module puts out (batch, time, channels) to what it puts out instead."""


@torch.no_grad()
def edited(
    network: nn.Module, inputs: Int[Tensor, "batch time"], module: nn.Module, edit: Edit
) -> Float[Tensor, "batch time symbols"]:
    """Logits while the output of a module is edited; at the symbols, not in a prefix.

    Args:
        network: in evaluation mode.
        inputs: observed symbols.
        module: of the network.
        edit: what is done.
    """
    front = parts(network).front

    def leaves(_: nn.Module, args: Any, out: Any) -> Any:
        z = first(out)
        z = torch.cat([z[:, :front], edit(z[:, front:])], 1)
        return (z, *out[1:]) if isinstance(out, tuple) else z

    handle = module.register_forward_hook(leaves)
    try:
        return network(inputs)
    finally:
        handle.remove()


@torch.no_grad()
def head_replaced(
    network: nn.Module,
    inputs: Int[Tensor, "batch time"],
    layer: nn.Module,
    attends: Attends,
    head: int,
    turn: Float[Tensor, "width width"] | None = None,
) -> Float[Tensor, "batch time symbols"]:
    """Logits with one head's output replaced by its mean over the batch, position by position.

    What it adds to the stream is then moved by d = (mean - output) W_O.

    Args:
        network: in evaluation mode.
        inputs: observed symbols.
        layer: an attention layer of it.
        attends: how it attends.
        head: which of its heads.
        turn: a rotation; d is turned by it, as a control of the same size in another direction.
    """
    moved: list[Tensor] = []

    def enters(out_proj: nn.Module, args: tuple[Tensor]) -> None:
        said = args[0][:, -inputs.shape[1] :].unflatten(-1, (attends.heads, -1))
        own, each = torch.zeros_like(said), said[..., head, :]
        own[..., head, :] = each.mean(0) - each
        both = torch.stack([own, torch.zeros_like(own)]).flatten(-2)
        changed, bias = out_proj.forward(both)  # past this hook
        moved.append(changed - bias)

    handle = attends.out_proj.register_forward_pre_hook(enters)
    try:
        return edited(
            network,
            inputs,
            layer,
            lambda out: out + (moved[-1] if turn is None else moved[-1] @ turn),
        )
    finally:
        handle.remove()


def layer_replaced(
    network: nn.Module, inputs: Int[Tensor, "batch time"], layer: nn.Module
) -> Float[Tensor, "batch time symbols"]:
    """Logits with what a layer adds to the stream replaced by its mean over the batch, position by position."""
    return edited(network, inputs, layer, lambda out: out.mean(0, keepdim=True).expand_as(out))


def cut_away(
    network: nn.Module,
    inputs: Int[Tensor, "batch time"],
    stream: nn.Module,
    mean: Float[np.ndarray, " width"],
    directions: Directions,
) -> Float[Tensor, "batch time symbols"]:
    """Logits with z - U^T U (z - m) in place of the residual stream z. Norms that follow rescale what is left.

    Args:
        network: in evaluation mode.
        inputs: observed symbols.
        stream: where.
        mean: m.
        directions: U, orthonormal rows.
    """

    def edit(z: Tensor) -> Tensor:
        u, m = (torch.as_tensor(each.copy()).to(z) for each in (directions, mean))
        return z - (z - m) @ u.mT @ u

    return edited(network, inputs, stream, edit)


def swapped(
    network: nn.Module,
    inputs: Int[Tensor, "batch time"],
    stream: nn.Module,
    position: int,
    donors: Int[Tensor, " batch"],
) -> Float[Tensor, "batch symbols"]:
    """Logits at one position with the residual stream there taken from another episode.

    Args:
        network: in evaluation mode.
        inputs: observed symbols.
        stream: where.
        position: the only one that is replaced.
        donors: the episode from which each gets it.
    """

    def edit(z: Tensor) -> Tensor:
        z = z.clone()
        z[:, position] = z[donors, position]
        return z

    return edited(network, inputs, stream, edit)[:, position]
