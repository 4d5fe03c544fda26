"""Each strategy against its paper's equation, computed independently on a tiny network."""

from typing import Literal

import pytest
import torch
from torch.nn.utils import parameters_to_vector

from plasticity.core.tunnel import Batch
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import LSTM, MLP, Mamba, Transformer
from strategies import EWC, Finetune, Frozen, LoRA, Replay

from .teaching import learn
from .tiny import batch, learner, log_likelihood


def test_finetune_is_theta_minus_eta_gradient():
    made, data = learner(Finetune()), batch(1)
    before = [p.detach().clone() for p in made.network.parameters()]
    n = 4 * int(data.asked.sum())
    pairs = zip(data.inputs, data.targets, strict=True)
    total = torch.stack([log_likelihood(made.network, x, y, data.asked) for x, y in pairs]).sum()
    grads = torch.autograd.grad(-total / n, list(made.network.parameters()))
    loss = made.strategy.loss(made, data, made(data.inputs))
    made.optimizer.zero_grad()
    loss.backward()
    made.optimizer.step()
    for old, g, p in zip(before, grads, made.network.parameters(), strict=True):
        torch.testing.assert_close(p.detach(), old - 0.1 * g, atol=1e-7, rtol=1e-5)


def fisher_by_hand(made: OnlineLearner, data: Batch) -> torch.Tensor:
    """E over sequences of (grad log p(sequence))^2 / asked positions."""
    params = list(made.network.parameters())
    total = torch.zeros(sum(p.numel() for p in params))
    for x, y in zip(data.inputs, data.targets, strict=True):
        grads = torch.autograd.grad(log_likelihood(made.network, x, y, data.asked), params)
        total += torch.cat([g.flatten() for g in grads]) ** 2
    return total / len(data.inputs) / int(data.asked.sum())


@pytest.mark.parametrize("size", [1, 4, 16])
def test_ewc_fisher_is_per_sample_and_equals_the_definition(size: int):
    strategy = EWC(strength=7.0)
    made, data = learner(strategy), batch(2, size)
    strategy.after_batch(made, data)
    strategy.on_shift(made)
    torch.testing.assert_close(strategy.fisher, fisher_by_hand(made, data), rtol=1e-4, atol=1e-7)


def test_ewc_fisher_does_not_depend_on_how_the_data_was_batched():
    fishers = []
    for size in (1, 4, 16):
        strategy, data = EWC(strength=1.0), batch(3, 16)
        made = learner(strategy)
        for i in range(0, 16, size):
            strategy.after_batch(made, data.rows(slice(i, i + size)))
        strategy.on_shift(made)
        fishers.append(strategy.fisher)
    torch.testing.assert_close(fishers[0], fishers[1])
    torch.testing.assert_close(fishers[0], fishers[2])


