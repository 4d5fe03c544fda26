"""What is seen of a network, what changing it does, and the numbers of networks whose inside is known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from plasticity import Network, Tunnel, networks
from plasticity.diagnostics.geometry import belief
from plasticity.diagnostics.geometry.capture import look, noting, parts
from plasticity.diagnostics.geometry.changes import heads, layers, partners, swaps
from plasticity.diagnostics.geometry.episodes import KnownEpisodes, known_episodes
from plasticity.diagnostics.geometry.interventions import (
    cut_away,
    edited,
    head_replaced,
    layer_replaced,
    swapped,
)
from plasticity.diagnostics.geometry.measure import FAMILIES, contents, looks, measure
from plasticity.diagnostics.geometry.view import Number, View, view
from plasticity.networks.gated_delta_net import unit
from plasticity.plots.insides import MARKS
from streams import Bijection, Binding, Markov

TUNNEL = Markov(symbols=3, concentration=0.5)
SIZES = {"width": 8, "depth": 1}
KINDS = [networks.Transformer, networks.LSTM, networks.Mamba, networks.GatedDeltaNet, networks.MLP]


def known(n: int = 64, tunnel: Tunnel = TUNNEL, time: int = 8) -> KnownEpisodes:
    return known_episodes(tunnel, time, n, np.random.default_rng(0))


def made(kind: type[Network] = networks.Transformer, **args: Any) -> Any:
    """A small network; Any, for tests go into its parts."""
    torch.manual_seed(0)
    return kind(3, 3, **SIZES | args).eval()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_streams_add_up_to_what_the_network_says(kind: type[Network]) -> None:
    network, inputs = made(kind), known().inputs
    seen = look(network, inputs)
    torch.testing.assert_close(seen.logits, network(inputs))
    last = [*seen.streams.values()][-1]
    torch.testing.assert_close(network.head(network.norm(last)), seen.logits)
    streams, where = [*seen.streams.values()], parts(network)
    for before, after, (name, layer) in zip(
        streams, streams[1:], where.layers.items(), strict=False
    ):
        torch.testing.assert_close(after, before + layer(where.norms[name](before)))
    for name, each in seen.attention.items():
        module = network.mixers[[*where.layers].index(name)]
        y = (each.weights @ each.values).transpose(1, 2).flatten(2)
        out = module.out_proj(y)
        before = seen.streams[where.entering[name]]
        torch.testing.assert_close(out, module(where.norms[name](before)), atol=1e-5, rtol=1e-5)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_what_is_noted_has_the_weights_of_the_pass() -> None:
    network, inputs = made(), known(4).inputs
    with noting(network) as found:
        swapped_in = {"embed.weight": torch.zeros_like(network.embed.weight)}
        seen = found(torch.func.functional_call(network, swapped_in, (inputs,)))
    assert (
        not seen.streams["0 embedding"].any() and look(network, inputs).streams["0 embedding"].any()
    )


def test_cells_of_an_lstm_are_those_of_torch() -> None:
    """The last cell of every prefix, by torch's own module."""
    layer = made(networks.LSTM).mixers[0]
    own = nn.LSTM(8, 8, batch_first=True)
    own.load_state_dict(layer.state_dict())
    x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    for t in range(5):
        _, (_, cells) = own(x[:, : t + 1])
        torch.testing.assert_close(layer.states(x)[:, t], cells[0], atol=1e-6, rtol=1e-5)


def test_memories_are_what_the_layers_read_from() -> None:
    """y_t = C_t h_t + D x_t, and S_t q_t / sqrt(keys): put through the rest of the layer, what the layer says."""
    x = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
    mamba = made(networks.Mamba, heads=2).mixers[0]
    z, inner, _, c, _ = mamba.project(x)
    h = mamba.states(x).reshape(2, 6, 2, 8, 16)
    y = torch.einsum("bthpn,btgn->bthp", h, c) + mamba.D[:, None] * inner
    said = mamba.out_proj(mamba.norm(y.flatten(2) * nn.functional.silu(z)))
    torch.testing.assert_close(said, mamba(x), atol=1e-5, rtol=1e-4)
    delta = made(networks.GatedDeltaNet, heads=2, keys=4).mixers[0]
    z, q, *_ = delta.split(x)
    s = delta.states(x).reshape(2, 6, 2, 8, 4)
    y = torch.einsum("bthvk,bhtk->bthv", s, unit(q)) / 2
    said = delta.out_proj(delta.norm(y).flatten(2) * nn.functional.silu(z))
    torch.testing.assert_close(said, delta(x), atol=1e-5, rtol=1e-4)


