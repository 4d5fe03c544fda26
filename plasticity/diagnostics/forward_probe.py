"""Forward probe: what goes on in a network during one forward pass, and no trace of it afterwards."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from plasticity.core.tunnel import Batch
from plasticity.nn.hidden_units import activations, hidden_units

MAPS = (F.linear, torch.matmul, Tensor.matmul, Tensor.__matmul__)
"""What a readout may be written as."""


class Activations(NamedTuple):
    """What one forward pass shows."""

    features: Float[Tensor, "n width"]
    """What goes into the readout at the asked positions."""
    heard: list[Float[Tensor, "batch time units"]]
    """What the hidden units of each layer say."""


class ProbedNetwork(nn.Module):
    """A network without what stands around it (a compiled call, hooks on the whole), so that it can be looked at.

    The readout is the linear map whose result is the logits or, where something follows it, the last whose result
    has their size. Read where torch is called and not from modules, so that any network will do. Where there is
    none, the logits are their own features.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        self.features = torch.zeros(0)

    def forward(self, inputs: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time symbols"]:
        """Its logits; what went into the readout is in `features`."""
        with _Reader() as reader:
            logits = self.network.forward(inputs)
        shape = logits.shape[-1], logits.numel()
        fits = [x for x, y in reader.found if (y.shape[-1], y.numel()) == shape]
        exact = [x for x, y in reader.found if y is logits]
        self.features = (exact or fits or [logits])[-1]
        return logits

    def logits_with(
        self,
        weights: Mapping[str, Tensor],
        inputs: Int[Tensor, "batch time"],
    ) -> Float[Tensor, "batch time symbols"]:
        """Logits with other parameters and buffers, by the names that this module has for them."""
        return functional_call(self, dict(weights), (inputs,))

    @torch.no_grad()
    def look(self, inputs: Int[Tensor, "batch time"], asked: Bool[Tensor, " time"]) -> Activations:
        """One forward pass, with everything noted."""
        groups = hidden_units(self.network)
        heard = activations(self, inputs, groups) if groups else []
        if not groups:
            self(inputs)
        return Activations(self.features.reshape(*inputs.shape, -1)[:, asked].flatten(0, 1), heard)


class _Reader(TorchFunctionMode):
    """While active, notes what goes into linear maps, and what comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in MAPS and args:
            self.found.append((args[0], result))
        return result


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[ProbedNetwork]:
    """The network in evaluation mode; what is done to it inside is undone, but for its parameters.

    Modes come back as they were, module by module; buffers are copies meanwhile; torch's global generators end
    where they began.
    """
    modes = [(module, module.training) for module in network.modules()]
    buffers = [
        (module, name, buffer)
        for module, _ in modes
        for name, buffer in module.named_buffers(recurse=False)
    ]
    with torch.random.fork_rng(devices=gpus(network)):
        try:
            network.eval()
            for module, name, buffer in buffers:
                setattr(module, name, buffer.clone())
            yield ProbedNetwork(network)
        finally:
            for module, name, buffer in buffers:
                setattr(module, name, buffer)
            for module, training in modes:
                module.training = training


def gpus(network: nn.Module) -> list[torch.device]:
    """The CUDA devices that it is on."""
    return list({p.device for p in network.parameters() if p.is_cuda})


def held_out(batch: Batch, samples: int, device: torch.device) -> Batch:
    """The first sequences of a batch, on this device."""
    return Batch(*(each.to(device) for each in batch.rows(slice(samples))))