def test_ewc_loss_adds_half_strength_fisher_distance_and_decays():
    strategy = EWC(strength=7.0, decay=0.5)
    made, first, second = learner(strategy), batch(4), batch(5)
    strategy.after_batch(made, first)
    one = fisher_by_hand(made, first)
    strategy.on_shift(made)
    anchor = strategy.anchor.clone()
    with torch.no_grad():
        for p in made.network.parameters():
            p.add_(0.01)
    logits = made(second.inputs)
    plain = made.nll(logits, second.targets, second.asked)
    theta = torch.cat([p.flatten() for p in made.network.parameters()])
    expected = plain + 7.0 / 2 * (one * (theta - anchor) ** 2).sum()
    found = made.strategy.loss(made, second, logits) + strategy.penalty(made, second, logits)
    torch.testing.assert_close(found, expected)
    strategy.after_batch(made, second)
    two = fisher_by_hand(made, second)
    strategy.on_shift(made)
    torch.testing.assert_close(strategy.fisher, 0.5 * one + two, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("form", ["online", "separate"])
@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_ewc_springs_over_three_shifts_are_those_kept_one_by_one(
    form: Literal["online", "separate"], decay: float
):
    """Each regime's F_k and theta_k on its own: the same energy and the same pull."""
    strategy = EWC(form=form, decay=decay)
    made, rng = learner(strategy), torch.Generator().manual_seed(0)
    springs = list[tuple[torch.Tensor, torch.Tensor]]()
    params = list(made.network.parameters())
    for regime in range(3):
        for p in params:
            p.data.add_(torch.randn(p.shape, generator=rng), alpha=0.3)
        strategy.after_batch(made, batch(regime))
        fisher = fisher_by_hand(made, batch(regime))
        springs = [(decay * f, tied) for f, tied in springs]
        springs.append((fisher, parameters_to_vector(params).detach().clone()))
        strategy.on_shift(made)
    if form == "online":
        springs = [(f, springs[-1][1]) for f, _ in springs]
    strategy.on_shift(made)  # of a regime in which nothing was seen: the others fade
    springs = [(decay * f, tied) for f, tied in springs]
    for p in params:
        p.data.add_(torch.randn(p.shape, generator=rng), alpha=0.3)
    theta = parameters_to_vector(params).detach().requires_grad_()
    energy = torch.stack([(f * (theta - tied) ** 2).sum() for f, tied in springs]).sum()
    (pull,) = torch.autograd.grad(energy, theta)
    found = strategy.energy(made)
    torch.testing.assert_close(found, energy, rtol=1e-4, atol=1e-6)
    grads = parameters_to_vector(torch.autograd.grad(found, params))
    torch.testing.assert_close(grads, pull, rtol=1e-3, atol=1e-5)
    assert (strategy.rest.item() > 0.1 * found.item()) == (form == "separate")


def test_replay_loss_is_new_plus_weighted_old():
    strategy = Replay(capacity=4, weight=0.3)
    made, old, new = learner(strategy), batch(6), batch(7)
    strategy.after_batch(made, old)
    prediction = made.predict(new)
    expected = made.nll(made(new.inputs), new.targets, new.asked)
    expected = expected + 0.3 * made.nll(made(old.inputs), old.targets, old.asked)
    found = strategy.loss(made, new, prediction.logits) + prediction.rehearsal
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(made.total_loss(new, prediction), expected)


@pytest.mark.parametrize("network", [Transformer, LSTM, Mamba, MLP])
def test_lora_starts_as_the_identity_and_every_adapter_learns(network: type):
    strategy, data = LoRA(rank=2, alpha=3.0), batch(8)
    plain = learner(Finetune(), network)
    made = learner(strategy, network)
    assert torch.equal(made(data.inputs), plain(data.inputs))
    adapters = dict(made.network.named_parameters())
    trainable = {k: p for k, p in adapters.items() if p.requires_grad}
    assert trainable and all("parametrizations" in k for k in trainable)
    for _ in range(2):  # A's gradient is zero while B is
        made.nll(made(data.inputs), data.targets, data.asked).backward()
        made.optimizer.step()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in trainable.values())
    frozen = {k: p for k, p in adapters.items() if not p.requires_grad}
    assert all(p.grad is None for p in frozen.values())


def test_lora_weight_is_w_plus_alpha_over_rank_b_a():
    strategy = LoRA(rank=2, alpha=3.0)
    made = learner(strategy)
    low = {k.rpartition(".")[2]: p for k, p in made.network.named_parameters() if "head" in k}
    with torch.no_grad():
        low["B"].normal_()
    expected = low["original"] + 3.0 / 2 * low["B"] @ low["A"]
    hidden, inputs = [], batch(10).inputs
    head = made.network.get_submodule("head")
    head.register_forward_hook(lambda _, x, y: hidden.append((x[0], y)))
    made(inputs)
    (x, y), bias = hidden[0], made.network.get_parameter("head.bias")
    torch.testing.assert_close(y, x @ expected.T + bias)


def test_frozen_moves_nothing():
    made, data = learner(Frozen()), batch(9)
    before = {k: v.clone() for k, v in made.state_dict().items()}
    learn(made, data)
    assert all(torch.equal(v, before[k]) for k, v in made.state_dict().items())
