"""Gated DeltaNet: a fast-weight memory that learns online by the delta rule and forgets by a gate."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from plasticity.core.bounded import Count
from plasticity.networks.mamba import decays
from plasticity.networks.mlp import Stack
from plasticity.nn.hidden_units import HiddenUnits, Part

CHUNK = 64
"""Positions that are taken at once."""


class GatedDelta(nn.Module):
    """The gated delta rule: each head's memory is a linear map from keys to values, learned online.

    Law, for each head (Yang, Kautz & Hatamizadeh 2025, arXiv 2412.06464, eq. 10):
    S_t = a_t S_{t-1} (I - b_t k_t k_t^T) + b_t v_t k_t^T and y_t = S_t q_t / sqrt(keys), which is one step of
    gradient descent at rate b_t on |S k_t - v_t|^2 / 2 from a memory that has decayed by a_t. Here
    a = exp(-exp(A_log) softplus(a + dt_bias)), b = sigmoid(b), q, k and v come from a short causal convolution and
    SiLU, and q and k are of length 1. The gate comes after the norm: out_proj(norm(y) * silu(z)), each head normed
    by itself. Computed in chunks of CHUNK positions, a triangular system each, and a scan over chunks. Equal to
    Hugging Face's Qwen3NextGatedDeltaNet, whose two input projections are rows of one here: q, k, v, z, b, a.

    Args:
        width: channels in and out.
        keys: channels of one head's keys and queries.
        heads: number of memories; divides expand * width.
        expand: channels of values per channel outside.
        conv: positions the convolution sees, the current one included.
    """

    def __init__(self, width: int, keys: int, heads: int, expand: int, conv: int):
        super().__init__()
        self.inner, self.heads = expand * width, heads
        both = 2 * keys * heads  # queries and keys
        self.sizes = (both + self.inner, self.inner, heads, heads)
        self.in_proj = nn.Linear(width, sum(self.sizes), bias=False)
        mixed = self.sizes[0]
        self.conv1d = nn.Conv1d(mixed, mixed, conv, groups=mixed, bias=False)
        self.A_log, self.dt_bias = decays(heads)
        self.norm = nn.RMSNorm(self.inner // heads, eps=1e-6)
        self.out_proj = nn.Linear(self.inner, width, bias=False)

    def forward(self, u: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """The update of the residual stream."""
        z, q, k, v, decay, beta = self.split(u)
        y = gated_delta_rule(unit(q), unit(k), v, decay, beta)
        y = self.norm(y.transpose(1, 2).to(self.norm.weight)).flatten(2)
        return self.out_proj(y * F.silu(z))

    def split(
        self, u: Float[Tensor, "batch time width"]
    ) -> tuple[
        Float[Tensor, "batch time inner"],
        Float[Tensor, "batch heads time keys"],
        Float[Tensor, "batch heads time keys"],
        Float[Tensor, "batch heads time values"],
        Float[Tensor, "batch heads time"],
        Float[Tensor, "batch heads time"],
    ]:
        """The gate z; queries, keys and values before they are of length 1; log a and b."""
        qkv, z, b, a = self.in_proj(u).split(self.sizes, dim=-1)
        past = F.pad(qkv.mT, (self.conv1d.kernel_size[0] - 1, 0))
        both, v = F.silu(self.conv1d(past)).mT.split([self.sizes[0] - self.inner, self.inner], -1)
        q, k = both.unflatten(-1, (2, self.heads, -1)).movedim(1, -2).unbind(1)
        v = v.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        decay = -self.A_log.exp() * F.softplus(a + self.dt_bias)
        return z, q, k, v, decay.mT, b.sigmoid().mT

    def states(self, u: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time numbers"]:
        """The memory S at each position, heads x values x keys, step by step."""
        _, _, k, v, decay, beta = self.split(u)
        k = unit(k)
        s = v.new_zeros(*v.shape[:2], v.shape[-1], k.shape[-1])
        found = list[Tensor]()
        for t in range(v.shape[2]):
            s = decay[:, :, t, None, None].exp() * s
            wrong = v[:, :, t] - (s @ k[:, :, t, :, None])[..., 0]
            s = s + (beta[:, :, t, None] * wrong)[..., None] * k[:, :, t, None]
            found.append(s.flatten(1))
        return torch.stack(found, 1)

    def declare_units(self) -> HiddenUnits:
        """Its value channels, as they leave the gate.

        What is stored of a channel begins at zero, hence the channel; what reads it and its gate do not, so that it
        has a gradient. The norm's scale is shared by all heads and stays. There is no bias that could stand for a
        channel.
        """
        weight, mixed = self.in_proj.weight, self.sizes[0]
        stored = mixed - self.inner
        taps = self.conv1d.kernel_size[0] ** -0.5
        return HiddenUnits(
            self.out_proj,
            "input",
            self.inner,
            redrawn=(
                Part(weight, first=mixed, spread=self.in_proj.in_features**-0.5),
                Part(self.conv1d.weight, first=stored, spread=taps, uniform=True),
            ),
            silenced=(Part(weight, first=stored),),
            outgoing=Part(self.out_proj.weight, axis=1),
        )


def unit(x: Float[Tensor, "*any channels"]) -> Float[Tensor, "*any channels"]:
    """Vectors of length 1, but for those near zero."""
    return x * (x.square().sum(-1, keepdim=True) + 1e-6).rsqrt()


def gated_delta_rule(
    q: Float[Tensor, "batch heads time keys"],
    k: Float[Tensor, "batch heads time keys"],
    v: Float[Tensor, "batch heads time values"],
    decay: Float[Tensor, "batch heads time"],
    beta: Float[Tensor, "batch heads time"],
    chunk: int = CHUNK,
) -> Float[Tensor, "batch heads time values"]:
    """What is read at each time from a memory that begins at zero, in chunks; in float32 or more.

    With g_i = exp(sum of decay up to i) inside a chunk, S the memory before it (keys x values), and the rows of the
    matrices Q, K, V at times i, the corrections U that are written solve (the UT transform of the WY representation:
    Yang et al. 2024, arXiv 2406.06484, section 3.2; with decay, 2412.06464, section 3.3)

    (I + L) U = diag(b) (V - diag(g) K S),   L_ij = b_i (k_i . k_j) g_i / g_j for j < i

    and Y = diag(g) Q S + M U with M_ij = (q_i . k_j) g_i / g_j for j <= i, over sqrt(keys); S becomes
    g_C S + sum_j (g_C / g_j) k_j u_j^T.

    Args:
        q: queries.
        k: keys.
        v: values.
        decay: log a_t; at most 0.
        beta: b_t.
        chunk: positions taken at once.
    """
    time = v.shape[2]
    exact = torch.promote_types(v.dtype, torch.float32)  # no triangular solver takes less
    chunk = min(chunk, time)
    pad = -time % chunk
    q, k, v = (F.pad(x.to(exact), (0, 0, 0, pad)).unflatten(2, (-1, chunk)) for x in (q, k, v))
    decay, beta = (F.pad(x.to(exact), (0, pad)).unflatten(2, (-1, chunk)) for x in (decay, beta))
    beta, total = beta[..., None], decay.cumsum(-1)
    future = torch.ones(chunk, chunk, dtype=torch.bool, device=v.device).triu(1)
    left = (total[..., :, None] - total[..., None, :]).masked_fill(future, -math.inf).exp()
    read = (q @ k.mT) * left * (scale := q.shape[-1] ** -0.5)
    system = beta * (k @ k.mT) * left  # its diagonal is not looked at: I + L
    grown = total.exp()[..., None]
    both = torch.cat([beta * v, beta * grown * k], -1)
    solved = torch.linalg.solve_triangular(system, both, upper=False, unitriangular=True)
    written, erased = solved.split([v.shape[-1], k.shape[-1]], -1)
    opened, kept = scale * grown * q, (total[..., -1:] - total).exp()[..., None] * k
    memory, outputs = v.new_zeros(*v.shape[:2], k.shape[-1], v.shape[-1]), []
    for n in range(v.shape[2]):
        new = written[:, :, n] - erased[:, :, n] @ memory
        outputs.append(opened[:, :, n] @ memory + read[:, :, n] @ new)
        memory = memory * grown[:, :, n, -1:] + kept[:, :, n].mT @ new
    return torch.cat(outputs, 2)[:, :, :time]


class GatedDeltaNet(Stack):
    """Residual Gated DeltaNet blocks: each is an online learner of its own past, with a memory of fixed size.

    Args:
        vocab: size of the input alphabet.
        symbols: size of the target alphabet.
        width: channels of the residual stream.
        depth: number of blocks.
        keys: channels of one head's keys and queries.
        heads: memories in each block; divides expand * width.
        expand: channels of values in a block per channel of the stream.
        conv: positions the convolution sees, the current one included.
    """

    def __init__(
        self,
        vocab: int,
        symbols: int,
        width: Count = 64,
        depth: Count = 2,
        keys: Count = 16,
        heads: Count = 4,
        expand: Count = 2,
        conv: Count = 4,
    ):
        if expand * width % heads:
            raise ValueError(
                f"{expand} x {width} channels of values do not divide into {heads} heads: "
                "make expand * width a multiple of heads"
            )
        mixers = [GatedDelta(width, keys, heads, expand, conv) for _ in range(depth)]
        super().__init__(vocab, symbols, width, mixers)
        self.width = width
        self.depth = depth
        self.keys = keys
        self.heads = heads
        self.expand = expand
        self.conv = conv
