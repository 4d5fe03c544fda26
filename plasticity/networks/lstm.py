"""Long short-term memory."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from plasticity.core.bounded import Count
from plasticity.networks.mlp import Stack
from plasticity.nn.hidden_units import HiddenUnits, Part


class LSTMLayer(nn.Module):
    """One LSTM layer from a zero state: c_t = f * c_{t-1} + i * g and h_t = o * tanh(c_t).

    Parameters are those of a one-layer nn.LSTM, name for name (gates in the order i, f, g, o). They
    are read anew at each call: nn.LSTM keeps a list of its weights, so that a parametrized one
    cannot be copied. The forget gate starts at bias 1 (Hochreiter & Schmidhuber 1997; Gers et al.
    2000; Jozefowicz et al. 2015).

    Args:
        width: channels in, out and in the memory.
    """

    def __init__(self, width: int):
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.empty(4 * width, width))
        self.weight_hh_l0 = nn.Parameter(torch.empty(4 * width, width))
        self.bias_ih_l0 = nn.Parameter(torch.zeros(4 * width))
        self.bias_hh_l0 = nn.Parameter(torch.zeros(4 * width))
        nn.init.uniform_(self.weight_ih_l0, -(width**-0.5), width**-0.5)
        nn.init.uniform_(self.weight_hh_l0, -(width**-0.5), width**-0.5)
        nn.init.ones_(self.bias_ih_l0[width : 2 * width])

    def forward(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """The update of the residual stream: h at each position."""
        state = x.new_zeros(1, x.shape[0], x.shape[2])
        weights = (self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0)
        h, _, _ = torch.lstm(
            x,
            (state, state),
            weights,
            has_biases=True,
            num_layers=1,
            dropout=0.0,
            train=True,
            bidirectional=False,
            batch_first=True,
        )
        return h

    def states(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """The cells c at each position, step by step: torch's kernel returns the last ones only."""
        entering = x @ self.weight_ih_l0.mT + self.bias_ih_l0 + self.bias_hh_l0
        h = c = torch.zeros_like(x[:, 0])
        cells = list[Tensor]()
        for gates in entering.unbind(1):
            i, f, g, o = (gates + h @ self.weight_hh_l0.mT).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            cells.append(c)
        return torch.stack(cells, 1)

    def declare_units(self) -> HiddenUnits:
        """Its cells. A cell's h goes to the other gates, and as it is into the residual stream.

        What enters a cell (g) begins at zero, hence h, whatever its gates say; they are redrawn. The bias of the
        gates can stand for an h, but for the first position; the stream has none.
        """
        width = self.weight_hh_l0.shape[1]
        gates = [gate * width for gate in (0, 1, 3)]  # i, f, o; g is the third of the four
        weights, biases = (self.weight_ih_l0, self.weight_hh_l0), (self.bias_ih_l0, self.bias_hh_l0)
        bound, out = width**-0.5, Part(self.weight_hh_l0, axis=1)
        rows = [Part(w, 0, first, bound, uniform=True) for w in weights for first in gates]
        forget = Part(self.bias_ih_l0, first=width, centre=1.0)
        others = [Part(b, first=first) for b in biases for first in gates]
        return HiddenUnits(
            self,
            "output",
            width,
            redrawn=(*rows, *others, forget),
            silenced=(*(Part(p, first=2 * width) for p in (*weights, *biases)), out),
            outgoing=out,
            direct=1.0,
            bias=self.bias_hh_l0,
        )


class LSTM(Stack):
    """Pre-norm residual LSTM layers, so that depth trains.

    Args:
        vocab: size of the input alphabet.
        symbols: size of the target alphabet.
        width: channels of the residual stream and of each layer's memory.
        depth: number of layers.
    """

    def __init__(self, vocab: int, symbols: int, width: Count = 64, depth: Count = 2):
        super().__init__(vocab, symbols, width, [LSTMLayer(width) for _ in range(depth)])
        self.width = width
        self.depth = depth
