"""Maps against inputs that are collected by hand, position by position."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from plasticity import LinearMap, linear_maps
from plasticity.networks import LSTM, MLP, GatedDeltaNet, Mamba, Transformer
from plasticity.networks.lstm import LSTMLayer
from plasticity.networks.mamba import SSD

INPUTS = torch.randint(0, 3, (2, 6), generator=torch.Generator().manual_seed(0))


def found(network: nn.Module, inputs: Tensor = INPUTS) -> dict[str, LinearMap]:
    names = {id(p): name for name, p in network.named_parameters()}
    return {names[id(each.weight)]: each for each in linear_maps(network, inputs)}


def gram(rows: list[Tensor]) -> Tensor:
    return sum((torch.outer(x, x) for x in rows), torch.zeros(())).detach().double()


@pytest.mark.parametrize("network", [Transformer, LSTM, Mamba, GatedDeltaNet, MLP])
def test_every_matrix_of_every_network_is_found_with_its_inputs(network: type):
    torch.manual_seed(1)
    made = network(3, 3, width=8, depth=2)
    mine = found(made)
    assert set(mine) == {name for name, p in made.named_parameters() if p.ndim > 1}
    inputs: dict[str, Tensor] = {}
    for name, module in made.named_modules():
        if isinstance(module, nn.Linear):

            def hook(_: nn.Module, x: tuple[Tensor, ...], name: str = name) -> None:
                inputs[name] = x[0]

            module.register_forward_pre_hook(hook)
    made(INPUTS)
    for name, x in inputs.items():
        expected = gram([row for sequence in x for row in sequence])
        torch.testing.assert_close(
            mine[f"{name}.weight"].moments[0], expected, rtol=1e-4, atol=1e-5
        )
    shown = one_hot(INPUTS, 3).flatten(0, 1)
    torch.testing.assert_close(mine["embed.weight"].moments[0], gram(list(shown)))
    assert mine["embed.weight"].table and not mine["head.weight"].table


def test_lstm_matrices_see_the_input_and_the_state_before():
    torch.manual_seed(2)
    layer, x = LSTMLayer(4), torch.randn(2, 5, 4)
    cell = nn.LSTMCell(4, 4)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    now, before = list[Tensor](), list[Tensor]()
    for row in x:
        h = c = torch.zeros(1, 4)
        for u in row:
            now.append(u)
            before.append(h[0])
            h, c = cell(u[None], (h, c))
    mine = found(layer, x)
    torch.testing.assert_close(mine["weight_ih_l0"].moments[0], gram(now), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mine["weight_hh_l0"].moments[0], gram(before), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch_first", [True, False])
def test_torchs_own_lstm_is_read_alike_and_a_deeper_one_is_left_out(batch_first: bool):
    torch.manual_seed(3)
    layer, x = LSTMLayer(4), torch.randn(2, 5, 4)
    own = nn.LSTM(4, 4, batch_first=batch_first)
    own.load_state_dict(layer.state_dict())
    theirs = found(own, x if batch_first else x.transpose(0, 1).contiguous())
    for name, mine in found(layer, x).items():
        torch.testing.assert_close(theirs[name].moments, mine.moments)
    assert not found(nn.LSTM(4, 4, num_layers=2, batch_first=True), x)


def test_mambas_convolution_sees_each_channels_window():
    torch.manual_seed(4)
    layer, x = SSD(width=4, state=2, heads=2, expand=2, conv=3), torch.randn(2, 5, 4)
    mine = found(layer, x)["conv1d.weight"]
    inner, mixed, _ = layer.sizes
    stream = layer.in_proj(x)[..., inner : inner + mixed]
    assert mine.groups == mixed
    for channel in range(mixed):
        windows = [
            torch.stack([s[t - k, channel] if t >= k else torch.zeros(()) for k in (2, 1, 0)])
            for s in stream
            for t in range(5)
        ]
        torch.testing.assert_close(mine.moments[channel], gram(windows), rtol=1e-4, atol=1e-5)


def test_grouped_convolution_is_its_matrix_times_what_was_seen():
    """trace(W M W^T) is the energy of the outputs: the order of channels and taps is the weight's."""
    torch.manual_seed(5)
    layer = nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2, bias=False)
    x = torch.randn(2, 4, 11)
    (mine,) = linear_maps(layer, x)
    w, y = mine.matrix(layer.weight.detach()).double(), layer(x).detach().double()
    energy = (w @ mine.moments @ w.mT).diagonal(dim1=1, dim2=2).flatten()
    torch.testing.assert_close(energy, y.square().sum((0, 2)), rtol=1e-5, atol=1e-5)


def test_a_weight_used_twice_is_one_map():
    layer = nn.Linear(3, 3)
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(6))
    (mine,) = linear_maps(nn.Sequential(layer, layer), x)
    torch.testing.assert_close(mine.moments[0], gram([*x, *layer(x)]), rtol=1e-5, atol=1e-5)
