"""Episodes: what a tunnel is asked to make, and the observers that face it, for the checks of tunnels."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from plasticity.core.tunnel import Observer, Probabilities, Symbols, Tunnel

LONGEST = 40
"""All lengths up to here are tried, in symbols."""
LIMIT = 2000
"""Where the search for any length ends."""
ROWS = 32
"""Sequences where every one is looked at."""
EARLIER = 3
"""Episodes that the continual observer has absorbed."""
Rows = Int[np.ndarray, " rows"]


def refusal(tunnel: Tunnel, time: int) -> str | None:
    """Why the tunnel makes no episode of this length; None if it does."""
    rng = np.random.default_rng(0)
    latents = tunnel.latents(1, rng)
    try:
        tunnel.draw(latents, time, rng)
    except ValueError as error:
        return str(error)
    return None


def lengths(tunnel: Tunnel) -> list[int]:
    """The lengths up to LONGEST that the tunnel makes and asks something at; if none, the next there is."""

    def fits(time: int) -> bool:
        return refusal(tunnel, time) is None and bool(tunnel.asked(time).any())

    found = list(filter(fits, range(1, LONGEST + 1)))
    found = found or list(islice(filter(fits, range(LONGEST + 1, LIMIT)), 1))
    why = refusal(tunnel, LONGEST) or "asked() is all False"
    assert found, f"no length from 1 to {LIMIT - 1} can be checked: {why}"
    return found


def middling(tunnel: Tunnel) -> int:
    """The longest length up to 8, or the shortest there is."""
    found = lengths(tunnel)
    return max((t for t in found if t <= 8), default=found[0])


class Case(NamedTuple):
    """An observer, and episodes to predict."""

    who: str
    observer: Callable[[Rows], Observer]
    """The observer of these rows."""
    inputs: Symbols
    targets: Symbols

    def predict(self, rows: Rows) -> Probabilities:
        """What it says of these rows."""
        return self.observer(rows).predict(self.inputs[rows], self.targets[rows])


def cases(tunnel: Tunnel, time: int) -> Iterator[Case]:
    """The three observers, each with ROWS episodes that it has not absorbed."""
    rng = np.random.default_rng(1)
    latents = tunnel.latents(ROWS, rng)
    x, y = tunnel.draw(latents, time, rng)
    amnesic = tunnel.observer()
    yield Case("the amnesic observer", lambda rows: amnesic, x, y)
    yield Case("the informed observer", lambda rows: tunnel.informed(latents[rows]), x, y)
    held = np.repeat(latents[:1], EARLIER + ROWS, axis=0)
    x, y = tunnel.draw(held, time, rng)
    continual = tunnel.observer().absorb(x[:EARLIER], y[:EARLIER])
    yield Case("the continual observer", lambda rows: continual, x[EARLIER:], y[EARLIER:])


class Faced(NamedTuple):
    """One episode of each of n latents, and what the three observers say of it."""

    targets: Symbols
    amnesic: Probabilities
    continual: Probabilities
    """Having absorbed EARLIER episodes of the same latent; of the first rows only."""
    informed: Probabilities


def faced(tunnel: Tunnel, time: int, n: int, carried: int) -> Faced:
    """N independent episodes, no two of one latent; the continual observer faces `carried` of them."""
    rng = np.random.default_rng(2)
    latents = tunnel.latents(n, rng)
    x, y = tunnel.draw(latents, time, rng)
    past = [tunnel.draw(latents, time, rng) for _ in range(EARLIER)]
    continual = np.empty((carried, time, tunnel.symbols))
    for i in range(carried):
        inputs, targets = (np.stack([episode[part][i] for episode in past]) for part in (0, 1))
        observer = tunnel.observer().absorb(inputs, targets)
        continual[i] = observer.predict(x[i : i + 1], y[i : i + 1])[0]
    amnesic, informed = tunnel.observer().predict(x, y), tunnel.informed(latents).predict(x, y)
    return Faced(y, amnesic, continual, informed)
