"""A Chain: parts act in the order in which they stand, add up, and are refused where they cannot."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from plasticity import Batch, Learner, Positive, Prediction, Strategy
from plasticity.checks.chance import difference
from plasticity.checks.world import loop, taught
from plasticity.config.recipe import Recipe, recipe
from plasticity.engine.learner import OnlineLearner
from strategies import AGEM, EWC, Chain, Finetune, Frozen, Kalman, LoRA, OnlineLaplace, Replay

from .teaching import learn
from .tiny import batch, learner


class Noting(Strategy):
    """Writes its name into a shared list whenever a hook is called."""

    def __init__(self, name: str, notes: list[str], share: float = 0.0):
        super().__init__()
        self.name, self.notes, self.share = name, notes, share

    def attach(self, learner: Learner) -> None:
        self.notes.append(f"{self.name} attach")

    def on_shift(self, learner: Learner) -> None:
        self.notes.append(f"{self.name} on_shift")

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
        self.notes.append(f"{self.name} penalty")
        return self.share * logits.sum() if self.share else 0.0

    def project_gradients(self, learner: Learner) -> None:
        self.notes.append(f"{self.name} project_gradients")

    def after_step(self, learner: Learner) -> None:
        self.notes.append(f"{self.name} after_step")

    def after_batch(self, learner: Learner, batch: Batch) -> None:
        self.notes.append(f"{self.name} after_batch")


class Edit(Strategy):
    """Multiplies gradients and then adds to them; and the same to the weights after a step."""

    def __init__(self, times: float, plus: float):
        super().__init__()
        self.times, self.plus = times, plus

    @torch.no_grad()
    def project_gradients(self, learner: Learner) -> None:
        for p in learner.network.parameters():
            if p.grad is not None:
                p.grad.mul_(self.times).add_(self.plus)

    @torch.no_grad()
    def after_step(self, learner: Learner) -> None:
        for p in learner.network.parameters():
            p.mul_(self.times).add_(self.plus)


class Doubled(Strategy):
    """Replaces the loss."""

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        return 2 * super().loss(learner, batch, logits)


class Twice(Strategy):
    """Replaces the update: descends twice."""

    def __init__(self, lr: Positive | None = None):
        super().__init__(lr)

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        super().update(learner, batch, prediction)
        super().update(learner, batch, learner.predict(batch))


class HeadOnly(Strategy):
    """Replaces what is trained."""

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        return list(learner.network.get_submodule("head").parameters())


def weights(made: OnlineLearner) -> Tensor:
    return torch.cat([p.detach().flatten() for p in made.network.parameters()])


def gradient_vector(made: OnlineLearner, data: Batch) -> Tensor:
    loss = made.nll(made(data.inputs), data.targets, data.asked)
    grads = torch.autograd.grad(loss, list(made.network.parameters()))
    return torch.cat([g.flatten() for g in grads])


def test_every_hook_reaches_every_part_in_order():
    notes: list[str] = []
    made = learner(Chain([Noting("a", notes), Noting("b", notes), Noting("c", notes)]))
    learn(made, batch(0))
    made.strategy.after_batch(made, batch(0))
    made.strategy.on_shift(made)
    order = ["attach", "penalty", "project_gradients", "after_step", "after_batch", "on_shift"]
    assert notes == [f"{name} {hook}" for hook in order for name in "abc"]


@pytest.mark.parametrize("first", [0, 1])
def test_gradients_and_weights_are_edited_one_after_the_other(first: int):
    """Theta becomes e_2(e_1(theta - 0.1 e_2(e_1(g)))), which is another one in the other order."""
    edits = [(0.5, 0.02), (2.0, -0.03)]
    order = [edits[first], edits[1 - first]]
    made, data = learner(Chain([Edit(*order[0]), Edit(*order[1])])), batch(1)
    theta, g = weights(made), gradient_vector(made, data)
    learn(made, data)
    for times, plus in order:
        g = times * g + plus
    theta = theta - 0.1 * g
    for times, plus in order:
        theta = times * theta + plus
    torch.testing.assert_close(weights(made), theta)


def test_extra_losses_add_up():
    """One draws the sum of all logits by 0.3, one by -0.1, one by nothing."""
    notes: list[str] = []
    parts = [Noting("a", notes, 0.3), Noting("b", notes), Noting("c", notes, -0.1)]
    made, data = learner(Chain(parts)), batch(1)
    logits = made(data.inputs)
    found = made.strategy.penalty(made, data, logits)
    torch.testing.assert_close(found, 0.2 * logits.sum())
    assert learner(Chain([Noting("b", notes)])).strategy.penalty(made, data, logits) == 0.0
    loss = made.nll(logits, data.targets, data.asked) + 0.2 * logits.sum()
    grads = torch.autograd.grad(loss, list(made.network.parameters()))
    expected = weights(made) - 0.1 * torch.cat([g.flatten() for g in grads])
    learn(made, data)
    torch.testing.assert_close(weights(made), expected)


def test_one_part_replaces_the_loss_one_the_update_and_one_what_is_trained():
    """Two steps of twice the loss in the head alone; what another part projects, it projects in both."""
    notes: list[str] = []
    made = learner(Chain([Doubled(), Noting("a", notes), Twice(), HeadOnly()]))
    hand, data = learner(Finetune()), batch(1)
    head = [hand.network.get_parameter(f"head.{kind}") for kind in ("weight", "bias")]
    learn(made, data)
    for _ in range(2):
        loss = hand.nll(hand(data.inputs), data.targets, data.asked)
        with torch.no_grad():
            for p, g in zip(head, torch.autograd.grad(loss, head), strict=True):
                p.sub_(0.2 * g)
    torch.testing.assert_close(weights(made), weights(hand))
    assert notes[1:] == 2 * ["a penalty", "a project_gradients", "a after_step"]


@pytest.mark.parametrize(
    "parts, names, hook",
    [
        ([Twice, EWC, Frozen], "Twice and Frozen", "update"),
        ([Twice, Kalman], "Twice and Kalman", "update"),
        ([Doubled, Doubled], "Doubled and Doubled", "loss"),
        ([HeadOnly, Replay, Kalman], "HeadOnly and Kalman", "trainable"),
        ([Twice, lambda: Chain([EWC(), Twice()])], "Twice and Twice", "update"),
        (
            [lambda: Chain([Doubled()]), lambda: Chain([Chain([Doubled()])])],
            "Doubled and Doubled",
            "loss",
        ),
    ],
)
def test_two_that_replace_the_same_are_refused(
    parts: list[Callable[[], Strategy]], names: str, hook: str
):
    message = f"parts: {names} each replace `{hook}`: expected one part at most"
    with pytest.raises(ValueError) as refusal:
        Chain([part() for part in parts])
    assert str(refusal.value) == message


def test_a_part_with_a_learning_rate_is_refused():
    for part, name in (
        (EWC(lr=0.5), "EWC"),
        (Chain([EWC()], lr=0.5), "Chain"),
        (Twice(0.5), "Twice"),
    ):
        with pytest.raises(
            ValueError, match=f"^parts: {name} has lr 0.5: expected lr beside `parts`$"
        ):
            Chain([Replay(), part])
    assert learner(Chain([Replay(), EWC()], lr=0.5)).optimizer.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize(
    "one",
    [
        recipe(Finetune),
        recipe(Frozen),
        recipe(Twice),
        recipe(EWC, samples=3),
        recipe(Replay, capacity=5),
        recipe(AGEM, capacity=5),
        recipe(LoRA, rank=2),
        recipe(OnlineLaplace, samples=3),
        recipe(Kalman),
    ],
    ids=lambda one: one.cls.__name__,
)
def test_a_chain_of_one_is_that_one_to_the_bit(one: Recipe[Strategy]):
    """In a world that shifts; however often it is wrapped."""
    once = recipe(Chain, parts=[one])
    wrapped = once, recipe(Chain, parts=[once])
    alone, *chained = (taught(loop(each)).learner for each in (one, *wrapped))
    for made in chained:
        assert not difference(alone.network.state_dict(), made.network.state_dict())
        buffers = [list(each.strategy.buffers()) for each in (alone, made)]
        assert len(buffers[0]) == len(buffers[1])
        assert all(torch.equal(one, other) for one, other in zip(*buffers, strict=True))


def test_a_chain_inside_a_chain_is_its_parts_in_that_place():
    """Two that replace nothing may stand beside one that replaces the update."""
    notes: list[list[str]] = [[], []]

    def noting(name: str, share: float = 0.0) -> list[Noting]:
        return [Noting(name, each, share) for each in notes]

    (a, a2), (b, b2), (c, c2), (d, d2) = (
        noting("a", 0.1),
        noting("b", 0.2),
        noting("c"),
        noting("d", -0.3),
    )
    nested = learner(Chain([a, Chain([b, Chain([c, Edit(0.5, 0.01)])]), Chain([Twice(), d])]))
    flat = learner(Chain([a2, b2, c2, Edit(0.5, 0.01), Twice(), d2]))
    for made in (nested, flat):
        learn(made, batch(0))
        made.strategy.after_batch(made, batch(0))
        made.strategy.on_shift(made)
    assert notes[0] == notes[1] and len(notes[0]) == 4 * (3 + 2 * 3)
    assert torch.equal(weights(nested), weights(flat))


def test_it_needs_shifts_if_a_part_does():
    assert Chain([Replay(), EWC()]).needs_shifts
    assert Chain([Replay(), Chain([EWC()])]).needs_shifts
    assert not Chain([Replay(), Finetune()]).needs_shifts and not Chain().needs_shifts


def test_what_the_parts_remember_is_in_the_chains_checkpoint():
    made, fresh = (
        learner(Chain([Replay(4), EWC(samples=3)])),
        learner(Chain([Replay(4), EWC(samples=3)])),
    )
    made.strategy.after_batch(made, batch(1))
    made.strategy.on_shift(made)
    fresh.load_state_dict(made.state_dict())
    names = {name for name, value in fresh.strategy.state_dict().items() if value.any()}
    assert {"parts.0.memory.seen", "parts.1.fisher", "parts.1.anchor"} <= names
    assert not difference(made.state_dict(), fresh.state_dict())
