"""Chance: what checks share about randomness and about differences."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

UNUSUAL = 770_315_931
"""A seed that nobody else uses, so that seeding a global generator shows."""


@contextmanager
def global_chance_untouched(what: str, instead: str) -> Iterator[None]:
    """No global generator is drawn from or seeded inside, NumPy's and torch's.

    Python's own is not watched: beartype draws from it. Whoever uses it is not reproducible.

    Args:
        what: who is watched, for the message.
        instead: where its randomness should come from, for the message.

    Raises:
        AssertionError: the state of one of them has moved.
    """
    states = np.random.get_state(), torch.get_rng_state()
    np.random.seed(UNUSUAL)
    torch.manual_seed(UNUSUAL)
    before = _states()
    try:
        yield
        after = _states()
    finally:
        np.random.set_state(states[0])
        torch.set_rng_state(states[1])
    moved = [name for name, state in after.items() if state != before[name]]
    assert not moved, (
        f"{what} used the global generator of {' and '.join(moved)}; expected its randomness from {instead}, "
        "so that equal seeds give equal runs whatever else the process does"
    )


def _states() -> dict[str, bytes]:
    return {
        "NumPy": repr(np.random.get_state(legacy=False)).encode(),
        "torch": torch.get_rng_state().numpy().tobytes(),
    }


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The first thing in which two state dicts differ, in words; empty if they agree to the bit."""
    for name in sorted(one.keys() ^ other.keys()):
        return f"{name} is there only once"
    for name, value in one.items():
        if not isinstance(value, Tensor) or value.shape != other[name].shape:
            if not isinstance(value, Tensor) and value == other[name]:
                continue
            return f"{name} is {_brief(value)} once and {_brief(other[name])} the other time"
        if not torch.equal(value, other[name]):
            gap = (value.double() - other[name].double()).abs().max()
            return f"{name} differs by up to {gap:.2g}"
    return ""


def _brief(value: Any) -> str:
    return f"of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)[:60]