def test_a_head_that_says_nothing_is_worth_nothing_and_the_only_one_is_the_layer() -> None:
    network, inputs = made(heads=2), known().inputs
    layer = network.mixers[0]
    whole = network(inputs)
    with torch.no_grad():
        layer.out_proj.weight[:, :4] = 0
    quiet = network(inputs)
    torch.testing.assert_close(head_replaced(network, inputs, layer, layer, 0), quiet)
    other = head_replaced(network, inputs, layer, layer, 1)
    torch.testing.assert_close(other, layer_replaced(network, inputs, layer), atol=1e-5, rtol=1e-4)
    assert (other - quiet).abs().max() > 1e-3 < (quiet - whole).abs().max()
    torch.testing.assert_close(
        head_replaced(network, inputs, layer, layer, 1, torch.eye(8)), other, atol=1e-6, rtol=1e-5
    )
    mean = edited(network, inputs, layer, lambda out: out.mean(0, keepdim=True).expand_as(out))
    torch.testing.assert_close(other, mean, atol=1e-5, rtol=1e-4)


def test_a_cut_removes_what_lies_along_it_and_nothing_else() -> None:
    network, inputs = made(), known().inputs
    stream = parts(network).streams["2 Feedforward"]
    states = look(network, inputs).streams["2 Feedforward"]
    u = np.eye(8)[2:4]
    mean = np.full(8, 0.25)
    wanted = states.clone()
    wanted[..., 2:4] = 0.25
    said = cut_away(network, inputs, stream, mean, u)
    torch.testing.assert_close(said, network.head(network.norm(wanted)))
    torch.testing.assert_close(
        cut_away(network, inputs, stream, states[0, 0].double().numpy(), np.eye(8)),
        network.head(network.norm(states[:1, :1])).expand_as(said),
    )


def test_a_swap_of_the_last_stream_is_what_the_donor_says() -> None:
    network, inputs = made(), known().inputs
    where, donors = parts(network), torch.arange(64).roll(1)
    whole = network(inputs)
    last = swapped(network, inputs, where.streams["2 Feedforward"], 5, donors)
    torch.testing.assert_close(last, whole[donors, 5])
    same = swapped(network, inputs, where.streams["0 embedding"], 5, torch.arange(64))
    torch.testing.assert_close(same, whole[:, 5])


def test_partners_have_the_same_symbol_and_are_three() -> None:
    symbol = np.array([0, 1, 0, 0, 1, 1, 2, 0])
    own, donor, stranger = partners(symbol, np.random.default_rng(0))
    assert sorted(own) == [0, 1, 2, 3, 4, 5, 7], "of symbol 2 there is one"
    assert (symbol[own] == symbol[donor]).all() and (symbol[own] == symbol[stranger]).all()
    assert all(len({*three}) == 3 for three in zip(own, donor, stranger, strict=True))


class Oracle(networks.MLP):
    """Says the exact predictive of a Markov chain: its last residual stream is log P."""

    def __init__(self, tunnel: Markov):
        super().__init__(tunnel.vocab, tunnel.symbols, width=tunnel.symbols, depth=1)
        self.tunnel = tunnel
        self.norm = nn.Identity()
        self.head = nn.Identity()
        for name, each in self.mixers.named_parameters():
            if "out_proj" in name:
                nn.init.zeros_(each)

    def begin(self, inputs: torch.Tensor) -> torch.Tensor:
        targets = torch.cat([inputs[:, 1:], inputs[:, :1]], 1).numpy()
        exact = self.tunnel.observer().predict(inputs.numpy(), targets)
        return torch.from_numpy(exact).log().float()


