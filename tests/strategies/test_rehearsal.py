"""Rehearsed rows that share the forward pass of the batch, against a pass of their own."""

import pytest
import torch
from torch import Tensor

from plasticity import Batch, Prediction, Strategy
from plasticity.config.recipe import Recipe, recipe
from plasticity.core.detector import Detector
from plasticity.core.updates import Updates
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential
from plasticity.networks import LSTM, MLP, Mamba, Transformer
from strategies import DER, Chain, Dream, Gated, Joint, L2Init, LoRAPool, Replay

from .teaching import jog, learner, mean
from .tiny import ASKED, answered, batch, unscored

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
    return answered(data, targets)


def seasoned(strategy: Strategy, network: type = MLP) -> OnlineLearner:
    """A learner that has met a batch and a shift, and then another batch."""
    made = learner(strategy, network)
    jog(made)
    for step in range(2):
        meet(made, step)
    return made


def meet(made: OnlineLearner, step: int, detector: Detector | None = None, size: int = 4) -> None:
    data = fed(step).rows(slice(size))
    Prequential(made, detector=detector).prequential_step(unscored(step, data, step == 1))


def alone(made: OnlineLearner, size: int = 4) -> Tensor:
    """The loss on rehearsed rows beside a batch of so many sequences, in a pass of their own."""
    rehearsal = made.strategy.rehearse(made, size)
    return torch.tensor(0.0) if rehearsal is None else rehearsal.loss(made(rehearsal.inputs))


def apart(made: OnlineLearner) -> None:
    """From now on no rows share a pass, as if the strategy answered in a way of its own."""
    setattr(made.strategy, "replacing", lambda hook: made.strategy)  # noqa: B010


def gradient_vector(made: OnlineLearner, loss: Tensor) -> Tensor:
    found = torch.autograd.grad(loss, made.trainable())
    return torch.cat([g.flatten() for g in found])


def calls(made: OnlineLearner) -> list[tuple[int, ...]]:
    """Shapes that the network is called with, from now on."""
    seen = list[tuple[int, ...]]()
    made.network.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    return seen


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("strategy", REHEARSERS[:6], ids=name)
def test_loss_and_gradient_are_those_of_two_passes(strategy: Recipe[Strategy], network: type):
    made = seasoned(strategy.build(), network)
    made.begin(2)
    data = fed(2)
    logits, rehearsal = made.predict(data)
    loss = made.nll(logits, data.targets, data.asked) + rehearsal
    two = made.nll(made(data.inputs), data.targets, data.asked) + alone(made)
    torch.testing.assert_close(loss, two, rtol=0, atol=1e-6)
    torch.testing.assert_close(
        gradient_vector(made, loss), gradient_vector(made, two), rtol=1e-5, atol=1e-6
    )
    assert alone(made) > 0.001


def test_in_one_pass_replay_is_new_plus_weighted_old():
    """By hand, sequence by sequence."""
    strategy = Replay(capacity=4, weight=0.3)
    made, old, new = learner(strategy), batch(6), batch(7)
    jog(made)
    strategy.after_batch(made, old)
    logits, rehearsal = made.predict(new)
    found = strategy.loss(made, new, logits) + rehearsal
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
    """However a batch is cut and whoever calls: also if part of a Chain learns from another prediction, or skips."""
    both = [learner(strategy.build()) for _ in range(2)]
    apart(both[1])
    for made in both:
        jog(made)
        made.updates = updates
        for step in range(3):
            meet(made, step, detector, 4 if updates.per == "batch" else 2)
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
    one = made.predict(data).logits
    strategy.memory.inputs.copy_((strategy.memory.inputs + 1) % 3)
    strategy.memory.targets.copy_(batch(8).targets)
    assert torch.equal(made.predict(data).logits, one)
    torch.testing.assert_close(made(data.inputs), one, rtol=0, atol=1e-5)


def test_a_prediction_carries_its_own_rehearsal_and_no_other():
    """Of the weights that made it; drawn once, and neither drawn nor predicted again when it is descended."""
    strategy = Replay(capacity=4)
    made, data = seasoned(strategy), batch(7)
    early = made.predict(data)
    before = alone(made)
    jog(made, 2)
    late, now = made.predict(data), alone(made)
    torch.testing.assert_close(early.rehearsal, before)
    torch.testing.assert_close(late.rehearsal, now)
    assert not torch.allclose(now, before, atol=1e-3)
    seen = calls(made)
    setattr(strategy, "rehearse", None)  # noqa: B010 whoever rehearses again, fails
    plain = made.nll(late.logits, data.targets, data.asked)
    torch.testing.assert_close(made.total_loss(data, late), plain + now)
    assert torch.equal(made.total_loss(data, late), made.total_loss(data, late))
    assert torch.equal(made.total_loss(data, Prediction(late.logits)), plain)
    assert not seen


def test_in_half_precision_rows_are_as_good_as_alone():
    made, data = seasoned(Replay(capacity=4), Transformer), batch(7)
    with torch.autocast("cpu", torch.bfloat16):
        shared, single = made.predict(data).rehearsal, alone(made)
    torch.testing.assert_close(shared, single, rtol=0.02, atol=0.02)


def test_without_anything_to_rehearse_the_batch_goes_alone_to_the_bit():
    for strategy in (Replay(capacity=0), Replay(capacity=4, weight=0.0), DER(4, 0.0, 0.0), Joint()):
        made, data = learner(strategy), batch(7)
        if not isinstance(strategy, Joint):
            strategy.after_batch(made, batch(6))
        seen = calls(made)
        logits, rehearsal = made.predict(data)
        assert rehearsal == 0.0 and seen == [(4, 5)]
        assert torch.equal(logits, made(data.inputs)) and data.asked is ASKED
