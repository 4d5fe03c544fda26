"""UPGD, weight by weight."""

import math

import torch

from plasticity import Optimizer
from plasticity.core.optimizer import SGD, AdamW
from plasticity.core.strategy import Strategy
from plasticity.engine.learner import OnlineLearner
from strategies import Finetune
from strategies.upgd import UPGD

from .teaching import teach
from .tiny import batch, learner


def ready(strategy: Strategy, optimizer: Optimizer, width: int = 8) -> OnlineLearner:
    return learner(strategy, optimizer=optimizer, width=width)


def flat(made: OnlineLearner) -> list[float]:
    return [v for p in made.network.parameters() for v in p.flatten().tolist()]


def gradients(made: OnlineLearner, seed: int) -> list[float]:
    data = batch(seed)
    loss = made.nll(made(data.inputs), data.targets, data.asked)
    grads = torch.autograd.grad(loss, list(made.network.parameters()))
    return [v for g in grads for v in g.flatten().tolist()]


def test_under_sgd_it_is_the_papers_equation():
    """Ten steps without noise, weight by weight in double precision."""
    made = ready(UPGD(decay=0.8, sigma=0.0, weight_decay=0.3), SGD(0.1))
    trace, most_gated = [0.0] * len(flat(made)), 1.0
    for seed in range(10):
        w, g = flat(made), gradients(made, seed)
        trace = [0.8 * u + 0.2 * -gi * wi for u, gi, wi in zip(trace, g, w, strict=True)]
        corrected = [u / (1 - 0.8 ** (seed + 1)) for u in trace]
        gates = [1 - 1 / (1 + math.exp(-u / max(corrected))) for u in corrected]
        expected = [
            (1 - 0.1 * 0.3) * wi - 0.1 * gi * gate for wi, gi, gate in zip(w, g, gates, strict=True)
        ]
        teach(made, seed)
        torch.testing.assert_close(
            torch.tensor(flat(made)), torch.tensor(expected), rtol=1e-5, atol=1e-6
        )
        most_gated = min(most_gated, *gates)
    assert math.isclose(
        most_gated, 1 - 1 / (1 + math.exp(-1))
    )  # the most useful weight: u = sigmoid(1)


def test_under_adam_the_step_is_gated_and_not_the_gradient():
    made, plain = ready(UPGD(0.8, 0.0, 0.0), AdamW(1e-2)), ready(Finetune(), AdamW(1e-2))
    w, g = flat(made), gradients(made, 1)
    gain = [-gi * wi for gi, wi in zip(g, w, strict=True)]
    teach(made, 1)
    teach(plain, 1)
    for wi, u, gated, whole in zip(w, gain, flat(made), flat(plain), strict=True):
        expected = wi + (1 - 1 / (1 + math.exp(-u / max(gain)))) * (whole - wi)
        assert math.isclose(gated, expected, rel_tol=1e-4, abs_tol=1e-6)
    steps = [abs(a - b) for a, b in zip(flat(made), w, strict=True) if abs(a - b) > 1e-4]
    assert max(steps) > 1.5 * min(steps)  # the steps of plain Adam are all of one length at first


def test_a_weight_of_no_use_takes_half_a_step():
    """Biases are 0 at first: so is their utility."""
    made, plain = ready(UPGD(0.9, 0.0, 0.0), SGD(0.1)), ready(Finetune(), SGD(0.1))
    teach(made, 1)
    teach(plain, 1)
    mine, whole = (m.network.get_parameter("head.bias") for m in (made, plain))
    assert whole.abs().min() > 1e-4
    torch.testing.assert_close(mine, whole / 2)


def test_the_noise_is_normal_of_the_said_size_and_gated_like_the_step():
    """(with - without) / (-lr (1 - u)) is N(0, sigma^2); 4.5 standard errors."""
    made, quiet = (ready(UPGD(0.9, s, 0.0), SGD(0.1), 64) for s in (3.0, 0.0))
    teach(made, 1)
    teach(quiet, 1)
    assert isinstance(made.strategy, UPGD)
    u = torch.sigmoid(made.strategy.utility / made.strategy.utility.max())
    difference = torch.tensor(flat(made)) - torch.tensor(flat(quiet))
    xi = difference / (-0.1 * (1 - u)) / 3.0
    n = len(xi)
    assert abs(xi.mean()) < 4.5 / math.sqrt(n)
    assert abs(xi.var() - 1) < 4.5 * math.sqrt(2 / n)
    assert abs((xi**4).mean() - 3) < 4.5 * math.sqrt(96 / n)
    assert abs((xi[1:] * xi[:-1]).mean()) < 4.5 / math.sqrt(n)


def test_noise_differs_from_step_to_step():
    def moved(seed: int) -> torch.Tensor:
        made = ready(UPGD(None, 1.0, 0.0), SGD(0.1))
        before = torch.tensor(flat(made))
        made.step = seed
        made.strategy.project_gradients(made)
        made.strategy.after_step(made)
        return torch.tensor(flat(made)) - before

    assert torch.equal(moved(1), moved(1))
    assert (moved(1) - moved(2)).abs().mean() > 0.05


def test_without_utility_it_is_perturbed_gradient_descent():
    made, plain = ready(UPGD(None, 0.0, 0.5), SGD(0.1)), ready(Finetune(), SGD(0.1))
    w = torch.tensor(flat(made))
    teach(made, 1)
    teach(plain, 1)
    torch.testing.assert_close(
        torch.tensor(flat(made)), torch.tensor(flat(plain)) - 0.05 * w, rtol=1e-5, atol=1e-6
    )


def test_when_nothing_is_of_use_all_take_half_a_step_and_nothing_is_nan():
    made, data = ready(UPGD(0.9, 0.0, 0.0), SGD(0.1)), batch(1)
    with torch.no_grad():
        for p in made.network.parameters():
            p.zero_()
    teach(made, 1)
    bias = made.network.get_parameter("head.bias")
    hits = data.targets[:, data.asked].flatten().bincount(minlength=3) / 16
    torch.testing.assert_close(bias.detach(), 0.05 * (hits - 1 / 3))