def test_of_an_exact_network_every_right_answer_is_known() -> None:
    """Belief is read out, a swap says the donor's, no stranger's, and layers that add nothing are worth nothing."""
    facts = known(512)
    of = view(Oracle(TUNNEL), facts)
    np.testing.assert_allclose(of.whole, facts.posterior, atol=1e-5)
    (only,) = {row.value for row in layers(of)}
    assert only == pytest.approx(0, abs=1e-6)
    for row in swaps(of):
        assert row.value == pytest.approx(-row.baseline, rel=0.1) and row.value > 0.1
        assert abs(row.control) < 0.1 * row.value, "a stranger's belief is nobody's"
    exact = belief.log_predictive(facts.posterior)
    assert belief.readable(facts.at(of.inside.streams["0 embedding"]), exact) > 0.999


@pytest.mark.parametrize(("tunnel", "alone"), [(Bijection(5, 5), True), (Binding(5, 5), False)])
def test_entropy_is_in_the_raw_embedding_only_where_it_is_position(
    tunnel: Bijection | Binding, alone: bool
) -> None:
    """R2 1 of H from symbol and position, before anything was mixed; and then the cells say as much."""
    torch.manual_seed(0)
    network = networks.Transformer(10, 5, **SIZES, positions="learned").eval()
    with torch.no_grad():
        network.places = nn.Embedding.from_pretrained(4 * torch.eye(9, 8))
    facts = known(400, tunnel, 9)
    states = facts.at(look(network, facts.inputs).streams["0 embedding"])
    entropy = facts.entropy[..., None]
    found = belief.readable(states, entropy), belief.cell_r2(entropy, facts.cell)
    assert found == pytest.approx((1, 1), abs=0.02) if alone else max(found) < 0.7


def test_where_heads_look_by_planted_attention() -> None:
    """An attention that is uniform: no alignment, focus 1; and one onto the evidence."""
    of = view(made(heads=2), known(32))
    name, seen = next(iter(of.inside.attention.items()))
    evidence = torch.from_numpy(of.known.sufficient).double()
    uniform = torch.ones(8, 8).tril().double()
    found = evidence + torch.eye(8) * (evidence.sum(-1, keepdim=True) == 0)
    weights = [uniform.expand(32, 8, 8), found]
    weights = torch.stack([w / w.sum(-1, keepdim=True) for w in weights], 1)
    inside = of.inside._replace(attention={name: seen._replace(weights=weights)})
    rows = {(r.id, r.what): r for r in looks(replace(of, inside=inside))}
    assert rows["alignment", "head 0"].value == pytest.approx(0, abs=1e-12)
    assert rows["focus", "head 0"].value == pytest.approx(1)
    best = rows["alignment", "head 1"]
    assert best.value > max(0.4, best.baseline, best.control + 0.1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_family_says_numbers_of_every_network(kind: type[Network]) -> None:
    network = made(kind)
    families = [*measure(network, made(kind), known(32))]
    assert len(families) == len(FAMILIES)
    rows = [row for family in families for row in family]
    assert len({row[:3] for row in rows}) == len(rows)
    assert all(np.isfinite(row.value) and row.initial == pytest.approx(row.value) for row in rows)
    ids = {row.id for row in rows}
    assert {"values/pc1", "belief/r2", "layer/delta", "cut", "swap"} <= ids
    assert ("head/delta" in ids) == (kind is networks.Transformer)
    assert set(MARKS) < {*Number._fields}


def test_the_rest_of_the_network_is_as_it_was() -> None:
    network = made()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    other = made()
    state = torch.random.get_rng_state()
    for _ in measure(network, other, known(32)):
        pass
    torch.testing.assert_close(network.state_dict(), before)
    assert torch.equal(state, torch.random.get_rng_state())


def test_nobody_looks_where_nothing_is_known() -> None:
    class Stranger(Network):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.zeros(*inputs.shape, 3)

    with pytest.raises(ValueError, match="Stranger: expected a network whose inside is known"):
        next(measure(Stranger(3, 3), Stranger(3, 3), known(16)))


def test_a_head_of_many_is_worth_less_than_its_layer() -> None:
    of = view(made(heads=2), known(256))
    assert isinstance(of, View)
    assert len([*heads(of)]) == 2 and len([*contents(of)]) == 10
