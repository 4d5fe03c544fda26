"""Brute force for tunnels of any layout: the three observers against predictions found otherwise."""

import pickle
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from plasticity.core.tunnel import Observer, Symbols, Tunnel

Row = Int[np.ndarray, " time"]
Wanted = Callable[
    [np.ndarray | None, Symbols, Symbols, Row, Row], Float[np.ndarray, "asked symbols"]
]
"""From a latent that is known (or None), earlier episodes of it (inputs, targets) and one more: the
predictives at the positions that are asked."""
TOLERANCE = 1e-10


def worst_gap(tunnel: Tunnel, time: int, wanted: Wanted, seed: int = 0) -> float:
    """Largest difference, at the asked positions, between an observer and brute force.

    The amnesic; the informed, before and after absorbing; the continual after three episodes of a
    held latent, together, one by one and pickled; the informed of one latent for all rows.
    """
    rng, gaps = np.random.default_rng(seed), [0.0]

    def compare(observer: Observer, latents, past: tuple[Symbols, Symbols], x, y) -> None:
        said = observer.predict(x, y)
        assert said.shape == (*x.shape, tunnel.symbols) and said.dtype == np.float64
        np.testing.assert_allclose(said.sum(-1), 1, atol=TOLERANCE)
        for i, row in enumerate(said[:, tunnel.asked(time)]):
            known = None if latents is None else latents[i]
            gaps.append(float(np.abs(row - wanted(known, *past, x[i], y[i])).max()))

    for _ in range(3):
        latents = tunnel.latents(5, rng)
        x, y = tunnel.draw(latents, time, rng)
        assert x.dtype == y.dtype == np.int64 and x.shape == y.shape == (5, time)
        none = x[:0], y[:0]
        known = tunnel.informed(latents)
        compare(tunnel.observer(), None, none, x, y)
        compare(known, latents, none, x, y)
        compare(known.absorb(x, y), latents, none, x, y)

        held = np.repeat(latents[:1], 6, axis=0)
        x, y = tunnel.draw(held, time, rng)
        past, x, y = (x[:3], y[:3]), x[3:], y[3:]
        together = tunnel.observer().absorb(*past)
        singly = tunnel.observer()
        for i in range(3):
            singly = singly.absorb(past[0][i : i + 1], past[1][i : i + 1])
        for state in (together, singly, pickle.loads(pickle.dumps(together))):
            compare(state, None, past, x, y)
        compare(tunnel.informed(latents[:1]), held, none, x, y)
    return max(gaps)
