"""Low-rank adapters as parametrizations of weight matrices."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize


class LowRank(nn.Module):
    """W -> W + scale B A, with A (rank, in) random and B (out, rank) zero: the identity at first.

    Args:
        weight: W.
        rank: of the correction.
        scale: of the correction.
        generator: draws A.
    """

    def __init__(self, weight: Tensor, rank: int, scale: float, generator: torch.Generator):
        super().__init__()
        self.A = nn.Parameter(weight.new_empty(rank, weight.shape[1]))
        self.B = nn.Parameter(weight.new_empty(weight.shape[0], rank))
        self.scale = scale
        self.begin(generator)

    def forward(self, weight: Float[Tensor, "out in"]) -> Float[Tensor, "out in"]:
        """The corrected weight."""
        return torch.addmm(weight, self.B, self.A, alpha=self.scale)

    def begin(self, generator: torch.Generator) -> None:
        """Begin anew, as the identity; past autograd, as a gradient through the old one may be due."""
        bound = 1 / math.sqrt(self.A.shape[1])
        self.A.data.copy_(torch.rand(self.A.shape, generator=generator) * 2 * bound - bound)
        self.B.data.zero_()


class Adapted(NamedTuple):
    """A frozen matrix and its correction."""

    weight: nn.Parameter
    adapter: LowRank


def add_adapters(network: nn.Module, rank: int, alpha: float | None, seed: int) -> list[Adapted]:
    """Freeze a network and put an adapter on each of its matrices.

    Matrices are every two-dimensional parameter but embeddings; written as parametrizations, so that
    attention, LSTM and state-space weights are all reached.

    Args:
        network: changed in place.
        rank: of the corrections.
        alpha: scale of the corrections, over rank; None: 2 rank.
        seed: of the corrections' first values.
    """
    network.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    scale = (alpha or 2 * rank) / rank
    adapted: list[Adapted] = []
    for module in list(network.modules()):
        if isinstance(module, nn.Embedding):
            continue
        for name, weight in list(module.named_parameters(recurse=False)):
            if weight.ndim == 2:
                adapter = LowRank(weight, rank, scale, generator)
                parametrize.register_parametrization(module, name, adapter)
                original = module.get_parameter(f"parametrizations.{name}.original")
                adapted.append(Adapted(original, adapter))
    return adapted
