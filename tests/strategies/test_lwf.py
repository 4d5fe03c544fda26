"""Learning without forgetting against its equation."""

import math

import pytest
import torch

from plasticity.core.tunnel import Batch
from plasticity.networks import LSTM, MLP
from strategies import Chain, Finetune, LoRA
from strategies.lwf import LwF

from .teaching import jog, learner, meet, taught
from .tiny import ASKED, batch


def probabilities(logits: torch.Tensor, temperature: float) -> list[float]:
    weights = [math.exp(f / temperature) for f in logits.tolist()]
    return [w / sum(weights) for w in weights]


@pytest.mark.parametrize("network", [MLP, LSTM])
@pytest.mark.parametrize("temperature", [1.0, 2.0, 0.5])
def test_extra_is_the_divergence_from_what_the_old_weights_say(temperature: float, network: type):
    strategy, data = LwF(strength=0.3, temperature=temperature), batch(7)
    made = learner(strategy, network)
    assert strategy.penalty(made, data, made(data.inputs)) == 0.0
    jog(made)
    strategy.on_shift(made)
    old = made(data.inputs).detach()
    at_rest = strategy.penalty(made, data, made(data.inputs))
    torch.testing.assert_close(at_rest, torch.tensor(0.0), rtol=0.0, atol=1e-6)
    jog(made, 2)
    new, total, n = made(data.inputs), 0.0, 0
    for i in range(4):
        for t in range(5):
            if ASKED[t]:
                p, q = probabilities(old[i, t], temperature), probabilities(new[i, t], temperature)
                total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
                n += 1
    found = strategy.penalty(made, data, new)
    expected = torch.tensor(0.3 * temperature**2 * total / n)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert expected > 1e-3


def test_hot_distillation_matches_logits():
    """T^2 KL -> 1/(2 V) sum_v (z_v - z'_v)^2 of centred logits (Hinton, Vinyals & Dean 2015, section 2.1)."""
    strategy, data = LwF(strength=1.0, temperature=50.0), batch(7)
    made = learner(strategy)
    strategy.on_shift(made)
    old = made(data.inputs).detach()
    jog(made)
    new = made(data.inputs)
    z, z_old = (f[:, ASKED] - f[:, ASKED].mean(-1, keepdim=True) for f in (new, old))
    expected = (z - z_old).square().sum(-1).mean() / 6
    found = strategy.penalty(made, data, new)
    torch.testing.assert_close(found, expected, rtol=0.03, atol=0.0)


def test_a_piece_is_distilled_where_it_is_asked():
    strategy, data = LwF(), batch(7)
    made = learner(strategy)
    strategy.on_shift(made)
    jog(made)
    one = torch.tensor([False, False, True])
    piece = Batch(data.inputs[:1, :3], data.targets[:1, :3], one)
    found = strategy.penalty(made, piece, made(piece.inputs))
    alone = data.rows(slice(1)).asking(torch.arange(5) == 2)
    torch.testing.assert_close(found, strategy.penalty(made, alone, made(alone.inputs)))


def test_only_new_weights_are_pulled():
    """The gradient is p_new - p_old at the logits, times T, at asked positions."""
    strategy, data = LwF(strength=1.0, temperature=3.0), batch(7)
    made = learner(strategy)
    strategy.on_shift(made)
    old = made(data.inputs).detach()
    jog(made)
    logits = made(data.inputs).detach().requires_grad_()
    energy = strategy.penalty(made, data, logits)
    assert torch.is_tensor(energy)
    (grad,) = torch.autograd.grad(energy, logits)
    expected = 3.0 * ((logits / 3).softmax(-1) - (old / 3).softmax(-1)) / (4 * int(ASKED.sum()))
    torch.testing.assert_close(grad, torch.where(ASKED[:, None], expected, 0.0).detach())


def test_old_are_the_weights_of_the_last_shift():
    strategy, data = LwF(), batch(7)
    made = learner(strategy)
    strategy.on_shift(made)
    for step in range(3):
        meet(made, step, batch(step))
    strategy.on_shift(made)
    second = made(data.inputs).detach()
    jog(made)
    torch.testing.assert_close(strategy.answers(made, data), second[:, ASKED])


def test_beside_lora_old_answers_are_those_of_the_adapted_network():
    strategy, data = LwF(), batch(7)
    made = learner(Chain([LoRA(rank=2), strategy]))
    jog(made)
    said = made(data.inputs).detach()
    made.strategy.on_shift(made)
    for p in made.trainable():
        p.data.mul_(0.5)
    assert not torch.allclose(made(data.inputs), said, atol=1e-3)
    torch.testing.assert_close(strategy.answers(made, data), said[:, ASKED])


def test_strength_0_and_no_shift_are_finetuning_and_the_rest_remembers():
    plain = taught(Finetune())
    for same in (taught(LwF(strength=0.0)), taught(LwF())):
        assert all(torch.equal(v, same[k]) for k, v in plain.items())
    forgot, old = [], batch(0)
    for strength in (0.0, 1.0, 10.0):
        strategy = LwF(strength=strength, temperature=1.0)
        made = learner(strategy)
        jog(made)
        strategy.on_shift(made)
        before = made(old.inputs).detach().softmax(-1)
        for step in range(20):
            meet(made, step, batch(1)._replace(inputs=old.inputs))
        forgot.append((made(old.inputs).softmax(-1) - before).abs().sum().item())
    assert forgot[0] > forgot[1] > forgot[2]
