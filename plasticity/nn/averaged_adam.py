"""Averaged Adam: several vectors that descend gradients of their own, each followed by its moving average."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity.core.bounded import Fraction, Positive

ADAM = 0.9, 0.99, 1e-8
"""Decays of its moments, the second faster than usual, for what sees few steps; its epsilon."""
MOVED = 5
"""What a vector is after is thought to have moved: one in so many of its steps goes on counting."""


class AveragedAdam(nn.Module):
    """Several vectors that descend gradients of their own, each followed by its moving average.

    Adam (Kingma & Ba 2015, arXiv 1412.6980, algorithm 1) at the rate lr / sqrt(1 + n / settling). The average (Polyak
    & Juditsky 1992, SIAM J. Control Optim. 30(4)) forgets: it goes max(1 - momentum, 2 / (n + 2)) of the way. n counts
    a vector's steps, and most are forgotten once what it is after has moved.

    Args:
        rows: how many.
        like: device and dtype of a vector, and its size.
        lr: at first.
        momentum: of the average.
        settling: steps after which the rate falls.
    """

    weights: Float[Tensor, "rows numbers"]
    average: Float[Tensor, "rows numbers"]
    first: Float[Tensor, "rows numbers"]
    second: Float[Tensor, "rows numbers"]
    taken: Int[Tensor, " rows"]
    """Steps of each."""
    settled: Int[Tensor, " rows"]
    """Those that go on counting."""

    def __init__(
        self,
        rows: int,
        like: Float[Tensor, " numbers"],
        lr: Positive,
        momentum: Fraction,
        settling: Positive,
    ):
        super().__init__()
        self.lr, self.momentum, self.settling = lr, momentum, settling
        for name in ("weights", "average", "first", "second"):
            self.register_buffer(name, like.new_zeros(rows, len(like)))
        for name in ("taken", "settled"):
            self.register_buffer(name, torch.zeros(rows, dtype=torch.int64))

    def start(self, row: int, at: Float[Tensor, " numbers"]) -> None:
        """A vector begins here, without a past."""
        self.weights[row] = self.average[row] = at
        for buffer in (self.first, self.second, self.taken, self.settled):
            buffer[row] = 0

    def unsettle(self, row: int) -> None:
        """What it is after has moved: most of its steps no longer count."""
        self.settled[row] //= MOVED

    def descend(self, row: int, grad: Float[Tensor, " numbers"]) -> None:
        """One step, and the average follows."""
        self.taken[row] += 1
        self.settled[row] += 1
        n, settled = int(self.taken[row]), int(self.settled[row])
        one, two, tiny = ADAM
        m, v = self.first[row].lerp_(grad, 1 - one), self.second[row].lerp_(grad**2, 1 - two)
        size = (v / (1 - two**n)).sqrt_().add_(tiny)
        rate = self.lr / (1 + settled / self.settling) ** 0.5
        self.weights[row].addcdiv_(m, size, value=-rate / (1 - one**n))
        self.average[row].lerp_(self.weights[row], max(1 - self.momentum, 2 / (settled + 2)))
