"""Gradient dynamics of attention: what one step of gradient descent does to scores and values, in closed form.

(Agarwal, Misra et al., arXiv 2512.22473.) With y_i = sum_j a_ij v_j, a_i = softmax_j(s_ij) and u_i = dL/dy_i, a score
rises where its value is worth more than the average under the attention (routing), and a value is pulled by those who
read it, as far as they read it (content).
"""

from jaxtyping import Float
from torch import Tensor

Rows = Float[Tensor, "*heads queries keys"]


def advantage(
    upstream: Float[Tensor, "*heads queries channels"],
    values: Float[Tensor, "*heads keys channels"],
) -> Rows:
    """b_ij = u_i . v_j: by how much the loss rises with what query i reads of value j."""
    return upstream @ values.mT


def score_gradient(
    weights: Rows,
    upstream: Float[Tensor, "*heads queries channels"],
    values: Float[Tensor, "*heads keys channels"],
) -> Rows:
    """dL/ds_ij = a_ij (b_ij - E_a[b]_i), E_a[b]_i = sum_j a_ij b_ij; rows sum to 0.

    Args:
        weights: a; 0 where nothing may be read, as a causal mask has it.
        upstream: u = dL/dy, before the output map.
        values: v.

    Returns:
        in the unit of the loss; the scores include 1 / sqrt(channels).
    """
    b = advantage(upstream, values)
    return weights * (b - (weights * b).sum(-1, keepdim=True))


def value_step(
    weights: Rows, upstream: Float[Tensor, "*heads queries channels"], rate: float
) -> Float[Tensor, "*heads keys channels"]:
    """dv_j = -eta sum_i a_ij u_i: what a step of gradient descent on the values themselves adds to them.

    Args:
        weights: a.
        upstream: u = dL/dy.
        rate: eta.
    """
    return -rate * weights.mT @ upstream
