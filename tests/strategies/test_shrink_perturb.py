"""Shrink and perturb, and the hare and the tortoise."""

import math
from typing import Literal

import pytest
import torch

from plasticity.core.detector import Detector
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential
from plasticity.networks import LSTM, MLP, Mamba, Transformer
from strategies import Chain, Finetune, LoRA
from strategies.hare_tortoise import HareTortoise
from strategies.shrink_perturb import ShrinkPerturb

from .teaching import teach
from .tiny import batch, learner, unscored


def flat(made: OnlineLearner) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in made.trainable()])


def test_each_step_shrinks_what_gradient_descent_made():
    made, plain = learner(ShrinkPerturb(0.1, 0.0)), learner(Finetune())
    teach(made, 1)
    teach(plain, 1)
    torch.testing.assert_close(flat(made), 0.9 * flat(plain))


@pytest.mark.parametrize("when", ["step", "shift"])
def test_noise_is_normal_and_of_the_said_size(when: Literal["step", "shift"]):
    """4.5 standard errors; independent between weights and from step to step."""
    made, drawn = learner(ShrinkPerturb(0.5, 2.0, when), Transformer), []
    for step in range(2):
        before = flat(made)
        made.step = step
        if when == "step":
            made.strategy.after_step(made)
        else:
            made.strategy.on_shift(made)
        drawn.append((flat(made) - 0.5 * before) / 2.0)
    n = len(drawn[0])
    for eps in drawn:
        assert abs(eps.mean()) < 4.5 / math.sqrt(n)
        assert abs(eps.var() - 1) < 4.5 * math.sqrt(2 / n)
        assert abs((eps**4).mean() - 3) < 4.5 * math.sqrt(96 / n)
        assert abs((eps[1:] * eps[:-1]).mean()) < 4.5 / math.sqrt(n)
    assert abs((drawn[0] * drawn[1]).mean()) < 4.5 / math.sqrt(n)


def test_it_forgets_towards_noise_of_variance_sigma2_over_2_shrink():
    """theta_n ~ N((1 - c)^n theta_0, s^2 (1 - (1 - c)^2n) / (1 - (1 - c)^2)); no gradients."""
    made = learner(ShrinkPerturb(0.05, 0.3), Transformer)
    for step in range(200):
        made.step = step
        made.strategy.after_step(made)
    variance = 0.3**2 / (1 - 0.95**2)
    theta = flat(made)
    assert abs(theta.var() / variance - 1) < 4.5 * math.sqrt(2 / len(theta))
    assert abs(variance / (0.3**2 / 0.1) - 1) < 0.03


def test_at_shifts_only():
    made, plain = learner(ShrinkPerturb(0.5, 0.1, "shift")), learner(Finetune())
    assert made.strategy.needs_shifts and not ShrinkPerturb().needs_shifts
    teach(made, 1)
    teach(plain, 1)
    assert torch.equal(flat(made), flat(plain))
    made.strategy.on_shift(made)
    assert not torch.equal(flat(made), flat(plain))
    each = learner(ShrinkPerturb(0.5, 0.1, "step"))
    before = flat(each)
    each.strategy.on_shift(each)
    assert torch.equal(flat(each), before)


class _Alarm(Detector):
    """Always."""

    def update(self, loss: float) -> bool:
        return True


@pytest.mark.parametrize("network", [Transformer, LSTM, Mamba, MLP])
def test_at_an_alarm_the_weights_are_shrunk_and_the_step_starts_from_there(network: type):
    """0.5 theta - lr g, with g at 0.5 theta; the prediction that raised the alarm was of theta."""
    made, data = learner(ShrinkPerturb(0.5, 0.0, "shift"), network), batch(1)
    before, other = flat(made), learner(Finetune(), network)
    with torch.no_grad():
        for p in other.network.parameters():
            p.mul_(0.5)
    loss = other.nll(other(data.inputs), data.targets, data.asked)
    grads = torch.autograd.grad(loss, list(other.network.parameters()))
    loop = Prequential(made, announce_shifts=False, detector=_Alarm())
    loop.prequential_step(unscored(0, data))
    expected = 0.5 * before - 0.1 * torch.cat([g.flatten() for g in grads])
    torch.testing.assert_close(flat(made), expected)


def test_beside_lora_the_corrections_shrink():
    made = learner(Chain([LoRA(rank=1), ShrinkPerturb(0.5, 0.0)]))
    params = dict(made.network.named_parameters())
    before = {name: p.detach().clone() for name, p in params.items()}
    made.strategy.after_step(made)
    for name, p in params.items():
        assert torch.equal(p.detach(), before[name] * (0.5 if p.requires_grad else 1.0))


def test_the_tortoise_is_the_moving_average_and_the_hare_returns_to_it():
    """Closed form: m^n theta_0 + (1 - m) sum_i m^(n - i) hare_i."""
    strategy = HareTortoise(momentum=0.8, every=4)
    made = learner(strategy)
    hares, start = list[torch.Tensor](), flat(made)
    for n in range(1, 10):
        follower = learner(Finetune())  # the same step, without a tortoise
        follower.network.load_state_dict(made.network.state_dict())
        teach(made, n)
        teach(follower, n)
        hares.append(flat(follower))
        average = 0.8**n * start
        for i, hare in enumerate(hares, 1):
            average = average + 0.2 * 0.8 ** (n - i) * hare
        torch.testing.assert_close(strategy.tortoise, average, rtol=1e-5, atol=1e-6)
        if n % 4 == 0:
            assert torch.equal(flat(made), strategy.tortoise)
        else:
            torch.testing.assert_close(flat(made), hares[-1])
            assert (flat(made) - average).abs().max() > 1e-3


def test_the_tortoise_does_not_move_with_the_hare_that_returned():
    strategy = HareTortoise(momentum=1.0, every=1)
    made = learner(strategy)
    start = flat(made)
    for n in range(3):
        teach(made, n)
        assert torch.equal(flat(made), start)
    with torch.no_grad():
        for p in made.network.parameters():
            p.add_(1.0)
    assert torch.equal(strategy.tortoise, start)
