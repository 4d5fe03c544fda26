"""Networks: causal sequence models over symbols, and a control that cannot see the past."""

from plasticity.networks.lstm import LSTM
from plasticity.networks.mamba import Mamba
from plasticity.networks.mlp import MLP
from plasticity.networks.transformer import Transformer

__all__ = ["LSTM", "MLP", "Mamba", "Transformer"]
