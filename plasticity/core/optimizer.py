"""Optimizer: the rule that turns gradients into steps."""

from abc import ABC, abstractmethod

import torch
from torch import nn

from plasticity.core.bounded import NonNegative, Positive


class Optimizer(ABC):
    """Which rule turns gradients into steps; the strategy says for which parameters.

    Args:
        lr: learning rate, unless the strategy has its own.
    """

    def __init__(self, lr: Positive = 1e-3):
        self.lr = lr

    @abstractmethod
    def __call__(self, params: list[nn.Parameter], lr: float | None) -> torch.optim.Optimizer:
        """The torch optimizer over these parameters; `lr` overrides the optimizer's own."""


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), fused.

    Args:
        lr: learning rate, unless the strategy has its own.
        weight_decay: decoupled decay per step, times lr.
    """

    def __init__(self, lr: Positive = 1e-3, weight_decay: NonNegative = 0.0):
        super().__init__(lr)
        self.weight_decay = weight_decay

    def __call__(self, params: list[nn.Parameter], lr: float | None) -> torch.optim.Optimizer:
        """Fused AdamW."""
        return torch.optim.AdamW(params, lr or self.lr, weight_decay=self.weight_decay, fused=True)


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

    Args:
        lr: learning rate, unless the strategy has its own.
        momentum: 0 is the plain rule.
    """

    def __init__(self, lr: Positive = 1e-1, momentum: NonNegative = 0.0):
        super().__init__(lr)
        self.momentum = momentum

    def __call__(self, params: list[nn.Parameter], lr: float | None) -> torch.optim.Optimizer:
        """Fused SGD."""
        return torch.optim.SGD(params, lr or self.lr, momentum=self.momentum, fused=True)
