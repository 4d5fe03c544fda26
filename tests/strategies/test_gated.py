"""The gate against its rule, written as a weighted sum, and what it gates."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from strategies import Chain, Replay
from strategies.gated import Gated
from strategies.gdumb import GDumb

from .teaching import descended, jog, learner, mean, meet, same, teach
from .tiny import batch


@pytest.mark.parametrize("margin", [-0.05, 0.0, 0.05])
def test_learns_iff_the_loss_is_above_its_running_mean(margin: float):
    strategy, decay = Gated(margin=margin, decay=0.6), 0.6
    made, losses, moved = learner(strategy), list[float](), list[bool]()
    jog(made)
    for step in range(20):
        data, before = batch(step), deepcopy(made.network.state_dict())
        losses.append(float(mean(made.network, data).detach()))
        meet(made, step, data)
        after = made.network.state_dict()
        moved.append(not all(torch.equal(v, before[k]) for k, v in after.items()))
    expected = [True]
    for t in range(1, 20):
        weights = [decay ** (t - 1)] + [(1 - decay) * decay ** (t - 1 - k) for k in range(1, t)]
        usual = np.dot(weights, losses[:t])
        assert sum(weights) == pytest.approx(1)
        assert abs(losses[t] - usual - margin) > 1e-5  # it is decided
        expected.append(losses[t] > usual + margin)
    assert moved == expected and 2 < sum(moved) < 19
    assert strategy.fraction == pytest.approx(1 - sum(moved) / 20)
    assert int(strategy.skipped) == 20 - sum(moved)


def test_a_margin_out_of_reach_learns_once():
    strategy = Gated(margin=100.0)
    made, first = learner(strategy), batch(0)
    expected = descended(made.network, [[(1.0, first)]])
    for step in range(5):
        meet(made, step, batch(step))
    same(made.network, expected)
    assert strategy.fraction == 0.8


def test_a_skipped_step_has_no_backward():
    made = learner(Gated(margin=100.0))
    meet(made, 0, batch(0))
    made.optimizer.zero_grad()
    teach(made, 1)
    assert all(p.grad is None for p in made.network.parameters()) and made.update_index == 0


def test_in_a_chain_it_gates_the_rehearsal_and_not_the_memory():
    gate, replay = Gated(margin=0.1, decay=1.0), Replay(capacity=8, weight=0.5)
    made, one, two, three = learner(Chain([gate, replay])), batch(1), batch(2), batch(3)
    jog(made)
    meet(made, 0, one)
    before = deepcopy(made.network)
    gate.usual.fill_(100.0)
    meet(made, 1, two)
    same(made.network, before, atol=0.0)
    assert torch.equal(replay.memory.inputs, torch.cat([one.inputs, two.inputs]))
    gate.usual.fill_(0.0)
    made.begin(2)
    rows = replay.memory.draw(4, replay.rng(made))
    old = three._replace(
        inputs=replay.memory.inputs[rows].clone(), targets=replay.memory.targets[rows].clone()
    )
    expected = descended(made.network, [[(1.0, three), (0.5, old)]])
    meet(made, 2, three)
    same(made.network, expected)
    assert gate.fraction == pytest.approx(1 / 3)


def test_only_one_part_may_replace_the_update():
    with pytest.raises(ValueError, match="Gated and GDumb each replace `update`"):
        Chain([Gated(), GDumb()])
