"""The reservoir: what is kept beside it stays with its sequence, and small integers hold as much."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from plasticity.core.tunnel import Batch
from plasticity.nn.reservoir import Reservoir


def numbered(start: int, size: int) -> Batch:
    """Sequences of one symbol, each its own number."""
    values = torch.arange(start, start + size)[:, None]
    nobody = torch.zeros(size, 1, 1, dtype=torch.float64)
    return Batch(values, values + 1, torch.ones(1, dtype=torch.bool), nobody, values[:, 0])


def chance(*numbers: int) -> torch.Generator:
    """Randomness of its own for each of these numbers."""
    (seed,) = np.random.SeedSequence(numbers).generate_state(1)
    return torch.Generator().manual_seed(int(seed))


def test_slots_and_rows_say_who_is_where():
    """Offered by a batch larger than the reservoir, a slot is taken more than once: the last one has it."""
    memory, rng = Reservoir(3, 1), chance(0)
    beside = torch.full((3,), -1)
    for start in range(0, 200, 10):
        batch = numbered(start, 10)
        slots, rows = memory.add(batch, rng)
        assert len(slots.unique()) == len(slots) == len(rows)
        beside[slots] = batch.regime[rows]
        assert torch.equal(beside, memory.inputs[:, 0])
    assert beside.min() > 10 and int(memory.seen) == 200


def filled(
    capacity: int, n: int, seed: int, size: int = 3, memory: Reservoir | None = None
) -> list[int]:
    """What is held of n sequences that come in batches; each call has a generator of its own, as in a strategy."""
    memory = memory or Reservoir(capacity, 1)
    for start in range(0, n, size):
        memory.add(numbered(start, min(size, n - start)), chance(seed, start))
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
    """Of n sequences, capacity (1 + ln(n / capacity)) are ever held: harmonic numbers, to 5 standard errors."""
    counts = list[int]()
    for seed in range(200):
        memory, rng, held = Reservoir(5, 1), chance(seed), 0
        for start in range(1000):
            before = rng.get_state()
            _, rows = memory.add(numbered(start, 1), rng)
            assert len(rows) or torch.equal(rng.get_state(), before)
            held += len(rows)
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
