"""Nested rates against accumulated gradients by hand: who moves when, and how far."""

from copy import deepcopy

import pytest
import torch

from strategies.nested_rates import NestedRates

from .teaching import mean, teach
from .tiny import batch, learner


@pytest.mark.parametrize("slow", ["first", "last"])
def test_each_level_descends_the_mean_gradient_since_it_moved_last(slow: str):
    """Nine steps of plain descent by .1; periods 1, 2, 4 by the place of a parameter."""
    made = learner(NestedRates(levels=3, base=2, slow="first" if slow == "first" else "last"))
    copy = deepcopy(made.network)
    params = list(copy.parameters())
    n = len(params)
    third = [3 * i // n for i in range(n)]
    periods = [2 ** (2 - k) if slow == "first" else 2**k for k in third]
    assert {*periods} == {1, 2, 4}
    waiting = [torch.zeros_like(p) for p in params]
    for step in range(9):
        teach(made, step)
        grads = torch.autograd.grad(mean(copy, batch(step)), params)
        with torch.no_grad():
            for i, grad in enumerate(grads):
                waiting[i] += grad
                if (step + 1) % periods[i] == 0:
                    params[i] -= 0.1 * waiting[i] / periods[i]
                    waiting[i].zero_()
        for p, q in zip(made.network.parameters(), params, strict=True):
            torch.testing.assert_close(p.detach(), q.detach(), atol=1e-6, rtol=1e-4)
    start = learner(NestedRates()).network
    moved = [(p - q).abs().max() for p, q in zip(params, start.parameters(), strict=True)]
    assert min(moved) > 1e-6


def test_where_all_move_at_once_it_says_that_it_is_idle():
    strategy = NestedRates(base=1)
    assert strategy.idle(10, False) == "base: 1 moves every level at every step"
    assert NestedRates(levels=1).idle(10, False) == "levels: 1 turns it off"
    assert NestedRates().idle(100, False) is None
