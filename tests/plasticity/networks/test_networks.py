"""The laws that every network keeps, and what tells the architectures apart."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from plasticity.core.network import Network
from plasticity.networks import LSTM, MLP, GatedDeltaNet, Mamba, Transformer
from plasticity.networks.lstm import LSTMLayer
from plasticity.networks.transformer import Attention, Rotary

VOCAB, SYMBOLS = 7, 5
SEQUENCE = [Transformer, LSTM, Mamba, GatedDeltaNet]
ALL = [*SEQUENCE, MLP]
Kind = Callable[..., Network]


def build(kind: Kind, seed: int = 0, **size: int) -> Network:
    torch.manual_seed(seed)
    return kind(VOCAB, SYMBOLS, **{"width": 32, "depth": 2, **size})


def draw(batch: int, time: int, seed: int = 1) -> Tensor:
    return torch.randint(VOCAB, (batch, time), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", ALL)
def test_a_changed_symbol_moves_no_earlier_logit(kind: Kind):
    net, inputs = build(kind), draw(3, 12)
    for t in range(12):
        changed = inputs.clone()
        changed[:, t] = (changed[:, t] + 1) % VOCAB
        moved = (net(changed) - net(inputs)).abs().amax((0, 2))
        assert (moved[:t] < 1e-6).all()
        assert moved[t] > 1e-4


@pytest.mark.parametrize("kind", SEQUENCE)
def test_a_sequence_model_sees_the_whole_past(kind: Kind):
    net, inputs = build(kind).double(), draw(3, 12)
    changed = inputs.clone()
    changed[:, 0] = (changed[:, 0] + 1) % VOCAB
    assert ((net(changed) - net(inputs)).abs().amax(-1) > 1e-9).all()


def test_the_mlp_sees_one_symbol():
    net, inputs = build(MLP), draw(3, 12)
    alone = net(inputs.reshape(-1, 1)).reshape(3, 12, SYMBOLS)
    torch.testing.assert_close(net(inputs), alone)


@pytest.mark.parametrize("kind", ALL)
def test_the_same_weights_serve_every_length(kind: Kind):
    net, inputs = build(kind, depth=1), draw(1, 1100)
    full = net(inputs)
    assert full.shape == (1, 1100, SYMBOLS)
    for time in (1, 2, 33):
        torch.testing.assert_close(net(inputs[:, :time]), full[:, :time], rtol=1e-4, atol=1e-5)


def test_positions_first_met_in_evaluation_can_be_trained():
    net, inputs = build(Transformer, depth=1), draw(1, 1100)
    with torch.inference_mode():
        net(inputs)
    net(inputs).sum().backward()
    assert len(net.state_dict()) == len(
        list(net.parameters())
    )  # the table is no part of a checkpoint


@pytest.mark.parametrize("kind", ALL)
def test_every_entry_of_every_parameter_gets_a_gradient(kind: Kind):
    net, inputs = build(kind), draw(8, 24)
    F.cross_entropy(net(inputs).flatten(0, 1), inputs.flatten() % SYMBOLS).backward()
    for name, p in net.named_parameters():
        assert p.grad is not None and (p.grad != 0).all(), name


@pytest.mark.parametrize("depth", [1, 6])
@pytest.mark.parametrize("kind", ALL)
def test_the_first_prediction_is_nearly_uniform(kind: Kind, depth: int):
    bits = -build(kind, width=64, depth=depth)(draw(8, 24)).log_softmax(-1) / math.log(2)
    excess = bits.mean(-1) - math.log2(SYMBOLS)  # divergence from uniform, per position
    assert excess.max() < 0.1


class Shift(nn.Module):
    """The least parametrization: a zero added to a weight."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.by = nn.Parameter(torch.zeros_like(weight))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.by


