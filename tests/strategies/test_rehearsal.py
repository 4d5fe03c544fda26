"""Rehearsed rows that share the forward pass of the batch, against a pass of their own."""

from typing import Any

import pytest
import torch
from torch import Tensor

from plasticity import Batch, Learner, Strategy
from plasticity.config.recipe import Recipe, recipe
from plasticity.core.detector import Detector
from plasticity.core.updates import Updates
from plasticity.engine.prequential import ScoredBatch
from plasticity.networks import LSTM, MLP, Mamba, Transformer
from strategies import DER, Chain, Dream, Gated, Joint, L2Init, LoRAPool, Replay

from .teaching import jog, learner, mean
from .tiny import ASKED, batch

NETWORKS = [Transformer, LSTM, Mamba, MLP]
TWO = recipe(Chain, parts=[recipe(Replay, capacity=9), recipe(DER, capacity=7)])
REHEARSERS = [
    recipe(Replay, capacity=9, weight=0.7),
    recipe(DER, capacity=9),
    recipe(Joint, capacity=50, passes=2),
    recipe(Dream, period=1),
    TWO,
    recipe(Chain, parts=[recipe(Replay, capacity=9), recipe(L2Init, strength=0.1)]),
    recipe(Chain, parts=[recipe(Gated, margin=0.0), TWO]),
    recipe(Chain, parts=[recipe(Replay, capacity=9), recipe(LoRAPool)]),
]


def name(strategy: Recipe[Strategy]) -> str:
    parts = [name(part) for part in strategy.args.get("parts", [])]
    return "-".join([strategy.cls.__name__, *parts])


class Always(Detector):
    def update(self, loss: float) -> bool:
        return True


def fed(step: int) -> Batch:
    """A batch whose stream feeds itself."""
    data = batch(step)
    targets = torch.cat([data.inputs[:, 1:], data.targets[:, -1:]], 1)
    return data._replace(targets=targets)


def seasoned(strategy: Strategy, network: type = MLP) -> Learner:
    """A learner that has met a batch and a shift, and then another batch."""
    made = learner(strategy, network)
    jog(made)
    for step in range(2):
        meet(made, step)
    return made


def meet(made: Learner, step: int) -> None:
    made.prequential_step(ScoredBatch(step, step == 1, fed(step), torch.zeros(0, 0, 0, 0)))


def apart(made: Learner) -> None:
    """From now on no rows share a pass."""
    setattr(made, "answer", lambda data: made(data.inputs))  # noqa: B010


def gradient_vector(made: Learner, loss: Tensor) -> Tensor:
    found = torch.autograd.grad(loss, made.strategy.trainable(made))
    return torch.cat([g.flatten() for g in found])


def calls(made: Learner) -> list[tuple[int, ...]]:
    """Shapes that the network is called with, from now on."""
    seen = list[tuple[int, ...]]()
    made.network.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    return seen


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("strategy", REHEARSERS[:6], ids=name)
def test_loss_and_gradient_are_those_of_two_passes(strategy: Recipe[Strategy], network: type):
    made = seasoned(strategy.build(), network)
    made.step, made.update_index, data = 2, 0, fed(2)
    rehearsal = made.strategy.rehearse(made, 4)
    assert rehearsal is not None
    logits = made.answer(data)
    loss = made.nll(logits, data.targets, data.asked) + made.rehearsed(logits)
    two = made.nll(made(data.inputs), data.targets, data.asked)
    two = two + rehearsal.loss(made(rehearsal.inputs))
    torch.testing.assert_close(loss, two, rtol=0, atol=1e-6)
    torch.testing.assert_close(
        gradient_vector(made, loss), gradient_vector(made, two), rtol=1e-5, atol=1e-6
    )
    assert rehearsal.loss(made(rehearsal.inputs)) > 0.001


