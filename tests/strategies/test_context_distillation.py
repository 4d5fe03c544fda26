"""Context distillation against the divergence by hand; the teacher has the latest episodes before it."""

from copy import deepcopy
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from plasticity.engine.learner import OnlineLearner
from plasticity.networks import Transformer
from strategies.context_distillation import ContextDistillation

from .teaching import jog, meet
from .tiny import ASKED, batch, learner, log_likelihood


def student(**arguments: Any) -> OnlineLearner:
    made = learner(ContextDistillation(**{"episodes": 3, **arguments}), Transformer)
    jog(made)
    strategy = cast(ContextDistillation, made.strategy)
    if strategy.teacher == "pretrained":
        strategy.pretrained.copy_(torch.cat([p.detach().flatten() for p in made.trainable()]))
    return made


def by_hand(teacher: nn.Module, network: nn.Module, context: list[Tensor], weight: float) -> Tensor:
    """The loss on batch 9, sequence by sequence."""
    data, total = batch(9), torch.zeros(())
    for x, y in zip(data.inputs, data.targets, strict=True):
        with torch.no_grad():
            p = teacher(torch.cat([*context, x])[None])[0, -5:].softmax(-1)
        q = network(x[None])[0].softmax(-1)
        kl = sum(float(ASKED[t]) * (p[t] * (p[t] / q[t]).log()).sum() for t in range(5))
        total = total + weight * kl - (1 - weight) * log_likelihood(network, x, y, ASKED)
    return total / 16


@pytest.mark.parametrize("weight", [1.0, 0.3])
@pytest.mark.parametrize("teacher", ["pretrained", "now"])
def test_the_loss_is_the_divergence_from_who_has_the_latest_episodes(weight: float, teacher: str):
    made = student(weight=weight, teacher=teacher)
    before = deepcopy(made.network)
    for step in range(2):
        meet(made, step, batch(step))
    data = batch(9)
    context = list(batch(1).inputs[1:])  # of eight episodes the latest three
    source = before if teacher == "pretrained" else deepcopy(made.network)
    expected = by_hand(source, made.network, context, weight)
    found = made.strategy.loss(made, data, made.network(data.inputs))
    torch.testing.assert_close(found, expected)
    alone = by_hand(source, made.network, [], weight)
    assert (found - alone).abs() > 1e-3
    pairs = [
        torch.autograd.grad(each, list(made.network.parameters())) for each in (found, expected)
    ]
    for one, other in zip(*pairs, strict=True):  # none flows through the teacher
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


def test_told_of_a_shift_it_forgets_what_the_teacher_had_before_it():
    made = student(weight=1.0)
    meet(made, 0, batch(0))
    made.notify_shift()
    source, data = deepcopy(made.network), batch(9)
    torch.nn.utils.vector_to_parameters(
        cast(ContextDistillation, made.strategy).pretrained, source.parameters()
    )
    found = made.strategy.loss(made, data, made.network(data.inputs))
    torch.testing.assert_close(found, by_hand(source, made.network, [], 1.0))


def test_a_network_too_short_for_the_context_is_refused():
    class Short(Transformer):
        def __init__(self, vocab: int, symbols: int, width: int, depth: int):
            super().__init__(vocab, symbols, width, depth, positions="learned", context=15)

    with pytest.raises(ValueError, match="reach 15 symbols, got a sequence of 20"):
        learner(ContextDistillation(episodes=3), Short)
    learner(ContextDistillation(episodes=3, weight=0.0), Short)
