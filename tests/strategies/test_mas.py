"""Memory-aware synapses against their equations."""

import pytest
import torch
from torch.nn.utils import parameters_to_vector

from plasticity.core.tunnel import Batch
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import LSTM, MLP
from strategies.mas import MAS

from .teaching import jog, learner, meet
from .tiny import ASKED, SPEC, answered, batch


def by_hand(made: OnlineLearner, inputs: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
    """E over sequences of |mean over asked positions of sum_v 2 f_v df_v|, logit by logit."""
    params = list(made.network.parameters())
    total = torch.zeros(sum(p.numel() for p in params))
    for x in inputs:
        logits = made.network(x[None])[0]
        one = torch.zeros_like(total)
        for t in asked.nonzero().flatten().tolist():
            for value in logits[t]:
                grads = torch.autograd.grad(value, params, retain_graph=True)
                one += 2 * value.detach() * parameters_to_vector(grads)
        total += (one / int(asked.sum())).abs()
    return total / len(inputs)


@pytest.mark.parametrize("network", [MLP, LSTM])
@pytest.mark.parametrize("size", [1, 6])
def test_importance_is_the_mean_magnitude_of_each_sequences_gradient(size: int, network: type):
    strategy = MAS()
    made, data = learner(strategy, network), batch(2, size)
    jog(made)
    strategy.after_batch(made, data)
    strategy.on_shift(made)
    expected = by_hand(made, data.inputs, ASKED)
    torch.testing.assert_close(strategy.importance, expected, rtol=1e-4, atol=1e-6)


def test_importance_does_not_depend_on_how_the_data_was_batched_nor_on_targets():
    found = []
    for size in (1, 4, 16):
        strategy, data = MAS(), batch(3, 16)
        made = learner(strategy)
        jog(made)
        for i in range(0, 16, size):
            piece = answered(data, (data.targets + size) % 3).rows(slice(i, i + size))
            strategy.after_batch(made, piece)
        strategy.on_shift(made)
        found.append(strategy.importance)
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


def test_importance_does_not_grow_with_length():
    """A sequence after itself, to a network without memory: as important as once."""
    found, data = [], batch(4)
    for times in (1, 3):
        strategy = MAS()
        spec, asked = SPEC._replace(time=5 * times), ASKED.repeat(times)
        made = learner(strategy, spec=spec, asked=asked)
        jog(made)
        longer = Batch(data.inputs.repeat(1, times), data.targets.repeat(1, times), asked)
        strategy.after_batch(made, longer)
        strategy.on_shift(made)
        found.append(strategy.importance)
    torch.testing.assert_close(found[0], found[1])


def test_loss_adds_strength_importance_distance_and_decays():
    strategy = MAS(strength=7.0, decay=0.25)
    made, first, second = learner(strategy), batch(4), batch(5)
    assert strategy.penalty(made, first, made(first.inputs)) == 0.0
    jog(made)
    strategy.after_batch(made, first)
    one = by_hand(made, first.inputs, ASKED)
    anchor = parameters_to_vector(made.network.parameters()).detach().clone()
    strategy.on_shift(made)
    jog(made, 2)
    away = parameters_to_vector(made.network.parameters()).detach() - anchor
    found = strategy.penalty(made, second, made(second.inputs))
    torch.testing.assert_close(found, 7.0 * (one * away * away).sum(), check_stride=False)
    strategy.after_batch(made, second)
    two = by_hand(made, second.inputs, ASKED)
    strategy.on_shift(made)
    torch.testing.assert_close(strategy.importance, 0.25 * one + two, rtol=1e-4, atol=1e-6)
    strategy.on_shift(made)  # of a regime in which nothing was seen
    torch.testing.assert_close(strategy.importance, 0.25 * (0.25 * one + two), rtol=1e-4, atol=1e-6)


def test_the_stronger_the_less_weights_move():
    moved = []
    for strength in (0.0, 0.1, 1.0):
        strategy = MAS(strength=strength)
        made = learner(strategy)
        for step in range(12):
            if step == 6:
                strategy.on_shift(made)
            meet(made, step, batch(step // 6))
        away = parameters_to_vector(made.network.parameters()).detach() - strategy.anchor
        moved.append(float(away.square().sum()))
    assert moved[0] > moved[1] > moved[2] > 0
