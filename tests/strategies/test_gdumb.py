"""GDumb: its memory's law, and its retraining against descent by hand."""

from collections import Counter
from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch

from plasticity import Learner, Strategy, Updates
from plasticity.core.optimizer import AdamW
from plasticity.core.tunnel import Batch
from plasticity.engine.prequential import Prequential
from strategies import Chain
from strategies.gdumb import Balanced, GDumb

from .teaching import descended, jog, learner, mean, meet, same
from .tiny import batch, unscored


@cache
def numbered(start: int, size: int) -> Batch:
    """Sequences of one symbol, each its own number."""
    values = torch.arange(start, start + size)[:, None]
    return Batch(values, values, torch.ones(1, dtype=torch.bool))


def fill(capacity: int, sizes: list[int], seed: int, by: int = 3) -> Balanced:
    """A memory after visits of so many sequences each, offered a few at a time."""
    memory, rng, start = Balanced(capacity, 1), torch.Generator().manual_seed(seed), 0
    for visit, size in enumerate(sizes):
        for begin in range(0, size, by):
            some = numbered(start + begin, min(by, size - begin))
            memory.add(some, torch.tensor(visit), rng)
        start += size
    return memory


@pytest.mark.parametrize(
    ("capacity", "sizes", "shares"),
    [
        (12, [30], [12]),
        (12, [30, 30], [6, 6]),
        (12, [100, 5, 30], [4, 4, 4]),
        (12, [100, 2, 30], [5, 2, 5]),  # a short visit's share goes to the others
        (12, [3, 4], [3, 4]),
        (3, [10] * 3, [1, 1, 1]),
    ],
)
def test_visits_have_equal_shares(capacity: int, sizes: list[int], shares: list[int]):
    memory = fill(capacity, sizes, 0)
    held = memory.visit[: len(memory)].tolist()
    assert [Counter(held)[visit] for visit in range(len(sizes))] == shares
    visit_of = np.repeat(np.arange(len(sizes)), sizes)
    assert visit_of[memory.inputs[: len(memory), 0].numpy()].tolist() == held  # rows stay together
    assert len(set(memory.inputs[: len(memory), 0].tolist())) == len(memory)


def test_with_more_visits_than_room_none_is_held_twice_and_all_equally_often():
    runs, visits, capacity, counts = 400, 20, 5, np.zeros(20)
    for seed in range(runs):
        memory = fill(capacity, [3] * visits, seed)
        held = memory.visit.numpy()
        assert len(set(held.tolist())) == capacity
        counts[held] += 1
    p = capacity / visits
    assert np.abs((counts - runs * p) / np.sqrt(runs * p * (1 - p))).max() < 4.5


@pytest.mark.parametrize("sizes", [[12], [12, 12]])
def test_it_is_a_uniform_sample_of_each_visit(sizes: list[int]):
    """Held with probability share / size: 2,000 runs, z < 4.5."""
    runs, counts = 2000, np.zeros(sum(sizes))
    for seed in range(runs):
        counts[fill(4, sizes, seed, by=6).inputs[:, 0].numpy()] += 1
    p = 4 / len(sizes) / 12
    assert np.abs((counts - runs * p) / np.sqrt(runs * p * (1 - p))).max() < 4.5


def test_it_holds_what_eviction_one_by_one_would():
    """Each newcomer that finds no room pushes out the largest key of the largest visits."""
    sizes, capacity = [9, 1, 14, 7, 30], 7
    keys = torch.Generator().manual_seed(5)
    held = list[tuple[int, float, int]]()
    number = 0
    for visit, size in enumerate(sizes):
        for _ in range(size):
            key = torch.rand((), generator=keys, dtype=torch.float64).item()
            held.append((visit, key, number))
            number += 1
            if len(held) > capacity:
                counts = Counter(v for v, _, _ in held)
                largest = [h for h in held if counts[h[0]] == max(counts.values())]
                held.remove(max(largest, key=lambda h: h[1]))
    memory = fill(capacity, sizes, 5, by=4)
    assert set(memory.inputs[:, 0].tolist()) == {n for _, _, n in held}


def test_it_stands_still_and_then_learns_the_memory_from_the_start():
    """With room for one batch of four, every draw is the memory."""
    strategy = GDumb(capacity=4, period=3, steps=5)
    made = learner(strategy)
    start = deepcopy(made.network)
    strategy.start.copy_(torch.cat([p.detach().flatten() for p in start.parameters()]))
    jog(made)
    astray = deepcopy(made.network)
    for step in range(8):
        meet(made, step, batch(step))
        if step in (2, 5):
            memory = strategy.memory
            old = batch(0)._replace(inputs=memory.inputs, targets=memory.targets)
            same(made.network, descended(start, [[(1.0, old)]] * 5))
            astray = deepcopy(made.network)
        same(made.network, astray, atol=0.0)


def test_the_optimizer_starts_over_too():
    """The second retraining is what Adam does who was never there before."""
    strategy = GDumb(capacity=4, period=1, steps=4)
    made = learner(strategy, optimizer=AdamW(0.01))
    start, data = deepcopy(made.network), batch(1)
    meet(made, 0, data)
    meet(made, 1, batch(2))
    copy, memory = deepcopy(start), strategy.memory
    rule = torch.optim.AdamW(copy.parameters(), 0.01, weight_decay=0.0)
    for _ in range(4):
        rule.zero_grad()
        old = data._replace(inputs=memory.inputs, targets=memory.targets)
        mean(copy, old).backward()
        rule.step()
    same(made.network, copy, atol=1e-5)


def test_shifts_part_the_visits():
    strategy = GDumb(capacity=4)
    made = learner(strategy)
    for step in range(6):
        if step == 4:
            strategy.on_shift(made)
        meet(made, step, batch(step))
    assert sorted(strategy.memory.visit.tolist()) == [0, 0, 1, 1]


class Diary(Strategy):
    """Counts the steps of the optimizer."""

    steps = 0

    def after_step(self, learner: Learner) -> None:
        self.steps += 1


@pytest.mark.parametrize("per", ["batch", "episode", "chunk"])
def test_other_parts_act_on_retraining_which_comes_once_a_period(per):
    diary, strategy = Diary(), GDumb(capacity=9, period=2, steps=3)
    made = Prequential(learner(Chain([strategy, diary]), updates=Updates(per=per, chunk=2)))
    for step in range(5):
        made.prequential_step(unscored(step, batch(step)))
        assert diary.steps == (step + 1) // 2 * 3
