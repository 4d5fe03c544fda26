"""Mamba: a recurrence whose decay the input chooses."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from plasticity.networks.mlp import Stack
from plasticity.quantities import Count


class SSD(nn.Module):
    """The Mamba-2 mixer: a linear recurrence, computed for all times at once as a masked product.

    Law, for each head (Dao & Gu 2024, arXiv 2405.21060, section 6 and listing 1):
    h_t = exp(dt_t A) h_{t-1} + dt_t x_t B_t^T and y_t = h_t C_t + D x_t, which is
    y_t = sum_{s<=t} (C_t . B_s) exp(sum_{s<r<=t} dt_r A) dt_s x_s + D x_t,
    with A = -exp(A_log), dt = softplus(dt + dt_bias), and x, B, C from a short causal convolution.
    The gate comes before the norm: out_proj(norm(y * silu(z))).
    Time and memory are of order time^2. Parameters are those of Hugging Face's Mamba2Mixer, name
    for name.

    Args:
        width: channels in and out.
        state: size of the memory of one channel.
        heads: number of decays; divides expand * width.
        expand: channels inside per channel outside.
        conv: positions the convolution sees, the current one included.
    """

    def __init__(self, width: int, state: int, heads: int, expand: int, conv: int):
        super().__init__()
        inner = expand * width
        mixed = inner + 2 * state
        self.sizes = (inner, mixed, heads)
        self.state = state
        self.in_proj = nn.Linear(width, inner + mixed + heads, bias=False)
        self.conv1d = nn.Conv1d(mixed, mixed, conv, groups=mixed)
        rates = torch.empty(heads).uniform_(1, 16)
        steps = torch.empty(heads).uniform_(math.log(1e-3), math.log(1e-1)).exp()
        self.A_log = nn.Parameter(rates.log())
        self.dt_bias = nn.Parameter(steps + torch.log(-torch.expm1(-steps)))  # softplus's inverse
        self.D = nn.Parameter(torch.ones(heads))
        self.norm = nn.RMSNorm(inner, eps=1e-5)
        self.out_proj = nn.Linear(inner, width, bias=False)

    def forward(self, u: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """The update of the residual stream."""
        inner, _, heads = self.sizes
        z, xbc, dt = self.in_proj(u).split(self.sizes, dim=-1)
        past = F.pad(xbc.transpose(1, 2), (self.conv1d.kernel_size[0] - 1, 0))
        x, b, c = F.silu(self.conv1d(past)).split([inner, self.state, self.state], dim=1)
        x = x.unflatten(1, (heads, -1))  # batch heads channels time, as all below
        dt = F.softplus(dt + self.dt_bias).transpose(1, 2)
        weights = self.decay(dt * -self.A_log.exp()[:, None]) * (b.mT @ c)[:, None]
        y = (x * dt[:, :, None]) @ weights + x * self.D[:, None, None]
        return self.out_proj(self.norm(y.flatten(1, 2).mT * F.silu(z)))

    def decay(
        self, rate: Float[Tensor, "batch heads time"]
    ) -> Float[Tensor, "batch heads time time"]:
        """What is left at t (last axis) of what came in at s: exp(sum_{s<r<=t} rate_r) or 0."""
        total = rate.cumsum(-1)
        future = rate.new_ones(rate.shape[-1], rate.shape[-1], dtype=torch.bool).tril(-1)
        difference = total[..., None, :] - total[..., :, None]
        return difference.masked_fill(future, -math.inf).exp()


class Mamba(Stack):
    """Residual Mamba-2 blocks: memory that the input opens and clears, of fixed size.

    Args:
        vocab: size of the input alphabet.
        symbols: size of the target alphabet.
        width: channels of the residual stream.
        depth: number of blocks.
        state: size of the memory of one channel.
        heads: decays in each block; divides expand * width.
        expand: channels inside a block per channel of the stream.
        conv: positions the convolution sees, the current one included.
    """

    def __init__(
        self,
        vocab: int,
        symbols: int,
        width: Count = 64,
        depth: Count = 2,
        state: Count = 16,
        heads: Count = 4,
        expand: Count = 2,
        conv: Count = 4,
    ):
        if expand * width % heads:
            raise ValueError(
                f"{expand} x {width} inner channels do not divide into {heads} heads: "
                "make expand * width a multiple of heads"
            )
        mixers = [SSD(width, state, heads, expand, conv) for _ in range(depth)]
        super().__init__(vocab, symbols, width, mixers)
        self.width = width
        self.depth = depth
        self.state = state
        self.heads = heads
        self.expand = expand
        self.conv = conv
