"""Metric: a score in bits per asked position, of every predictor against one reference."""

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import torch
import torchmetrics
from jaxtyping import Float
from torch import Tensor

Reference = Literal["informed", "continual", "amnesic", "realised"]
"""Whose predictive is the truth. `realised` is the point mass on the symbol that came."""


class Metric(torchmetrics.Metric):
    """Mean over asked positions of a per-position score. Subclasses write `score`.

    Every predictor (the learner, the observers, the baselines) is scored in one call, so that a bound and
    the learner's number never come from different code.

    Args:
        reference: whose predictive is the truth.
    """

    id: ClassVar[str]
    """What the metric is called in tables; `column` adds the reference."""

    def __init__(self, reference: Reference = "informed"):
        super().__init__()
        self.reference: Reference = reference
        self.batch_value: Tensor = torch.zeros(0)
        self.add_state("total", torch.zeros(1, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    @property
    def column(self) -> str:
        """Name in the tables: the id, and the reference where it is not the informed observer."""
        return self.id if self.reference == "informed" else f"{self.id}_{self.reference}"

    @staticmethod
    @abstractmethod
    def score(
        log_probs: Float[Tensor, "*predictor batch time symbols"],
        posterior: Float[Tensor, "#*predictor batch time symbols"],
    ) -> Float[Tensor, "*predictor batch time"]:
        """Bits at each position.

        Args:
            log_probs: natural logarithm of what was predicted.
            posterior: the reference's probabilities; rows sum to 1.
        """

    def update(self, log_probs: Tensor, posterior: Tensor) -> None:
        """Score one batch; `batch_value` keeps its mean over sequences, per predictor and position."""
        self.batch_value = self.score(log_probs, posterior).mean(-2)
        self.total = self.total + self.batch_value.mean(-1)
        self.count = self.count + 1

    def compute(self) -> Any:
        """Mean over the batches since the last reset, per predictor [bits per position]."""
        return self.total / self.count
