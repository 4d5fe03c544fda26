"""Padded brings tasks into one alphabet, and leaves their exact answers as they are."""

from itertools import permutations, product
from math import prod
from typing import Any

import numpy as np
import pytest

from plasticity import Tunnel
from plasticity.checks import run
from plasticity.core.predictors import CONTINUAL, SWITCHING
from plasticity.observers.conjugate import DirichletObserver
from plasticity.observers.reference import ReferencePredictors
from streams.schedules.compositional import Compositional
from streams.schedules.random import Growing, Hazard
from streams.schedules.recurring import Recurring
from streams.tunnels.bijection import Bijection
from streams.tunnels.binding import Binding
from streams.tunnels.hmm import HMM
from streams.tunnels.markov import Markov
from streams.tunnels.padded import Padded
from streams.tunnels.recurrence import Recurrence

from ..exact import faced

VOCAB, SYMBOLS, TIME = 6, 4, 5
INSIDE: list[tuple[Tunnel, int]] = [
    (HMM(states=2, symbols=4, library=2, concentration=1.0), 4),
    (Recurrence(modulus=3, prior=0.6), 5),
    (Bijection(size=2, pairs=2), 3),
]
ALL = [Padded(tunnel, VOCAB, SYMBOLS, length) for tunnel, length in INSIDE]
each = pytest.mark.parametrize("padded", ALL, ids=lambda padded: type(padded.tunnel).__name__)
Word = list[int]


def hmm(latent, x: Word, y: Word) -> float:
    """Over all hidden paths: p(x, y) of four shown and the last one foretold."""
    tunnel = INSIDE[0][0]
    assert isinstance(tunnel, HMM)
    a, e = tunnel.transition[latent], tunnel.emission[latent]
    seen = x[:1] + y
    if x[1:] != y[: len(x) - 1] or max(seen) > 3:
        return 0.0
    return sum(
        0.5
        * prod(a[i, j] for i, j in zip(path, path[1:], strict=False))
        * prod(e[i, o] for i, o in zip(path, seen, strict=True))
        for path in product(range(2), repeat=len(seen))
    )


def recurrence(latent, x: Word, y: Word) -> float:
    """1/3 for the first; then a line, or noise."""
    program, a, b = latent
    seen = x[:1] + y
    if x[1:] != y[: len(x) - 1] or max(seen) > 2:
        return 0.0
    if program:
        return all(n == (a * m + b) % 3 for m, n in zip(seen, seen[1:], strict=False)) / 3
    return 3.0 ** -len(seen)


def bijection(latent, x: Word, y: Word) -> float:
    """Two keys in one of two orders: key, value + 2, key; targets value, next key, value."""
    chances = 0.0
    for first, second in permutations(range(2)):
        shown = [first, latent[first] + 2, second]
        answers = [latent[first], second, latent[second]]
        chances += 0.5 * (x == shown[: len(x)] and y == answers[: len(y)])
    return chances


LAWS = [hmm, recurrence, bijection]


def chance(place: int, latent, x: Word, y: Word) -> float:
    """p(x, y) of a padded episode, or of its beginning, under a latent of the tunnel at this place."""
    length = INSIDE[place][1]
    if any(s != VOCAB - 1 for s in x[length:]) or any(s != 0 for s in y[length:]):
        return 0.0
    return LAWS[place](latent, x[:length], y[:length])


def test_it_passes_the_kit() -> None:
    assert [(r.title, r.why) for r in run(ALL[2]) if r.verdict == "FAILED"] == []


@each
def test_episodes_are_inner_ones_and_padding(padded: Padded) -> None:
    latents = padded.latents(4, np.random.default_rng(0))
    x, y = padded.draw(latents, 7, np.random.default_rng(1))
    inner = padded.tunnel.draw(latents, padded.length, np.random.default_rng(1))
    n = padded.length
    assert np.array_equal(x[:, :n], inner[0]) and np.array_equal(y[:, :n], inner[1])
    assert (x[:, n:] == VOCAB - 1).all() and (y[:, n:] == 0).all() and (x[:, :n] < VOCAB - 1).all()
    assert padded.asked(7).tolist() == [*padded.tunnel.asked(n), *[False] * (7 - n)]
    assert np.array_equal(padded.draw(latents, n, np.random.default_rng(1))[0], inner[0])
    for observer, wanted in (
        (padded.observer(), padded.tunnel.observer()),
        (padded.informed(latents), padded.tunnel.informed(latents)),
        (padded.observer().absorb(x, y), padded.tunnel.observer().absorb(*inner)),
    ):
        said = observer.predict(x, y)
        assert np.array_equal(said[:, :n, : padded.tunnel.symbols], wanted.predict(*inner))
        assert not said[:, :n, padded.tunnel.symbols :].any()
        assert np.array_equal(said[:, n:, 0], np.ones((4, 7 - n)))


@each
def test_evidence_is_the_probability_of_what_was_shown(padded: Padded) -> None:
    """Of every tunnel's episodes, and of nonsense: by the laws above; -inf where impossible."""
    place, rng = ALL.index(padded), np.random.default_rng(3)
    latents = padded.latents(1, rng)
    drawn = [other.draw(other.latents(6, rng), TIME, rng) for other in (*ALL, padded)]
    drawn.append((rng.integers(VOCAB, size=(30, TIME)), rng.integers(SYMBOLS, size=(30, TIME))))
    finite = 0
    for x, y in drawn:
        nats = padded.informed(latents).evidence(x, y)
        assert nats.shape == (len(x), TIME + 1)
        for row in range(len(x)):
            for t in range(TIME + 1):
                known = x[row, : t + 1].tolist(), y[row, :t].tolist()
                wanted = chance(place, latents[0], *known)
                np.testing.assert_allclose(np.exp(nats[row, t]), wanted, atol=1e-12)
                finite += wanted > 0
    assert finite > 30


