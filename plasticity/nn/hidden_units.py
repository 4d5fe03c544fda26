"""Hidden units of a network, and their reinitialisation."""

from collections.abc import Iterable
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


class Part(NamedTuple):
    """What n units hold in one parameter: unit k has index `first + k` along `axis`, and the law it starts from."""

    parameter: Tensor
    axis: int = 0
    first: int = 0
    spread: float = 0.0
    """Standard deviation of a normal law, or half the width of a uniform one; 0: a constant."""
    centre: float = 0.0
    uniform: bool = False

    def rows(self, number: int, tensor: Tensor | None = None) -> Float[Tensor, "units ..."]:
        """A view, one row per unit, of the parameter or of a tensor of its shape."""
        whole = self.parameter.detach() if tensor is None else tensor
        return whole.movedim(self.axis, 0)[self.first : self.first + number]

    def draw(self, like: Tensor, generator: torch.Generator) -> Tensor:
        """As it is at first; drawn on the CPU, so that it is the same on every device."""
        if not self.spread:
            return torch.full_like(like, self.centre)
        if self.uniform:
            noise = torch.rand(like.shape, generator=generator) * 2 - 1
        else:
            noise = torch.randn(like.shape, generator=generator)
        return (self.centre + self.spread * noise).to(like)


class HiddenUnits(NamedTuple):
    """The hidden units of one layer: numbers h_k that the rest of the network sees each on its own.

    Law: while the `silenced` parts of a unit are zero, the logits do not depend on its `redrawn` parts. And a
    silenced unit has a gradient: not everything that its activation is multiplied with is zero.
    """

    site: nn.Module
    """Where the activations pass: the last axis of what goes in, or of what comes out."""
    at: Literal["input", "output"]
    number: int
    redrawn: tuple[Part, ...]
    """What decides the activation; begins at random."""
    silenced: tuple[Part, ...]
    """What begins at zero, so that a unit that begins anew says nothing."""
    outgoing: Part
    """What the activation is multiplied with."""
    direct: float = 0.0
    """What it is multiplied with that is no parameter: 1 if it goes straight into the residual stream."""
    bias: Tensor | None = None
    """What is added to the products with `outgoing`; None: there is no such parameter."""

    def parameters(self) -> list[Tensor]:
        """Every parameter that any unit has a part in."""
        bias = [] if self.bias is None else [self.bias]
        return [part.parameter for part in (*self.redrawn, *self.silenced, self.outgoing)] + bias

    def reach(self) -> Float[Tensor, " units"]:
        """The sum of the magnitudes that each activation is multiplied with."""
        return self.outgoing.rows(self.number).abs().flatten(1).sum(1) + self.direct

    @torch.no_grad()
    def transfer(self, chosen: Int[Tensor, " chosen"], mean: Float[Tensor, " chosen"]) -> None:
        """Give the bias what these units said on average. Where there is no bias, it is lost."""
        if self.bias is not None:
            self.bias.add_(mean @ self.outgoing.rows(self.number)[chosen])

    @torch.no_grad()
    def restart(
        self,
        chosen: Int[Tensor, " chosen"],
        generator: torch.Generator,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        """Begin these units anew: redraw, then silence; and the optimizer forgets them.

        What it keeps elementwise (momentum, second moments) becomes 0; the step count that all elements of a
        parameter share stays.
        """
        for part in self.redrawn:
            rows = part.rows(self.number)
            rows[chosen] = part.draw(rows[chosen], generator)
        for part in self.silenced:
            part.rows(self.number)[chosen] = 0.0
        for part in (*self.redrawn, *self.silenced):
            for kept in optimizer.state.get(part.parameter, {}).values():
                if isinstance(kept, Tensor) and kept.shape == part.parameter.shape:
                    part.rows(self.number, kept)[chosen] = 0.0


@runtime_checkable
class Declares(Protocol):
    """A layer that says what its hidden units are. Those that do not are left alone."""

    def declare_units(self) -> HiddenUnits:
        """Its units, as its parameters are now."""
        ...


def hidden_units(
    network: nn.Module, trained: Iterable[nn.Parameter] | None = None
) -> list[HiddenUnits]:
    """The hidden units of every layer that declares them, in the order of the network's modules.

    Args:
        network: or a part of it.
        trained: leaves out layers of which a parameter is not among these (frozen, or computed, as beside LoRA).
    """
    found = [module.declare_units() for module in network.modules() if isinstance(module, Declares)]
    if trained is None:
        return found
    mine = {id(p) for p in trained}
    return [each for each in found if all(id(p) in mine for p in each.parameters())]


@torch.no_grad()
def activations(
    network: nn.Module, inputs: Int[Tensor, "batch time"], groups: list[HiddenUnits]
) -> list[Float[Tensor, "batch time units"]]:
    """What each layer's units say while these inputs go through."""
    seen: list[list[Tensor]] = [[] for _ in groups]
    handles: list[RemovableHandle] = []
    for group, kept in zip(groups, seen, strict=True):

        def enters(_: nn.Module, args: tuple[Tensor], kept: list[Tensor] = kept) -> None:
            kept.append(args[0])

        def leaves(
            _: nn.Module, args: tuple[Tensor], out: Tensor, kept: list[Tensor] = kept
        ) -> None:
            kept.append(out)

        if group.at == "input":
            handles.append(group.site.register_forward_pre_hook(enters))
        else:
            handles.append(group.site.register_forward_hook(leaves))
    try:
        network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return [torch.cat(each) for each in seen]


def dormancy(activation: Float[Tensor, "... units"]) -> Float[Tensor, " units"]:
    """s_k = E|h_k| / mean_j E|h_j|, of one layer (Sokar et al. 2023, arXiv 2302.12902); 0 if all are 0."""
    size = activation.flatten(0, -2).abs().mean(0)
    return size / size.mean().clamp(min=torch.finfo(size.dtype).tiny)
