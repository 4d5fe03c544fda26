"""The reservoir: what is kept beside it stays with its sequence, and small integers hold as much."""

import numpy as np
import torch

from plasticity.memory import Reservoir
from plasticity.tunnel import Batch


def numbered(start: int, size: int) -> Batch:
    """Sequences of one symbol, each its own number."""
    values = torch.arange(start, start + size)[:, None]
    nobody = torch.zeros(size, 1, 1, dtype=torch.float64)
    return Batch(values, values + 1, torch.ones(1, dtype=torch.bool), nobody, values[:, 0])


def test_slots_and_rows_say_who_is_where():
    """Offered by a batch larger than the reservoir, a slot is taken more than once: the last one has it."""
    memory, rng = Reservoir(3, 1), np.random.default_rng(0)
    beside = torch.full((3,), -1)
    for start in range(0, 200, 10):
        batch = numbered(start, 10)
        slots, rows = memory.add(batch, rng)
        assert len(slots.unique()) == len(slots) == len(rows)
        beside[slots] = batch.regime[rows]
        assert torch.equal(beside, memory.inputs[:, 0])
    assert beside.min() > 10 and int(memory.seen) == 200


def test_each_sequence_of_a_batch_is_offered_in_order():
    """Algorithm R, one sequence at a time, with the same draws."""
    memory, kept = Reservoir(4, 1), list[int]()
    memory.add(numbered(0, 30), np.random.default_rng(7))
    draws = np.random.default_rng(7).integers(0, np.arange(30) + 1)
    for n, draw in enumerate(draws.tolist()):
        if n < 4:
            kept.append(n)
        elif draw < 4:
            kept[draw] = n
    assert memory.inputs[:, 0].tolist() == kept


def test_small_integers_hold_the_same_and_come_back_as_int64():
    small, wide = Reservoir(5, 1, torch.uint8), Reservoir(5, 1)
    for memory in (small, wide):
        memory.add(numbered(240, 12), np.random.default_rng(1))
    assert small.inputs.dtype == torch.uint8
    pairs = zip(
        small.sample(4, np.random.default_rng(2)),
        wide.sample(4, np.random.default_rng(2)),
        strict=True,
    )
    for one, other in pairs:
        assert one.dtype == torch.int64 and torch.equal(one, other)


def test_draw_is_without_replacement_and_of_what_is_held():
    memory = Reservoir(10, 1)
    memory.add(numbered(0, 6), np.random.default_rng(0))
    assert sorted(memory.draw(100, np.random.default_rng(1)).tolist()) == [0, 1, 2, 3, 4, 5]