def test_one_stream_of_an_hmm_then_a_line_then_a_bijection() -> None:
    world = Recurring(ALL, regimes=3, period=2, steps=6, batch=3, time=TIME, probe=2)
    reference = ReferencePredictors(world)
    for step in range(6):
        padded, now = ALL[step // 2], faced(world, step)
        batch = now[0]
        assert batch.asked.tolist() == padded.asked(TIME).tolist()
        assert not batch.asked[padded.length :].any()
        truth = reference.predict(*now)
        assert truth.shape == (7, 3, batch.asked.sum(), SYMBOLS) and np.isfinite(truth).all()
        reference.absorb(*now)
    assert world.asked.tolist() == [True] * 5
    assert [probe.asked.tolist() for probe in world.probes()] == [
        padded.asked(TIME).tolist() for padded in [*ALL, *ALL]
    ]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_switching_observer_tells_tunnels_apart(seed: int) -> None:
    """Over every path of three steps, weighed by the hazard and by what each tunnel says of the symbols."""
    world = Hazard(ALL, 3, 0.4, steps=3, batch=2, time=TIME, probe=1, seed=seed)
    latents = [world.latent(regime)[0] for regime in range(3)]
    reference = ReferencePredictors(world)
    past: list[list[tuple[Word, Word]]] = []
    for step in range(3):
        now = batch, key, *_ = faced(world, step)
        said = reference.predict(*now)[SWITCHING]
        rows = list(zip(batch.inputs.tolist(), key.drawn.tolist(), strict=True))
        weights = np.zeros(3)
        for path in product(range(3), repeat=step + 1):
            law = 1 / 3 * prod(0.6 if a == b else 0.2 for a, b in zip(path, path[1:], strict=False))
            for regime, episodes in zip(path, past, strict=False):
                law *= prod(chance(regime, latents[regime], x, y) for x, y in episodes)
            weights[path[-1]] += law
        for row, (x, y) in enumerate(rows):
            for place, t in enumerate(np.flatnonzero(batch.asked.numpy())):
                mass = np.zeros(SYMBOLS)
                for regime in range(3):
                    for symbol in range(SYMBOLS):
                        known = x[: t + 1], [*y[:t], symbol]
                        mass[symbol] += weights[regime] * chance(regime, latents[regime], *known)
                np.testing.assert_allclose(said[row, place], mass / mass.sum(), atol=1e-10)
        past.append(rows)
        reference.absorb(*now)


def test_parts_pass_through() -> None:
    """A padded Markov changes one row at a time, and its continual observer keeps the others."""
    plain, padded = Markov(3, 0.5), Padded(Markov(3, 0.5), 5, 3, 4)
    assert padded.parts == 3 and Padded(Binding(3, 2), 9, 3, 3).parts == 3
    args: dict[str, Any] = {"period": 2, "steps": 8, "batch": 2, "probe": 1}
    inner, outer = Compositional([plain], time=4, **args), Compositional([padded], time=6, **args)
    one, other = ReferencePredictors(inner), ReferencePredictors(outer)
    for step in range(8):
        assert np.array_equal(inner.latent(step // 2), outer.latent(step // 2))
        said = []
        for world, reference in ((inner, one), (outer, other)):
            now = faced(world, step)
            said.append(reference.predict(*now)[CONTINUAL])
            reference.absorb(*now)
        assert np.array_equal(*said)


def test_an_alphabet_that_grows() -> None:
    """Regime r speaks r + 2 symbols: what is live never shows one of a regime to come."""
    tunnels = [Padded(Markov(n, 1.0), 5, 4, 4) for n in (2, 3, 4)]
    world = Growing(tunnels, 3, period=4, visit=2, steps=12, batch=4, time=4, probe=1)
    reference = ReferencePredictors(world)
    for step in range(12):
        now = faced(world, step)
        assert now[0].targets.max() < 2 + world.pool(step)
        assert np.isfinite(reference.predict(*now)).all()
        reference.absorb(*now)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            (Markov(4), 4, 4, 3),
            "vocab: expected at least 5, the 4 of Markov and one for the padding, got 4",
        ),
        ((Markov(4), 5, 3, 3), "symbols: expected at least the 4 of Markov, got 3"),
        ((Bijection(4, 3), 9, 4, 4), "time: Bijection with 3 pairs makes sequences of 5 symbols"),
    ],
)
def test_what_does_not_fit_is_refused(args, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Padded(*args)
    with pytest.raises(ValueError, match="time: expected at least the length 3 .* got 2"):
        Recurring([Padded(Markov(2), 3, 2, 3)], time=2)


class Silent(Markov):
    """Does not say how likely its inputs are."""

    def observer(self) -> DirichletObserver:
        return DirichletObserver(np.full((self.symbols, self.symbols), self.concentration))


def test_a_tunnel_without_evidence_still_predicts() -> None:
    padded = Padded(Silent(2, 0.5), 4, 3, 3)
    x, y = padded.draw(padded.latents(4, np.random.default_rng(0)), 5, np.random.default_rng(1))
    wanted = Padded(Markov(2, 0.5), 4, 3, 3).observer().predict(x, y)
    assert np.array_equal(padded.observer().predict(x, y), wanted)
    with pytest.raises(NotImplementedError, match="DirichletObserver has no evidence"):
        padded.observer().evidence(x, y)


def test_it_can_be_read_back() -> None:
    assert repr(ALL[2]) == (
        "Padded(tunnel=Bijection(size=2, pairs=2, replacement=False), vocab=6, symbols=4, length=3)"
    )
