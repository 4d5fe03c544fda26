"""Low-rank adapters as parametrizations of weight matrices."""

import math
from collections import Counter
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
        fine = torch.promote_types(weight.dtype, torch.float32)  # small steps vanish in 16 bits
        self.A = nn.Parameter(weight.new_empty(rank, weight.shape[1], dtype=fine))
        self.B = nn.Parameter(weight.new_empty(weight.shape[0], rank, dtype=fine))
        self.scale = scale
        self.begin(generator)

    def forward(self, weight: Float[Tensor, "out in"]) -> Float[Tensor, "out in"]:
        """The corrected weight."""
        return torch.addmm(weight, self.B.to(weight), self.A.to(weight), alpha=self.scale)

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
    """Freeze a network and put an adapter on each of the matrices that it trains.

    Matrices are every two-dimensional parameter but embeddings, and what is tied to one or used twice otherwise;
    written as parametrizations, so that attention, LSTM and state-space weights are all reached. What the network
    itself holds frozen is not adapted.

    Args:
        network: changed in place.
        rank: of the corrections.
        alpha: scale of the corrections, over rank; None: 2 rank.
        seed: of the corrections' first values.

    Raises:
        ValueError: there is no such matrix.
    """
    uses = Counter(id(p) for _, p in network.named_parameters(remove_duplicate=False))
    own = {id(p) for p in network.parameters() if p.requires_grad and uses[id(p)] == 1}
    network.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    scale = (alpha or 2 * rank) / rank
    adapted: list[Adapted] = []
    for module in list(network.modules()):
        if isinstance(module, nn.Embedding):
            continue
        for name, weight in list(module.named_parameters(recurse=False)):
            if weight.ndim == 2 and id(weight) in own:
                adapter = LowRank(weight, rank, scale, generator)
                parametrize.register_parametrization(module, name, adapter)
                original = module.get_parameter(f"parametrizations.{name}.original")
                adapted.append(Adapted(original, adapter))
    if not adapted:
        raise ValueError(
            f"expected a matrix that {type(network).__name__} trains and uses once, to adapt it; found none"
        )
    return adapted
