"""Dreams against the old network's own law, and the divergence from it."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from plasticity.core.learner import Spec
from plasticity.core.tunnel import Batch
from plasticity.networks import LSTM, MLP, Mamba, Transformer
from strategies import Chain, LoRA
from strategies.dream import Dream

from .teaching import beside, jog, learner, meet
from .tiny import ASKED, answered, batch


def chained(seed: int, size: int = 4) -> Batch:
    """A batch whose stream feeds itself at what is asked, and only there."""
    data = batch(seed, size)
    targets = torch.where(ASKED[:-1], data.inputs[:, 1:], (data.inputs[:, 1:] + 1) % 3)
    return answered(data, torch.cat([targets, data.targets[:, -1:]], 1))


def divergence(old: nn.Module, new: nn.Module, inputs: torch.Tensor) -> float:
    """Mean over what is asked of KL(old || new), one position at a time."""
    total, n = 0.0, 0
    for x in inputs:
        p, q = (network(x[None])[0].detach().double().softmax(-1) for network in (old, new))
        for t in range(5):
            if ASKED[t]:
                total += sum(float(p[t, v] * (p[t, v] / q[t, v]).log()) for v in range(3))
                n += 1
    return total / n


@pytest.mark.parametrize("network", [Transformer, LSTM, Mamba, MLP])
def test_beside_the_loss_is_the_divergence_from_the_old_network_on_its_dreams(network: type):
    strategy = Dream(weight=0.3)
    made = learner(strategy, network)
    jog(made)
    old = deepcopy(made.network)
    strategy.on_shift(made)
    strategy.after_batch(made, chained(1))
    jog(made, 2)
    found = beside(made, chained(2))
    assert torch.is_tensor(found) and found.requires_grad and found > 0.01
    dreams = strategy.pool.inputs[: len(strategy.pool)]
    assert len(dreams) == 4 and not torch.equal(dreams, chained(1).inputs)
    assert float(found.detach()) == pytest.approx(
        0.3 * divergence(old, made.network, dreams), rel=1e-4
    )


def test_where_the_stream_does_not_feed_itself_the_inputs_are_the_batch():
    strategy = Dream(weight=0.3)
    made, data = learner(strategy), batch(2)
    jog(made)
    old = deepcopy(made.network)
    strategy.after_batch(made, batch(1))
    strategy.after_batch(made, chained(1))  # once is enough
    assert not strategy.fed
    strategy.on_shift(made)
    jog(made, 2)
    found = strategy.penalty(made, data, made(data.inputs))
    assert torch.is_tensor(found) and beside(made, data) == 0.0
    assert float(found.detach()) == pytest.approx(
        0.3 * divergence(old, made.network, data.inputs), rel=1e-4
    )
    strategy.after_batch(made, chained(3))
    assert len(strategy.pool) == 0


def test_one_wrong_symbol_is_seen_if_it_is_asked_only():
    strategy = Dream()
    made, data = learner(strategy), chained(1)
    strategy.after_batch(made, data)
    assert strategy.fed
    data.targets[2, 3] = (data.targets[2, 3] + 1) % 3
    strategy.after_batch(made, data)
    assert not strategy.fed


def test_dreams_follow_the_old_network():
    """An MLP is a Markov chain: 20,000 dreams, each transition at each asked position within z < 4.5."""
    strategy = Dream(dreams=1)
    made = learner(strategy)
    jog(made, by=0.6)
    strategy.on_shift(made)
    matrix = made(torch.arange(3)[:, None])[:, 0].double().softmax(-1).detach()
    assert (matrix - 1 / 3).abs().max() > 0.1
    jog(made, 2, by=0.6)  # what is new does not matter
    data = batch(1, 20_000)
    begun = data.inputs
    dreamt = strategy.dream(made, data, torch.Generator().manual_seed(0))
    assert torch.equal(dreamt[:, 0], begun[:, 0]) and torch.equal(dreamt[:, 2], begun[:, 2])
    for t in (0, 2, 3):  # 1 is not asked
        for a in range(3):
            after = dreamt[dreamt[:, t] == a][:, t + 1]
            p, n = matrix[a], len(after)
            z = (torch.bincount(after, minlength=3) - n * p) / (n * p * (1 - p)).sqrt()
            assert z.abs().max() < 4.5
    assert (dreamt[:, 3] == begun[:, 3]).double().mean() < 0.5  # drawn anew, by chance equal


@pytest.mark.parametrize("network", [Transformer, LSTM, Mamba])
def test_each_symbol_depends_on_the_dream_so_far(network: type):
    """A network that is sure of itself dreams the greedy continuation, whatever the noise."""
    strategy = Dream()
    made = learner(strategy, network)
    jog(made, 3, by=1.0)
    with torch.no_grad():
        made.network.get_parameter("head.weight").mul_(1e4)
    strategy.on_shift(made)
    data = batch(1, 16)
    begun = data.inputs
    expected = begun.clone()
    for x in expected:
        for t in (0, 2, 3):
            x[t + 1] = made(x[None, : t + 1])[0, -1].argmax()
    dreamt = strategy.dream(made, data, torch.Generator().manual_seed(0))
    assert torch.equal(dreamt, expected) and not torch.equal(dreamt, begun)


def test_dreams_come_every_period_and_start_over_at_a_shift():
    strategy, held = Dream(dreams=10, period=2), list[int]()
    made = learner(strategy)
    for step in range(8):
        if step in (1, 6):
            strategy.on_shift(made)
        meet(made, step, chained(step))
        held.append(len(strategy.pool))
    assert held == [0, 4, 4, 8, 8, 10, 4, 4]


def test_nothing_is_added_before_a_shift_or_before_a_dream():
    strategy, data = Dream(), chained(1)
    made = learner(strategy)
    strategy.after_batch(made, data)
    assert beside(made, data) == 0.0 == strategy.penalty(made, data, made(data.inputs))
    strategy.on_shift(made)
    assert beside(made, data) == 0.0 == strategy.penalty(made, data, made(data.inputs))
    strategy.after_batch(made, data)
    assert torch.is_tensor(beside(made, data))
    assert strategy.penalty(made, data, made(data.inputs)) == 0.0


def test_a_target_that_cannot_be_an_input_is_never_dreamt():
    strategy = Dream()
    learner(strategy, spec=Spec(vocab=2, symbols=3, batch=4, time=5))
    assert not strategy.fed


def test_behind_an_adapter_the_old_adapter_is_kept():
    dream = Dream()
    made = learner(Chain([LoRA(rank=2), dream]))
    assert dream.old.numel() == sum(p.numel() for p in made.trainable())
    jog(made)
    inputs = batch(1).inputs
    dream.on_shift(made)
    before = made(inputs).detach()
    with torch.no_grad():
        for p in made.trainable():
            p.add_(1.0)
    torch.testing.assert_close(dream.before(made, inputs).detach(), before)
    assert not torch.allclose(made(inputs), before)
