"""Where the evidence lies: what was shown elsewhere can be changed, and the exact predictive stays."""

import numpy as np
import pytest

from plasticity import Tunnel
from streams import HMM, Bijection, Binding, Markov, Recall


@pytest.mark.parametrize(
    ("tunnel", "time"),
    [(Markov(symbols=3, concentration=0.5), 10), (Binding(3, 5), 9), (Bijection(4, 4), 7)],
    ids=lambda each: type(each).__name__,
)
def test_only_the_evidence_moves_the_predictive(tunnel: Tunnel, time: int) -> None:
    """Another answer at s moves the predictive at a later t if and only if s is sufficient for t."""
    rng = np.random.default_rng(0)
    inputs, targets = tunnel.draw(tunnel.latents(40, rng), time, rng)
    asked, mask = tunnel.asked(time), tunnel.sufficient(inputs)
    observer, moves = tunnel.observer(), np.zeros((40, time, time), bool)
    assert mask is not None
    before = observer.predict(inputs, targets)
    for s in np.flatnonzero(asked):
        for other in range(1, tunnel.symbols):
            changed = targets.copy()
            changed[:, s] = (changed[:, s] + other) % tunnel.symbols
            with np.errstate(all="ignore"):
                after = observer.predict(inputs, changed)
            moves[:, :, s] |= np.abs(after - before).max(-1) > 1e-9
    moves &= np.tri(time, k=-1, dtype=bool) & asked[:, None] & asked
    possible = mask & asked[:, None]
    assert not (moves & ~possible).any()
    assert (possible & ~moves).mean() < 0.02 and moves.any()


def test_recall_looks_for_the_key_that_is_asked() -> None:
    tunnel = Recall(keys=2, values=3, pairs=2, queries=2)
    inputs = np.array([[0, 5, 1, 8, 0, 4, 1, 6, 3, 5, 3, 4]])
    places = np.argwhere(tunnel.sufficient(inputs)[0]).tolist()
    assert places == [[9, 1], [11, 5]]


def test_most_tunnels_do_not_say() -> None:
    assert HMM(states=2, symbols=3).sufficient(np.zeros((2, 4), int)) is None
