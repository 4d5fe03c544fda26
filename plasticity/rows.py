"""Rows: all that is trained as one vector, and back; torch's `parameters_to_vector` is the way there."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector


def shaped(row: Float[Tensor, " parameters"], like: Sequence[Tensor]) -> list[Tensor]:
    """Views of a row, one in the shape of each tensor: what `parameters_to_vector` put end to end."""
    pieces = row.split([each.numel() for each in like])
    return [piece.view_as(each) for piece, each in zip(pieces, like, strict=True)]


def gradient(params: Sequence[nn.Parameter]) -> Float[Tensor, " parameters"]:
    """The gradients of these parameters as a row; 0 where there is none."""
    return parameters_to_vector([torch.zeros_like(p) if p.grad is None else p.grad for p in params])
