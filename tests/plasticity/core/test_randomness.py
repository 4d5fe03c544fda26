"""A strategy's randomness: another at every place, and the same when the place is gone to again."""

from itertools import product

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor

from plasticity import Batch, Learner, Prediction, Strategy, Updates
from plasticity.engine.learner import OnlineLearner
from strategies import Finetune

from ...strategies import tiny
from ...strategies.teaching import meet

MADE = tiny.learner(Finetune())


def first(seed: int, step: int, update: int, *purpose: str) -> float:
    """The first number that a strategy draws there."""
    MADE.seed, MADE.step, MADE.update_index = seed, step, update
    rng = MADE.strategy.rng(MADE, *purpose)
    return torch.rand((), generator=rng, dtype=torch.float64).item()


def test_it_is_a_pure_function_of_seed_step_update_and_purpose():
    """2,000 places have 2,000 first numbers, uniform by Kolmogorov and Smirnov; some are had again."""
    places = [*product(range(5), range(100), range(2), ("", "observe"))]
    found = [first(*place) for place in places]
    assert len(set(found)) == len(places) == 2000 and kstest(found, "uniform").pvalue > 1e-4
    assert [first(*place) for place in places[::100]] == found[::100]


def test_a_seed_may_be_as_large_as_one_likes():
    assert first(2**100, 0, 0) != first(2**100 + 1, 0, 0)


class Drawing(Strategy):
    """Notes where it draws in each update, and what."""

    def attach(self, learner: Learner) -> None:
        self.drawn = list[tuple[str, int, float]]()

    def draw(self, learner: Learner, hook: str) -> None:
        number = torch.rand((), generator=self.rng(learner, hook), dtype=torch.float64).item()
        self.drawn.append((hook, learner.update_index, number))

    def rehearse(self, learner: Learner, size: int) -> None:
        self.draw(learner, "rehearse")

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> float:
        self.draw(learner, "penalty")
        return 0.0

    def after_step(self, learner: Learner) -> None:
        self.draw(learner, "after_step")

    def after_batch(self, learner: Learner, batch: Batch) -> None:
        self.draw(learner, "after_batch")


def descend(learner: Learner, batch: Batch, prediction: Prediction) -> None:
    """A step of a strategy that has never heard of an index."""
    learner.optimizer.zero_grad()
    learner.backward(learner.total_loss(batch, prediction))
    learner.optimizer.step()
    learner.strategy.after_step(learner)


class OnItsOwn(Drawing):
    """Steps twice, and counts nothing."""

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        descend(learner, batch, prediction)
        descend(learner, batch, learner.predict(batch))


class ByTheNetwork(Drawing):
    """As above, but asks the network itself the second time, so that nothing is rehearsed."""

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        descend(learner, batch, prediction)
        descend(learner, batch, Prediction(learner.network(batch.inputs)))


class Hasty(Drawing):
    """Steps twice along one gradient."""

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        descend(learner, batch, prediction)
        learner.optimizer.step()


def learned(strategy: Drawing, steps: int = 1) -> OnlineLearner:
    """After two steps of the world."""
    made = tiny.learner(strategy, updates=Updates(steps=steps))
    for step in range(2):
        meet(made, step, tiny.batch(step))
    return made


@pytest.mark.parametrize("own", [OnItsOwn, ByTheNetwork])
def test_steps_of_an_update_of_ones_own_count_as_those_of_the_loop(own: type[Drawing]):
    """The same weights, and the same numbers drawn at the same places."""
    loop, alone = Drawing(), own()
    looped, other = learned(loop, steps=2), learned(alone)
    places = loop.drawn
    if own is ByTheNetwork:
        places = [each for each in places if each[:2] != ("rehearse", 1)]
    assert alone.drawn == places
    assert [index for hook, index, _ in places if hook != "rehearse"] == [0, 0, 1, 1, 2] * 2
    assert len({number for _, _, number in places}) == len(places)
    for p, q in zip(looped.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("own", [OnItsOwn, ByTheNetwork, Hasty])
def test_what_is_drawn_before_an_update_and_after_it_differs(own: type[Drawing]):
    made, data = tiny.learner(strategy := own()), tiny.batch(0)
    prediction = made.predict(data)
    before = made.update_index, strategy.rng(made).initial_seed()
    made.learn(data, prediction)
    after = made.update_index, strategy.rng(made).initial_seed()
    assert (before[0], after[0]) == (0, 2) and before[1] != after[1]
    made.begin(1)
    assert made.update_index == 0
