"""Synaptic intelligence against its equations, and against what its path integral means."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch.nn.utils import parameters_to_vector

from plasticity import Learner, Strategy
from plasticity.core.optimizer import SGD, AdamW
from plasticity.engine.learner import OnlineLearner
from strategies import Chain, Finetune
from strategies.synaptic_intelligence import SI

from .teaching import jog, learner, mean, meet, taught
from .tiny import batch


def theta(made: OnlineLearner) -> np.ndarray:
    return parameters_to_vector(made.network.parameters()).detach().double().numpy()


def test_three_regimes_of_descent_with_momentum_by_hand():
    """Weights and springs of a simulation in NumPy whose task gradient never saw the pull."""
    c, xi, lr = 5.0, 0.05, 0.05
    strategy = SI(strength=c, xi=xi)
    made = learner(strategy, optimizer=SGD(lr, momentum=0.9))
    jog(made)
    strategy.on_shift(made)  # of nothing: the path begins here
    copy = deepcopy(made.network)
    now = anchor = theta(made)
    spring, path, speed = (np.zeros_like(now) for _ in range(3))
    kinds = set[bool]()
    for step in range(12):
        if step in (4, 8):
            strategy.on_shift(made)
            kinds |= set((path > 0).tolist())
            spring = spring + np.where(path > 0, path, 0) / ((now - anchor) ** 2 + xi)
            anchor, path = now, np.zeros_like(now)
        data = batch(step)
        meet(made, step, data)
        torch.nn.utils.vector_to_parameters(torch.tensor(now).float(), copy.parameters())
        task = torch.autograd.grad(mean(copy, data), list(copy.parameters()))
        g = parameters_to_vector(task).double().numpy()
        speed = 0.9 * speed + g + 2 * c * spring * (now - anchor)
        new = now - lr * speed
        path = path - g * (new - now)
        now = new
        np.testing.assert_allclose(theta(made), now, rtol=1e-4, atol=2e-6)
        np.testing.assert_allclose(strategy.path, path, rtol=1e-3, atol=1e-7)
        np.testing.assert_allclose(strategy.importance, spring, rtol=1e-3, atol=1e-6)
    assert spring.max() > 1e-3
    assert kinds == {True, False}, "no weight raised the loss: what happens then was not seen"


@pytest.mark.parametrize("pull", [0.0, 2.0])
def test_the_path_adds_up_to_what_the_task_lost(pull: float):
    """Also where springs drive the weights uphill, and for a step that is not the gradient's (AdamW)."""
    strategy, data = SI(strength=1.0), batch(3)
    made = learner(strategy, optimizer=AdamW(2e-3, weight_decay=0.01))
    jog(made)
    strategy.on_shift(made)
    strategy.importance.fill_(pull)
    strategy.anchor.add_(0.5)
    before = mean(made.network, data).item()
    for step in range(60):
        meet(made, step, data)
    lost = before - mean(made.network, data).item()
    assert abs(lost) > 0.05
    assert lost == pytest.approx(float(strategy.path.sum()), rel=0.05)


def test_extra_is_the_springs_energy():
    strategy, data = SI(strength=0.7), batch(1)
    made = learner(strategy)
    assert strategy.penalty(made, data, made(data.inputs)) == 0.0
    strategy.importance.uniform_(generator=torch.Generator().manual_seed(0))
    old = theta(made)
    jog(made)
    energy = sum(
        float(w) * (a - b) ** 2
        for w, a, b in zip(strategy.importance, theta(made), old, strict=True)
    )
    found = strategy.penalty(made, data, made(data.inputs))
    torch.testing.assert_close(found, torch.tensor(0.7 * energy, dtype=torch.float32))


class Doubled(Strategy):
    """Edits the gradient."""

    def project_gradients(self, learner: Learner) -> None:
        for p in learner.network.parameters():
            assert p.grad is not None
            p.grad.mul_(2)


@pytest.mark.parametrize(("first", "times"), [(True, 2.0), (False, 4.0)])
def test_edits_of_the_gradient_count_where_they_stand_before(first: bool, times: float):
    alone, beside, data = SI(), SI(), batch(1)
    meet(learner(alone), 0, data)
    meet(learner(Chain([beside, Doubled()] if first else [Doubled(), beside])), 0, data)
    torch.testing.assert_close(beside.path, times * alone.path, rtol=1e-3, atol=1e-7)


def test_a_regime_in_which_nothing_was_learned_leaves_no_spring():
    strategy = SI()
    made = learner(strategy)
    jog(made)  # weights that moved, and no loss that they lowered
    strategy.on_shift(made)
    assert not strategy.importance.any()
    np.testing.assert_array_equal(strategy.anchor.double(), theta(made))


def test_strength_0_is_finetuning_and_springs_hold():
    plain, off = taught(Finetune()), taught(SI(strength=0.0))
    assert all(torch.equal(v, off[k]) for k, v in plain.items())
    moved = []
    for strength in (1e-9, 10.0, 30.0):
        strategy = SI(strength=strength)
        made = learner(strategy)
        for step in range(6):
            meet(made, step, batch(0))
        strategy.on_shift(made)
        for step in range(6):
            meet(made, step, batch(1))
        moved.append(float(((theta(made) - strategy.anchor.numpy()) ** 2).sum()))
    assert moved[0] > moved[1] > moved[2]
