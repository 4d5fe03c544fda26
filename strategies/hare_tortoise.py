"""Hare and tortoise: fast weights that are periodically reset to their exponential moving average."""

import torch
from torch import Tensor

from plasticity import (
    Fraction,
    Learner,
    Natural,
    Positive,
    Strategy,
    tensors_to_vector,
    vector_to_tensors,
)


class HareTortoise(Strategy):
    """The hare learns; the tortoise averages; every so often the hare begins again where the tortoise is.

    tortoise <- momentum tortoise + (1 - momentum) hare, after every step;  hare <- tortoise, every `every` steps
    (Lee et al. 2024, arXiv 2406.02596)

    By default the tortoise looks back over 20 steps and the hare returns every 50, for regimes of a hundred steps.
    What predicts, and is scored, is always the hare. The tortoise begins where the hare does. The optimizer keeps
    its state when the hare is put back. Cost per step: forward + backward + O(parameters). Memory: parameters.

    Args:
        momentum: of the tortoise, per step: it looks back over 1 / (1 - momentum) steps.
        every: steps from one return to the next; 0: the hare never returns.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"every": 0}
    anchored = True
    tortoise: Tensor
    steps: Tensor

    def __init__(self, momentum: Fraction = 0.95, every: Natural = 50, lr: Positive | None = None):
        super().__init__(lr)
        self.momentum, self.every = momentum, every

    def idle(self, steps: int | None, shifts: bool, updates: int = 1) -> str | None:
        """Where the hare never returns, too."""
        if why := super().idle(steps, shifts, updates):
            return why
        if steps is None or self.every <= steps * updates:
            return None
        return f"every: {self.every} gradient steps, and there are {steps * updates}"

    def attach(self, learner: Learner) -> None:
        """The tortoise begins where the hare does."""
        theta = tensors_to_vector(learner.trainable()).detach()
        self.register_buffer("tortoise", theta.clone())
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def after_step(self, learner: Learner) -> None:
        """The tortoise follows; when it is time, the hare returns to it."""
        if not self.every:
            return
        params = learner.trainable()
        self.tortoise.lerp_(tensors_to_vector(params), 1 - self.momentum)
        self.steps += 1
        if int(self.steps) % self.every == 0:
            for p, slow in zip(params, vector_to_tensors(self.tortoise, params), strict=True):
                p.copy_(slow)
