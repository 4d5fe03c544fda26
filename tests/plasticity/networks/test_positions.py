"""Positions of the transformer, against the formula of the paper; and networks of one size."""

import math
from typing import Literal

import pytest
import torch

from plasticity.networks import LSTM, MLP, GatedDeltaNet, Mamba, Transformer
from plasticity.networks.matched import matched, parameters

Positions = Literal["rotary", "sinusoidal", "learned"]
Kind = type[LSTM] | type[MLP] | type[Mamba] | type[GatedDeltaNet]


def build(positions: Positions, context: int = 512) -> Transformer:
    torch.manual_seed(0)
    return Transformer(5, 4, width=16, depth=2, heads=2, positions=positions, context=context)


def test_sinusoidal_positions_are_the_papers() -> None:
    """PE(t, 2j) and PE(t, 2j + 1) are the sine and cosine of t / 10000^(2j / width), up to their order."""
    network = build("sinusoidal")
    symbols = torch.tensor([[3, 1, 4, 1, 0, 2]])
    added = network.begin(symbols) - network.embed(symbols)
    for t in range(6):
        for j in range(8):
            angle = t / 10000 ** (2 * j / 16)
            pair = added[0, t, 2 * j : 2 * j + 2].tolist()
            assert pair == pytest.approx([math.cos(angle), math.sin(angle)], abs=1e-6)


@pytest.mark.parametrize("positions", ["rotary", "sinusoidal", "learned"])
def test_order_matters_and_the_future_does_not(positions: Positions) -> None:
    network = build(positions)
    one, other = torch.tensor([[0, 1, 2, 3, 4]]), torch.tensor([[1, 0, 2, 3, 4]])
    assert (network(one) - network(other))[0, 2:].abs().min() > 1e-5
    assert torch.allclose(network(one)[:, :3], network(one[:, :3]), atol=1e-5)


def test_learned_positions_end_and_the_message_says_where() -> None:
    network = build("learned", context=6)
    assert network(torch.zeros(1, 6, dtype=torch.long)).shape == (1, 6, 4)
    with pytest.raises(ValueError, match="context: learned positions reach 6 symbols.* 7"):
        network(torch.zeros(1, 7, dtype=torch.long))
    network(torch.zeros(1, 6, dtype=torch.long)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("kind", [LSTM, MLP, Mamba, GatedDeltaNet])
@pytest.mark.parametrize(("size", "depth"), [(64, 2), (192, 6)])
def test_matched_networks_are_of_one_size(kind: Kind, size: int, depth: int) -> None:
    wanted = parameters(Transformer(40, 20, width=size, depth=depth))
    width = matched(kind, wanted, 40, 20, depth=depth)
    assert abs(parameters(kind(40, 20, width=width, depth=depth)) / wanted - 1) < 0.03


def test_a_size_that_no_width_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="no width of Transformer gives 60000 .* the nearest is"):
        matched(Transformer, 60_000, 6, 6, heads=16)
