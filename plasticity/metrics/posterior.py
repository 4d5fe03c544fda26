"""Distances of a predictive from the truth, in bits per position (total variation has no unit)."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from plasticity.metric import Metric

BIT = math.log(2)


class KL(Metric):
    """Bits lost per symbol by coding with the predictive instead of the truth.

    KL(p || q) = sum_k p_k log2(p_k / q_k) >= 0, and 0 only for q = p (Kullback & Leibler 1951). With
    `reference: realised` it is the log loss -log2 q(target): a point mass has no entropy.
    Infinite where q rules out what p allows.
    """

    id: ClassVar[str] = "kl"

    @staticmethod
    def score(log_probs: Tensor, posterior: Tensor) -> Tensor:
        """sum_k p_k (ln p_k - ln q_k) / ln 2, with 0 ln 0 = 0."""
        terms = posterior * (posterior.log() - log_probs)
        return torch.where(posterior > 0, terms, 0.0).sum(-1) / BIT


class TotalVariation(Metric):
    """The largest difference in the probability of any event: 1/2 sum_k |p_k - q_k|, in [0, 1]."""

    id: ClassVar[str] = "tv"

    @staticmethod
    def score(log_probs: Tensor, posterior: Tensor) -> Tensor:
        """1/2 sum_k |p_k - q_k|."""
        return (posterior - log_probs.exp()).abs().sum(-1) / 2


class EntropyError(Metric):
    """|H(q) - H(p)|: reported for comparison with the papers, never alone.

    Not a proper score: the right entropy on the wrong symbols scores 0. The mean is of the absolute
    value per position (definition M2/M3 of the wind-tunnel code, arXiv 2512.22471).
    """

    id: ClassVar[str] = "entropy_error"

    @staticmethod
    def score(log_probs: Tensor, posterior: Tensor) -> Tensor:
        """|H(q) - H(p)| in bits."""
        entropy = -torch.xlogy(posterior, posterior).sum(-1)
        probs = log_probs.exp()
        return (-torch.xlogy(probs, probs).sum(-1) - entropy).abs() / BIT
