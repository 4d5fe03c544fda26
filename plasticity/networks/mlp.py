"""Residual stack that all networks share, and the position-wise control without memory."""

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity.core.bounded import Count
from plasticity.core.network import Network
from plasticity.nn.hidden_units import HiddenUnits, Part


class Stack(Network):
    """A residual stack: positions are mixed only where its mixers mix them.

    Law: x_0 = embed(inputs); x_i = x_{i-1} + mixer_i(norm_i(x_{i-1})); logits = head(norm(x_n)). Each x_i passes
    through `streams[i]`, which does nothing: where hooks look at it, and change it.
    Embeddings start at N(0, 1), linear weights at N(0, 1 / fan_in), each `out_proj` at 1 / sqrt(n)
    of that (GPT-2, Radford et al. 2019) and the head at 1/10, so that the first prediction is
    nearly uniform. With GPT-2's N(0, 0.02^2) throughout, so small a transformer takes three or
    more times as many steps to infer a Markov chain in context.

    Args:
        vocab: size of the input alphabet.
        symbols: size of the target alphabet.
        width: channels of the residual stream.
        mixers: n causal maps of (batch, time, width) onto itself, in order.
    """

    @abstractmethod
    def __init__(self, vocab: int, symbols: int, width: int, mixers: Sequence[nn.Module]):
        super().__init__(vocab, symbols)
        self.embed = nn.Embedding(vocab, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in mixers)
        self.streams = nn.ModuleList(nn.Identity() for _ in range(len(mixers) + 1))
        self.mixers = nn.ModuleList(mixers)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, symbols)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                shrink = math.sqrt(len(mixers)) if name.endswith("out_proj") else 1.0
                nn.init.normal_(module.weight, std=1 / (shrink * math.sqrt(module.in_features)))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.head.weight, std=0.1 / math.sqrt(width))

    def forward(self, inputs: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time symbols"]:
        """Logits (natural-log scale) of the symbol to predict at each position."""
        first, *others = self.streams
        x = first(self.begin(inputs))
        for norm, mixer, stream in zip(self.norms, self.mixers, others, strict=True):
            x = stream(x + mixer(norm(x)))
        return self.head(self.norm(x))

    def begin(self, inputs: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time width"]:
        """What enters the first mixer: the embedding of each symbol."""
        return self.embed(inputs)


class Feedforward(nn.Module):
    """Each position on its own: out_proj(gelu(in_proj(x))), four times as wide inside.

    Args:
        width: channels in and out.
    """

    def __init__(self, width: int):
        super().__init__()
        self.in_proj = nn.Linear(width, 4 * width)
        self.out_proj = nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """The update of the residual stream."""
        return self.out_proj(F.gelu(self.in_proj(x)))

    def declare_units(self) -> HiddenUnits:
        """Its 4 * width hidden channels."""
        linear = self.in_proj
        fresh = Part(linear.weight, spread=linear.in_features**-0.5)
        out = Part(self.out_proj.weight, axis=1)
        return HiddenUnits(
            self.out_proj,
            "input",
            linear.out_features,
            redrawn=(fresh, Part(linear.bias)),
            silenced=(out,),
            outgoing=out,
            bias=self.out_proj.bias,
        )


class MLP(Stack):
    """The control without memory: logits[:, t] depend on inputs[:, t] alone.

    What it scores below a sequence model is what the past was worth.

    Args:
        vocab: size of the input alphabet.
        symbols: size of the target alphabet.
        width: channels of the residual stream.
        depth: number of blocks.
    """

    def __init__(self, vocab: int, symbols: int, width: Count = 64, depth: Count = 2):
        super().__init__(vocab, symbols, width, [Feedforward(width) for _ in range(depth)])
        self.width = width
        self.depth = depth
