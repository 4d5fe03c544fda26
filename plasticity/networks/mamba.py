"""Mamba-2: a selective state-space model, as a masked matrix product."""

import math
from collections.abc import Callable
from functools import cache
from importlib import import_module

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from plasticity.core.bounded import Count
from plasticity.networks.mlp import Stack
from plasticity.nn.hidden_units import HiddenUnits, Part

CHUNK = 256
"""Positions that the kernel takes at once; what mamba-ssm uses."""


@cache
def kernel() -> Callable[..., Tensor] | None:
    """The fused scan of the mamba-ssm package, for CUDA tensors; None: it is not installed."""
    try:
        return import_module("mamba_ssm.ops.triton.ssd_combined").mamba_chunk_scan_combined
    except ImportError:
        return None


def decays(heads: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Where A_log and dt_bias of each head begin: decay rates of 1 to 16, over steps of .001 to .1."""
    rates = torch.empty(heads).uniform_(1, 16)
    steps = torch.empty(heads).uniform_(math.log(1e-3), math.log(1e-1)).exp()
    inverse = steps + torch.log(-torch.expm1(-steps))  # softplus's
    return nn.Parameter(rates.log()), nn.Parameter(inverse)


class SSD(nn.Module):
    """The Mamba-2 mixer: a linear recurrence, computed for all times at once as a masked product.

    Law, for each head (Dao & Gu 2024, arXiv 2405.21060, section 6 and listing 1):
    h_t = exp(dt_t A) h_{t-1} + dt_t x_t B_t^T and y_t = h_t C_t + D x_t, which is
    y_t = sum_{s<=t} (C_t . B_s) exp(sum_{s<r<=t} dt_r A) dt_s x_s + D x_t,
    with A = -exp(A_log), dt = softplus(dt + dt_bias), and x, B, C from a short causal convolution.
    The gate comes before the norm: out_proj(norm(y * silu(z))).
    Time and memory are of order time^2; on a GPU where the `mamba-ssm` package is installed its kernel
    computes the same in chunks. Parameters are those of Hugging Face's Mamba2Mixer, name for name.

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
        self.A_log, self.dt_bias = decays(heads)
        self.D = nn.Parameter(torch.ones(heads))
        self.norm = nn.RMSNorm(inner, eps=1e-5)
        self.out_proj = nn.Linear(inner, width, bias=False)

    def forward(self, u: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """The update of the residual stream."""
        z, x, b, c, dt = self.project(u)
        scan = (kernel() if u.is_cuda else None) or self.masked
        y = scan(x, dt, -self.A_log.exp(), b, c, CHUNK, D=self.D)
        return self.out_proj(self.norm(y.flatten(2) * F.silu(z)))

    def project(
        self, u: Float[Tensor, "batch time width"]
    ) -> tuple[
        Float[Tensor, "batch time inner"],
        Float[Tensor, "batch time heads channels"],
        Float[Tensor, "batch time 1 state"],
        Float[Tensor, "batch time 1 state"],
        Float[Tensor, "batch time heads"],
    ]:
        """The gate z, and what the recurrence takes: x, B, C, dt."""
        inner, _, heads = self.sizes
        z, xbc, dt = self.in_proj(u).split(self.sizes, dim=-1)
        past = F.pad(xbc.transpose(1, 2), (self.conv1d.kernel_size[0] - 1, 0))
        x, b, c = F.silu(self.conv1d(past)).split([inner, self.state, self.state], dim=1)
        x = x.unflatten(1, (heads, -1)).movedim(-1, 1)
        return z, x, b.mT[:, :, None], c.mT[:, :, None], F.softplus(dt + self.dt_bias)

    def states(self, u: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time numbers"]:
        """The memory h at each position, heads x channels x state, step by step."""
        _, x, b, _, dt = self.project(u)
        kept, written = (-dt * self.A_log.exp()).exp(), dt[..., None] * x
        h = x.new_zeros(len(x), *x.shape[2:], self.state)
        found = list[Tensor]()
        for t in range(x.shape[1]):
            h = kept[:, t, :, None, None] * h + written[:, t, ..., None] * b[:, t, :, None]
            found.append(h.flatten(1))
        return torch.stack(found, 1)

    def declare_units(self) -> HiddenUnits:
        """Its inner channels, as they leave the norm.

        The gate z begins at zero, hence the channel, in the norm's mean too. What reads it stays as it is: were
        it zero as well, neither would have a gradient. There is no bias that could stand for a channel.
        """
        inner, _, _ = self.sizes
        taps = self.conv1d.kernel_size[0] ** -0.5
        weight, conv = self.in_proj.weight, self.conv1d
        assert conv.bias is not None
        fresh = Part(weight, first=inner, spread=self.in_proj.in_features**-0.5)
        return HiddenUnits(
            self.out_proj,
            "input",
            inner,
            redrawn=(
                fresh,
                Part(conv.weight, spread=taps, uniform=True),
                Part(conv.bias, spread=taps, uniform=True),
                Part(self.norm.weight, centre=1.0),
            ),
            silenced=(Part(weight),),
            outgoing=Part(self.out_proj.weight, axis=1),
        )

    def masked(
        self,
        x: Float[Tensor, "batch time heads channels"],
        dt: Float[Tensor, "batch time heads"],
        A: Float[Tensor, " heads"],
        B: Float[Tensor, "batch time 1 state"],
        C: Float[Tensor, "batch time 1 state"],
        chunk: int,
        D: Float[Tensor, " heads"],
    ) -> Float[Tensor, "batch time heads channels"]:
        """What comes out of the recurrence, as a masked product; the signature is the kernel's."""
        steps, inputs = dt.mT, x.movedim(1, -1)  # batch heads (channels) time
        weights = self.decay(steps * A[:, None]) * (B[:, :, 0] @ C[:, :, 0].mT)[:, None]
        y = (inputs * steps[:, :, None]) @ weights + inputs * D[:, None, None]
        return y.movedim(-1, 1)

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
