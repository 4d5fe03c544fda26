"""Spectrum: how many directions a matrix really has, and how far two matrices of features agree."""

import torch
from jaxtyping import Float
from torch import Tensor

SHARE = 0.99
"""Of the sum that the counted singular values must reach."""


def singular_values(features: Float[Tensor, "n width"]) -> Float[Tensor, " rank"]:
    """Largest first, in float64; from the smaller Gram matrix, so right to 1e-8 of the largest.

    >>> singular_values(torch.tensor([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]])).tolist()
    [4.0, 3.0]
    """
    x = features.double()
    gram = x.T @ x if len(x) > x.shape[1] else x @ x.T
    return eigenvalues(gram).clamp(min=0).sqrt().flip(0)


def eigenvalues(symmetric: Float[Tensor, "n n"]) -> Float[Tensor, " n"]:
    """Of a symmetric matrix, rising; NaN where something in it is not finite, as in a network that diverged."""
    if not symmetric.isfinite().all():
        return symmetric.new_full((len(symmetric),), torch.nan)
    return torch.linalg.eigvalsh(symmetric)


def effective_rank(sizes: Float[Tensor, " n"]) -> float:
    """exp(-sum_i p_i ln p_i) with p_i = s_i / sum_j s_j (Roy & Vetterli 2007); 0 if all are 0.

    >>> effective_rank(torch.tensor([2.0, 2.0, 0.0]))
    2.0
    """
    total = sizes.sum()
    return float(torch.special.entr(sizes / total).sum().exp()) if total else 0.0


def stable_rank(sizes: Float[Tensor, " n"]) -> float:
    """||A||_F^2 / ||A||_2^2 of the matrix with these singular values; 0 if all are 0.

    >>> stable_rank(torch.tensor([2.0, 1.0, 0.0]))
    1.25
    """
    largest = sizes.max()
    return float((sizes / largest).square().sum()) if largest else 0.0


def leading(sizes: Float[Tensor, " n"]) -> float:
    """The least k for which the k largest make up SHARE of the sum; 0 if all are 0.

    Of singular values: srank (Kumar et al. 2021, arXiv 2010.14498, section 3). Of their squares: approximate rank
    (Yang et al. 2019, arXiv 1909.12255).

    Args:
        sizes: largest first.

    >>> leading(torch.tensor([90.0, 8.0, 2.0]))
    3.0
    """
    reached = sizes.cumsum(0)
    if not reached[-1].isfinite():
        return torch.nan
    return float((reached < SHARE * reached[-1]).sum() + 1) if reached[-1] else 0.0


def cka(one: Float[Tensor, "n width"], other: Float[Tensor, "n width2"]) -> float:
    """Linear centred kernel alignment: ||Y^T X||_F^2 / (||X^T X||_F ||Y^T Y||_F), columns centred.

    1: the same up to rotation and scale; 0: uncorrelated. NaN where features are constant.
    (Kornblith et al. 2019, arXiv 1905.00414, section 3 and table 1)
    """
    x, y = (each.double() - each.double().mean(0) for each in (one, other))
    return float((y.T @ x).norm().square() / ((x.T @ x).norm() * (y.T @ y).norm()))
