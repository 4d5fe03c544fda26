"""Causal transformer with rotary, sinusoidal or learned positions."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn

from plasticity.core.bounded import Count
from plasticity.networks.mlp import Feedforward, Stack
from plasticity.nn.hidden_units import HiddenUnits, Part


class Rotary(nn.Module):
    """Positions as rotations, so that a score depends on the distance between key and query only.

    Law: channels (2j, 2j+1) at position t turn by the angle t * 10000^(-2j / channels).
    The table is computed once and grows when a longer sequence comes (Su et al. 2021, arXiv
    2104.09864).

    Args:
        channels: size of one head; even.
    """

    table: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels
        self.register_buffer("table", self.angles(1024), persistent=False)

    def angles(self, time: int) -> Float[Tensor, "time 1 1 half 2"]:
        """The unit vector (cos, sin) of each position and pair of channels."""
        exponents = torch.arange(0, self.channels, 2, dtype=torch.float64) / self.channels
        angle = torch.outer(torch.arange(time, dtype=torch.float64), 10000.0**-exponents)
        pairs = torch.stack([angle.cos(), angle.sin()], -1)[:, None, None]
        return pairs.to(torch.get_default_dtype())

    def forward(self, time: int) -> Complex[Tensor, "time 1 1 half"]:
        """One rotation per position and pair of channels, as a complex number of modulus 1."""
        if time > len(self.table):
            with torch.inference_mode(False):  # a table made while evaluating also serves training
                self.table = self.angles(2 * time).to(self.table)
        single = torch.promote_types(
            self.table.dtype, torch.float32
        )  # there is no complex bfloat16
        return torch.view_as_complex(self.table[:time].to(single))


class Attention(nn.Module):
    """Each position reads the values of the positions up to it.

    Law: y_t = sum_{s<=t} a_ts v_s with a_t = softmax_s(q_t . k_s / sqrt(channels)), for each head,
    q and k rotated if positions are rotary. `qkv` holds queries, keys and values, each heads x channels, one after the
    other (Vaswani et al. 2017, arXiv 1706.03762).

    Args:
        width: channels in and out.
        heads: number of heads; divides width into even parts.
        rotary: the positions, shared by all layers; None: they were added to the stream.
    """

    def __init__(self, width: int, heads: int, rotary: Rotary | None):
        super().__init__()
        self.heads = heads
        self.rotary = rotary
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out_proj = nn.Linear(width, width, bias=False)

    def forward(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """The update of the residual stream."""
        y = F.scaled_dot_product_attention(*self.project(x), is_causal=True)
        return self.out_proj(y.transpose(1, 2).flatten(-2))

    def project(
        self, x: Float[Tensor, "batch time width"]
    ) -> tuple[
        Float[Tensor, "batch heads time channels"],
        Float[Tensor, "batch heads time channels"],
        Float[Tensor, "batch heads time channels"],
    ]:
        """Queries, keys and values; queries and keys turned, if positions are rotary."""
        split = self.qkv(x).unflatten(-1, (3, self.heads, -1))  # batch time 3 heads channels
        qk, v = split.split([2, 1], dim=2)
        if self.rotary is not None:
            turn = self.rotary(x.shape[1])
            pairs = torch.view_as_complex(qk.to(turn.real.dtype).unflatten(-1, (-1, 2)))
            qk = torch.view_as_real(pairs * turn).flatten(-2).to(v.dtype)
        q, k = qk.transpose(1, 3).unbind(2)
        return q, k, v.squeeze(2).transpose(1, 2)

    def declare_units(self) -> HiddenUnits:
        """The channels of its values; there is no bias that could stand for one."""
        width = self.qkv.in_features
        value = Part(self.qkv.weight, first=2 * width, spread=width**-0.5)
        out = Part(self.out_proj.weight, axis=1)
        return HiddenUnits(self.out_proj, "input", width, (value,), silenced=(out,), outgoing=out)


class Transformer(Stack):
    """A pre-norm causal transformer; with rotary or sinusoidal positions, any length works.

    Each block is attention, then a position-wise map four times as wide (GELU).

    Args:
        vocab: size of the input alphabet.
        symbols: size of the target alphabet.
        width: channels of the residual stream; a multiple of heads, of 2 * heads if they rotate.
        depth: number of blocks.
        heads: attention heads in each block.
        positions: rotary turns queries and keys (Su et al. 2021); sinusoidal adds the table of Vaswani et
            al. (2017, section 3.5) to the embeddings; learned adds one row per position.
        context: longest sequence, in symbols, for learned positions; others have no longest.

    Raises:
        ValueError: the width does not divide, or a sequence is longer than learned positions reach.
    """

    def __init__(
        self,
        vocab: int,
        symbols: int,
        width: Count = 64,
        depth: Count = 2,
        heads: Count = 4,
        positions: Literal["rotary", "sinusoidal", "learned"] = "rotary",
        context: Count = 512,
    ):
        if width % (2 * heads) and positions == "rotary":
            raise ValueError(
                f"width {width} does not divide into {heads} heads of an even number of channels "
                f"(rotary positions turn pairs): make width a multiple of {2 * heads}"
            )
        if width % heads or width % 2:
            raise ValueError(
                f"width {width} does not divide into {heads} heads: make width an even multiple of {heads}"
            )
        table = Rotary(width // heads) if positions == "rotary" else None
        mixers = [
            m for _ in range(depth) for m in (Attention(width, heads, table), Feedforward(width))
        ]
        super().__init__(vocab, symbols, width, mixers)
        if positions == "learned":
            self.places = nn.Embedding(context, width)
        elif positions == "sinusoidal":
            self.places = Rotary(width)
        self.width = width
        self.depth = depth
        self.heads = heads
        self.positions = positions
        self.context = context

    def begin(self, inputs: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time width"]:
        """The embedding of each symbol, plus its position's where positions are added."""
        x, time = self.embed(inputs), inputs.shape[1]
        if self.positions == "rotary":
            return x
        if self.positions == "sinusoidal":  # cosines and sines interleaved
            return x + torch.view_as_real(self.places(time)).reshape(time, -1).to(x.dtype)
        if time > self.context:
            raise ValueError(
                f"context: learned positions reach {self.context} symbols, got a sequence of {time}"
            )
        return x + self.places(torch.arange(time, device=x.device))
