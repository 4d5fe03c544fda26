"""A low-rank correction beside frozen weights."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from plasticity import Learner, Natural, Positive, Strategy


class LowRank(nn.Module):
    """W -> W + scale B A, with A (rank, in) random and B (out, rank) zero: the identity at first."""

    def __init__(self, weight: Tensor, rank: int, scale: float, generator: torch.Generator):
        super().__init__()
        bound = 1 / math.sqrt(weight.shape[1])
        down = torch.rand(rank, weight.shape[1], generator=generator) * 2 * bound - bound
        self.A = nn.Parameter(down.to(weight))
        self.B = nn.Parameter(weight.new_zeros(weight.shape[0], rank))
        self.scale = scale

    def forward(self, weight: Float[Tensor, "out in"]) -> Float[Tensor, "out in"]:
        """The corrected weight."""
        return torch.addmm(weight, self.B, self.A, alpha=self.scale)


class LoRA(Strategy):
    """One shared low-rank adapter on every weight matrix; all else is frozen.

    W_t = W_0 + (alpha / rank) B_t A_t, B_0 = 0   (Hu et al. 2021, arXiv 2106.09685, eq. 3)

    Matrices are every two-dimensional parameter but embeddings; written as parametrizations, so that
    attention, LSTM and state-space weights are all reached. Cost per step: forward + backward.

    Args:
        rank: of the correction; 0: no adapter, every weight is trained.
        alpha: scale of the correction, over rank; null: 2 rank.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"rank": 0}

    def __init__(
        self, rank: Natural = 4, alpha: Positive | None = None, lr: Positive | None = None
    ):
        super().__init__(lr)
        self.rank, self.alpha = rank, alpha

    def attach(self, learner: Learner) -> None:
        """Freeze the network and put an adapter on each of its matrices."""
        if not self.rank:
            return
        learner.network.requires_grad_(False)
        generator = torch.Generator().manual_seed(learner.seed)
        scale = (self.alpha or 2 * self.rank) / self.rank
        for module in list(learner.network.modules()):
            if isinstance(module, nn.Embedding):
                continue
            for name, weight in list(module.named_parameters(recurse=False)):
                if weight.ndim == 2:
                    adapter = LowRank(weight, self.rank, scale, generator)
                    parametrize.register_parametrization(module, name, adapter)
