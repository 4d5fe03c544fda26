"""Hidden units: what is declared is what the network computes with."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from plasticity.core.network import Network
from plasticity.core.optimizer import AdamW
from plasticity.networks import LSTM, MLP, GatedDeltaNet, Mamba, Transformer
from plasticity.networks.mlp import Stack
from plasticity.nn.hidden_units import activations, dormancy, hidden_units
from strategies import LoRA

from ...strategies.tiny import learner

NETWORKS = [Transformer, LSTM, Mamba, GatedDeltaNet, MLP]
NUMBERS = {
    Transformer: [8, 32] * 2,
    LSTM: [8] * 2,
    Mamba: [16] * 2,
    GatedDeltaNet: [16] * 2,
    MLP: [32] * 2,
}


def made(kind: type, width: int = 8, depth: int = 2) -> Network:
    torch.manual_seed(0)
    network = kind(3, 3, width=width, depth=depth)
    with torch.no_grad():
        for p in network.parameters():  # nothing that is declared may hold only of fresh weights
            p.add_(0.3 * torch.randn(p.shape))
    return network


def inputs(seed: int = 1) -> torch.Tensor:
    return torch.randint(0, 3, (4, 7), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", NETWORKS)
def test_units_of_every_network_are_found(kind: type):
    network = made(kind)
    assert [group.number for group in hidden_units(network)] == NUMBERS[kind]


@pytest.mark.parametrize("kind", NETWORKS)
@torch.no_grad()
def test_logits_do_not_depend_on_the_redrawn_parts_of_a_silenced_unit_and_do_of_another(
    kind: type,
):
    """Every part of every unit by itself: silence unit k, move its redrawn part, look at the logits."""
    network, x = made(kind), inputs()
    start = {k: v.clone() for k, v in network.state_dict().items()}
    for group in hidden_units(network):
        for k in (0, 3, group.number - 1):
            for part in group.redrawn:
                network.load_state_dict(start)
                loud = network(x)
                part.rows(group.number)[k] += 1.0
                assert (network(x) - loud).abs().max() > 1e-5
                network.load_state_dict(start)
                for silenced in group.silenced:
                    silenced.rows(group.number)[k] = 0.0
                silent = network(x)
                assert (silent - loud).abs().max() > 1e-5
                part.rows(group.number)[k] += 1.0
                for own in group.silenced:  # the recurrent weight of a cell to itself is in both
                    own.rows(group.number)[k] = 0.0
                torch.testing.assert_close(network(x), silent, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_unit_that_begins_anew_is_silent_and_learns(kind: type):
    """Silent: as if it were not there. Learns: one step of gradient descent, and it is heard."""
    network, x, k = made(kind), inputs(), torch.tensor([2])
    for group in hidden_units(network):
        rule = torch.optim.SGD(network.parameters(), 0.1)
        group.restart(k, torch.Generator().manual_seed(0), rule)
        once = network(x).detach()
        group.restart(k, torch.Generator().manual_seed(1), rule)
        again = network(x)
        torch.testing.assert_close(again, once, rtol=0, atol=1e-6)
        rule.zero_grad()
        again.square().mean().backward()
        grads = [part.parameter.grad for part in group.silenced]
        rows = [
            part.rows(group.number, grad)[2]
            for part, grad in zip(group.silenced, grads, strict=True)
            if grad is not None
        ]
        assert any(bool(row.abs().max() > 1e-6) for row in rows)


@pytest.mark.parametrize("kind", NETWORKS)
@torch.no_grad()
def test_redrawn_parts_follow_the_law_of_a_fresh_network(kind: type):
    """Mean, spread and range of each redrawn part, of half of the units, against a fresh network's.

    4.5 standard errors; the range tells a uniform law from a normal one.
    """
    torch.manual_seed(1)
    fresh, old = kind(3, 3, width=64, depth=2), made(kind, width=64)
    rule = torch.optim.SGD(old.parameters(), 0.1)
    for mine, theirs in zip(hidden_units(old), hidden_units(fresh), strict=True):
        half = mine.number // 2
        kept = [part.rows(mine.number)[half:].clone() for part in mine.redrawn]
        mine.restart(torch.arange(half), torch.Generator().manual_seed(2), rule)
        for a, b, rest in zip(mine.redrawn, theirs.redrawn, kept, strict=True):
            drawn, first = a.rows(mine.number), b.rows(theirs.number)
            others = (slice(half, None),) if kind is LSTM and drawn.ndim == 2 else ()
            if others:  # a recurrent weight that comes from a silenced cell is 0
                assert torch.equal(drawn[half:, half:], rest[:, half:])
            else:
                assert torch.equal(drawn[half:], rest)
            drawn, first = drawn[(slice(half), *others)], first[(slice(half), *others)]
            error = 4.5 * float(first.std()) / math.sqrt(drawn.numel())
            assert abs(drawn.mean() - first.mean()) <= 1.5 * error
            assert abs(drawn.std() - first.std()) <= error
            assert abs(drawn.abs().max() - first.abs().max()) <= 0.3 * first.abs().max()
        for part in mine.silenced:
            assert not part.rows(mine.number)[:half].any()


def test_activations_are_what_the_layer_computes():
    network, x = made(MLP, depth=1), inputs()
    assert isinstance(network, Stack)
    mixer, norm = network.mixers[0], network.norms[0]
    lin = mixer.get_submodule("in_proj")
    (seen,) = activations(network, x, hidden_units(network))
    torch.testing.assert_close(seen, F.gelu(lin(norm(network.begin(x)))).detach())
    cells = made(LSTM, depth=1)
    assert isinstance(cells, Stack)
    (seen,) = activations(cells, x, hidden_units(cells))
    torch.testing.assert_close(seen, cells.mixers[0](cells.norms[0](cells.begin(x))).detach())
    before = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())
    assert before == 0


@pytest.mark.parametrize("kind", NETWORKS)
@torch.no_grad()
def test_what_a_unit_says_is_its_activation_times_the_outgoing_weights(kind: type):
    """Silencing through the outgoing weights takes exactly h_k w_k out of what the layer gives."""
    network, x = made(kind, depth=1), inputs()
    for group in hidden_units(network):
        if group.at == "output":
            continue  # a cell's h is seen as it is
        (h,) = activations(network, x, [group])
        site, given = group.site, []
        handle = site.register_forward_hook(lambda _, a, out, kept=given: kept.append(out))
        network(x)
        w = group.outgoing.rows(group.number)[1].clone()
        group.outgoing.rows(group.number)[1] = 0.0
        network(x)
        handle.remove()
        torch.testing.assert_close(given[0] - given[1], h[..., 1:2] * w, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_reach_is_the_sum_of_magnitudes_and_counts_the_residual_stream_once():
    network = made(LSTM, depth=1)
    (group,) = hidden_units(network)
    weight = network.get_parameter("mixers.0.weight_hh_l0")
    by_hand = [1 + sum(abs(float(weight[i, k])) for i in range(32)) for k in range(8)]
    torch.testing.assert_close(group.reach(), torch.tensor(by_hand))


def test_the_optimizer_forgets_restarted_units_and_no_other():
    network, x = made(Transformer, depth=1), inputs()
    rule = AdamW(1e-2)(list(network.parameters()), None)
    network(x).square().mean().backward()
    rule.step()
    kept = {
        p: {name: v.clone() for name, v in state.items() if name != "step"}
        for p, state in rule.state.items()
    }
    _, group = hidden_units(network)
    group.restart(torch.tensor([1, 5]), torch.Generator().manual_seed(0), rule)
    names = {id(p): name for name, p in network.named_parameters()}
    for p, state in kept.items():
        gone = torch.zeros(p.shape, dtype=torch.bool)
        if names[id(p)].startswith("mixers.1.in_proj"):
            gone[[1, 5]] = True
        if names[id(p)] == "mixers.1.out_proj.weight":
            gone[:, [1, 5]] = True
        for name, value in state.items():
            assert torch.equal(rule.state[p][name], value.masked_fill(gone, 0.0))
            assert value[gone].numel() == 0 or bool(value[gone].any())


def test_units_beside_lora_are_seen_and_not_trained():
    subject = learner(LoRA(rank=1))
    network = subject.network
    assert len(hidden_units(network)) == 1
    assert hidden_units(network, subject.trainable()) == []
    (h,) = activations(network, inputs(), hidden_units(network))
    assert h.shape == (4, 7, 32)


def test_a_network_that_declares_nothing_has_no_units():
    assert hidden_units(nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 3))) == []


def test_dormancy_is_relative_to_the_layer():
    h = torch.tensor([[[1.0, -3.0, 0.0, 0.0], [3.0, 1.0, 0.0, 0.0]]])
    torch.testing.assert_close(dormancy(h), torch.tensor([2.0, 2.0, 0.0, 0.0]))
    assert not dormancy(torch.zeros(2, 3, 4)).any()