def test_in_one_pass_replay_is_new_plus_weighted_old():
    """By hand, sequence by sequence."""
    strategy = Replay(capacity=4, weight=0.3)
    made, old, new = learner(strategy), batch(6), batch(7)
    jog(made)
    strategy.after_batch(made, old)
    logits = made.answer(new)
    found = strategy.loss(made, new, logits) + made.rehearsed(logits)
    expected = mean(made.network, new) + 0.3 * mean(made.network, old)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(
        gradient_vector(made, found), gradient_vector(made, expected), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize(
    ("updates", "detector"),
    [
        (Updates(), None),
        (Updates(), Always()),
        (Updates(steps=2), None),
        (Updates("episode"), None),
        (Updates("chunk", 3), Always()),
    ],
    ids=["batch", "alarm", "steps", "episode", "chunk"],
)
@pytest.mark.parametrize("strategy", REHEARSERS, ids=name)
def test_learning_is_that_of_two_passes(
    strategy: Recipe[Strategy], updates: Updates, detector: Detector | None
):
    """However a batch is cut and whoever calls: also if part of a Chain learns from logits of its own, or skips."""
    both = [learner(strategy.build()) for _ in range(2)]
    apart(both[1])
    for made in both:
        jog(made)
        made.updates, made.detector = updates, detector
        for step in range(3):
            meet(made, step)
    one, other = (made.state_dict() for made in both)
    assert one.keys() == other.keys()
    for key, value in one.items():
        torch.testing.assert_close(value, other[key], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strategy", [REHEARSERS[0], TWO], ids=name)
def test_how_often_the_network_is_called(strategy: Recipe[Strategy]):
    """Once where the rows are as long as the batch; where a piece is shorter, they go alone."""
    made = seasoned(strategy.build())
    along = 4 if strategy is not TWO else 12
    seen = calls(made)
    meet(made, 2)
    assert seen[0] == (4 + along, 5)
    assert strategy is TWO or len(seen) == 1  # DER asks once more, about what it remembers
    seen.clear()
    made.updates = Updates(steps=2)
    meet(made, 3)
    assert seen[:2] == 2 * [(4 + along, 5)]
    seen.clear()
    made.updates = Updates("chunk", 4)
    meet(made, 4)
    one = along // 4
    assert seen[:3] == [(1, 4), (one, 5), (1 + one, 5)]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_prediction_does_not_depend_on_what_is_remembered(network: type):
    strategy = Replay(capacity=4)
    made, data = seasoned(strategy, network), batch(7)
    one = made.answer(data)
    strategy.memory.inputs.copy_((strategy.memory.inputs + 1) % 3)
    strategy.memory.targets.copy_(batch(8).targets)
    assert torch.equal(made.answer(data), one)
    torch.testing.assert_close(made(data.inputs), one, rtol=0, atol=1e-5)


def test_what_was_said_beside_other_logits_is_not_used():
    """Nor is it used twice, or kept."""
    strategy = Replay(capacity=4)
    made, data = seasoned(strategy), batch(7)
    made.answer(data)
    jog(made, 2)
    logits = made(data.inputs)
    now = made.rehearsed(logits)
    rehearsal = strategy.rehearse(made, 4)
    assert rehearsal is not None
    torch.testing.assert_close(now, rehearsal.loss(made(rehearsal.inputs)))
    logits, seen = made.answer(data), calls(made)
    first, second = made.rehearsed(logits), made.rehearsed(logits)
    torch.testing.assert_close(first, second)
    assert seen == [(4, 5)]


def test_in_half_precision_rows_are_as_good_as_alone():
    made, data = seasoned(Replay(capacity=4), Transformer), batch(7)
    with torch.autocast("cpu", torch.bfloat16):
        shared = made.rehearsed(made.answer(data))
        alone: Any = made.rehearsed(made(data.inputs))
    torch.testing.assert_close(shared, alone, rtol=0.02, atol=0.02)


def test_without_anything_to_rehearse_the_batch_goes_alone_to_the_bit():
    for strategy in (Replay(capacity=0), Replay(capacity=4, weight=0.0), DER(4, 0.0, 0.0), Joint()):
        made, data = learner(strategy), batch(7)
        if not isinstance(strategy, Joint):
            strategy.after_batch(made, batch(6))
        seen = calls(made)
        logits = made.answer(data)
        assert made.rehearsed(logits) == 0.0 and seen == [(4, 5)]
        assert torch.equal(logits, made(data.inputs)) and data.asked is ASKED
