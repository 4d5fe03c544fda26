"""The reservoir: what is kept beside it stays with its sequence, and small integers hold as much."""

from functools import cache
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from plasticity.core.tunnel import Batch
from plasticity.nn.reservoir import Reservoir


@cache
def numbered(start: int, size: int) -> Batch:
    """Sequences of one symbol, each its own number."""
    values = torch.arange(start, start + size)[:, None]
    return Batch(values, values + 1, torch.ones(1, dtype=torch.bool))


def chances(seed: int, n: int) -> list[torch.Generator]:
    """Generators of their own."""
    seeds = np.random.SeedSequence(seed).generate_state(n).tolist()
    return [torch.Generator().manual_seed(each) for each in seeds]


def chance(seed: int) -> torch.Generator:
    return chances(seed, 1)[0]


def test_slots_and_rows_say_who_is_where():
    """Offered by a batch larger than the reservoir, a slot is taken more than once: the last one has it."""
    memory, rng = Reservoir(3, 1), chance(0)
    beside = torch.full((3,), -1)
    for start in range(0, 200, 10):
        batch = numbered(start, 10)
        slots, rows = memory.add(batch, rng)
        assert len(slots.unique()) == len(slots) == len(rows)
        beside[slots] = batch.inputs[rows, 0]
        assert torch.equal(beside, memory.inputs[:, 0])
    assert beside.min() > 10 and int(memory.seen) == 200


def filled(
    capacity: int, n: int, seed: int, size: int = 3, memory: Reservoir | None = None
) -> list[int]:
    """What is held of n sequences that come in batches; each call has a generator of its own, as in a strategy."""
    memory = memory or Reservoir(capacity, 1)
    starts = range(0, n, size)
    for start, rng in zip(starts, chances(seed, len(starts)), strict=True):
        memory.add(numbered(start, min(size, n - start)), rng)
    return sorted(memory.inputs[:, 0].tolist())


@pytest.mark.parametrize(("capacity", "n", "size"), [(2, 6, 1), (2, 6, 4), (3, 7, 3), (1, 9, 2)])
def test_every_set_of_sequences_is_held_equally_often(capacity: int, n: int, size: int):
    """Without replacement, all of C(n, capacity) sets are alike. Chi-square over 3,000 runs, p above 1e-4."""
    sets = {each: 0 for each in combinations(range(n), capacity)}
    for seed in range(3000):
        sets[tuple(filled(capacity, n, seed, size))] += 1
    assert chisquare([*sets.values()]).pvalue > 1e-4


def test_a_cleared_reservoir_begins_anew():
    memory = Reservoir(3, 1)
    filled(3, 500, 0, memory=memory)
    memory.clear()
    assert filled(3, 40, 1, memory=memory) == filled(3, 40, 1)


def test_what_comes_in_vain_draws_nothing():
    """Of n sequences, capacity (1 + ln(n / capacity)) are ever held: harmonic numbers, to 5 standard errors.

    Up to the next that is held they come at once, and that one by itself.
    """
    counts = list[int]()
    for seed in range(200):
        memory, rng, held, start = Reservoir(5, 1), chance(seed), 0, 0
        while start < 1000:
            vain = min(int(memory.upcoming), 1000) - start if start >= 5 else 0
            before = rng.get_state()
            _, rows = memory.add(numbered(start, vain), rng)
            assert not len(rows) and torch.equal(rng.get_state(), before)
            start += vain
            if start < 1000:
                held += len(memory.add(numbered(start, 1), rng)[1])
                start += 1
        assert int(memory.seen) == 1000
        counts.append(held)
    wanted = 5 + 5 * sum(1 / n for n in range(6, 1001))
    assert abs(np.mean(counts) - wanted) < 5 * np.std(counts) / np.sqrt(len(counts))


def test_small_integers_hold_the_same_and_come_back_as_int64():
    small, wide = Reservoir(5, 1, torch.uint8), Reservoir(5, 1)
    for memory in (small, wide):
        memory.add(numbered(240, 12), chance(1))
    assert small.inputs.dtype == torch.uint8
    for one, other in zip(small.sample(4, chance(2)), wide.sample(4, chance(2)), strict=True):
        assert one.dtype == torch.int64 and torch.equal(one, other)


def test_draw_is_without_replacement_and_of_what_is_held():
    memory = Reservoir(10, 1)
    memory.add(numbered(0, 6), chance(0))
    assert sorted(memory.draw(100, chance(1)).tolist()) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("held", "n"), [(6, 1), (6, 3), (5, 4)])
def test_every_set_of_slots_is_drawn_equally_often(held: int, n: int):
    """Chi-square over 3,000 draws, p above 1e-4."""
    memory = Reservoir(10, 1)
    memory.add(numbered(0, held), chance(0))
    sets, rng = {each: 0 for each in combinations(range(held), n)}, chance(1)
    for _ in range(3000):
        sets[tuple(sorted(memory.draw(n, rng).tolist()))] += 1
    assert chisquare([*sets.values()]).pvalue > 1e-4