@pytest.mark.parametrize("kind", ALL)
def test_every_matrix_can_be_parametrized_and_the_network_copied(kind: Kind):
    net, inputs = build(kind), draw(8, 24)
    before = net(inputs)
    matrices = [name for name, p in net.named_parameters() if p.dim() >= 2]
    for name in matrices:
        path, _, leaf = name.rpartition(".")
        owner = net.get_submodule(path)
        parametrize.register_parametrization(owner, leaf, Shift(getattr(owner, leaf)))
    assert torch.equal(net(inputs), before)
    twin = copy.deepcopy(net)
    F.cross_entropy(net(inputs).flatten(0, 1), inputs.flatten() % SYMBOLS).backward()
    shifts = {n: p for n, p in net.named_parameters() if n.endswith(".by")}
    assert len(shifts) == len(matrices)
    for name, p in shifts.items():
        assert p.grad is not None and p.grad.abs().sum() > 0, name
        with torch.no_grad():
            p.add_(0.1)
    assert not torch.equal(net(inputs), before)
    assert torch.equal(twin(inputs), before)


def test_attention_is_a_softmax_over_the_rotated_past():
    torch.manual_seed(0)
    width, heads, time, size = 24, 3, 9, 8
    block = Attention(width, heads, Rotary(size)).double()
    nn.init.normal_(block.qkv.weight)  # scores far from flat
    x = torch.randn(2, time, width, dtype=torch.float64)
    q, k, v = (x @ block.qkv.weight.mT).chunk(3, dim=-1)
    want = torch.zeros_like(x)
    for h in range(heads):
        part = slice(h * size, (h + 1) * size)
        for t in range(time):
            query, keys = rotate(q[:, t, part], t), [rotate(k[:, s, part], s) for s in range(t + 1)]
            scores = torch.stack([(query * key).sum(-1) for key in keys], -1) / math.sqrt(size)
            want[:, t, part] = torch.einsum("bs,bsc->bc", scores.softmax(-1), v[:, : t + 1, part])
    torch.testing.assert_close(block(x), want @ block.out_proj.weight.mT, rtol=0, atol=1e-5)


def rotate(x: Tensor, t: int) -> Tensor:
    """Su et al. 2021, equation 15: pairs of channels turned one by one."""
    y = x.clone()
    for j in range(x.shape[-1] // 2):
        angle = t * 10000 ** (-2 * j / x.shape[-1])
        c, s = math.cos(angle), math.sin(angle)
        y[..., 2 * j] = c * x[..., 2 * j] - s * x[..., 2 * j + 1]
        y[..., 2 * j + 1] = s * x[..., 2 * j] + c * x[..., 2 * j + 1]
    return y


def test_the_recurrence_is_torchs_lstm():
    torch.manual_seed(0)
    ours, theirs = LSTMLayer(16), nn.LSTM(16, 16, batch_first=True)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(3, 10, 16)
    torch.testing.assert_close(ours(x), theirs(x)[0], rtol=0, atol=0)


@pytest.mark.parametrize("size", [{"width": 30, "heads": 4}, {"width": 12, "heads": 4}])
def test_a_width_that_does_not_split_is_refused(size: dict[str, int]):
    with pytest.raises(ValueError, match="make width a multiple of 8"):
        build(Transformer, **size)


@pytest.mark.parametrize("kind", ALL)
def test_the_symbol_before_is_learned_by_those_that_can_see_it(kind: Kind):
    torch.manual_seed(0)
    net = kind(SYMBOLS, SYMBOLS, width=32, depth=1)
    optimiser = torch.optim.AdamW(net.parameters(), lr=5e-3)
    bits = []
    for _ in range(200):
        inputs = torch.randint(SYMBOLS, (16, 16))
        loss = F.cross_entropy(net(inputs)[:, 1:].flatten(0, 1), inputs[:, :-1].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        bits.append(loss.item() / math.log(2))
    last = sum(bits[-20:]) / 20
    assert last > math.log2(SYMBOLS) - 0.02 if kind is MLP else last < 0.1
