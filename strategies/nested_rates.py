"""Nested learning: blocks of the network are updated at several rates."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity import (
    Count,
    Learner,
    Positive,
    Strategy,
    gradient_vector,
    tensors_to_vector,
    vector_to_tensors,
)


class NestedRates(Strategy):
    """Multi-timescale updates (a continuum memory system): level k of the network moves every base^k steps.

    theta_k <- theta_k - lr sum_{t - C_k < i <= t} f(g_i) at steps t divisible by C_k = base^k, else it stays
    (nested learning, HOPE: Behrouz et al. 2025, NeurIPS: the continuum memory system)

    The optimizer is handed the mean gradient of the steps since a level moved last, so that each level descends by
    the learning rate, rarely: 1/C_k as far in the same time. Levels are equal shares of the parameters' tensors in the
    network's order (embedding, blocks, head): level 0, which moves at every step, is the last or the first.
    It needs no shifts. Cost per step: forward + backward. Memory: parameters.

    Args:
        levels: 1: every weight moves at every step.
        base: by how much rarer the next level moves; 1: it does not.
        slow: which end of the network is rarest.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"levels": 1}
    gathered: Float[Tensor, " parameters"]
    steps: Int[Tensor, ""]

    def __init__(
        self,
        levels: Count = 3,
        base: Count = 4,
        slow: Literal["first", "last"] = "first",
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.levels, self.base = levels, base
        self.slow: Literal["first", "last"] = slow

    def idle(self, steps: int | None, shifts: bool, updates: int = 1) -> str | None:
        """Where no level is rarer than another, too."""
        return super().idle(steps, shifts, updates) or (
            "base: 1 moves every level at every step" if self.base == 1 else None
        )

    def attach(self, learner: Learner) -> None:
        """Allocate what is gathered."""
        self.register_buffer("gathered", torch.zeros_like(tensors_to_vector(learner.trainable())))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def periods(self, params: list[nn.Parameter]) -> list[int]:
        """Steps from one move of each parameter to the next."""
        place = [i * self.levels // len(params) for i in range(len(params))]
        return [self.base ** (self.levels - 1 - k if self.slow == "first" else k) for k in place]

    @torch.no_grad()
    def project_gradients(self, learner: Learner) -> None:
        """Gather; those whose turn it is get the mean, the others nothing."""
        if self.levels == 1:
            return
        params = learner.trainable()
        self.gathered += gradient_vector(params)
        self.steps += 1
        pieces = vector_to_tensors(self.gathered, params)
        for p, total, period in zip(params, pieces, self.periods(params), strict=True):
            p.grad = None
            if int(self.steps) % period == 0:
                p.grad = total / period
                total.zero_()
