from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np
import pytest

from plasticity.core.tunnel import Symbols
from plasticity.observers.conjugate import Explanation, FiniteObserver
from streams import Recurrence

from ..exact import Episode, Joint, assert_calibrated, assert_exact, chain_ahead, entropy, mixture


def law(p: int, latent: Sequence[int], episode: Episode) -> float:
    program, a, b = latent
    if program:
        return all((a * x + b) % p == y for x, y in pairwise(episode)) / p
    return float(p) ** -len(episode)


def enumerated(p: int, prior: float) -> Joint:
    programs = [(prior / p**2, (1, a, b)) for a, b in product(range(p), repeat=2)]
    return mixture([*programs, (1 - prior, (0, 0, 0))], lambda h, e: law(p, h, e))


@pytest.mark.parametrize(("p", "prior"), [(2, 0.5), (3, 0.3), (5, 0.5), (5, 1.0), (3, 0.0)])
def test_exact(p: int, prior: float):
    tunnel = Recurrence(p, prior)
    assert_exact(tunnel, enumerated(p, prior), lambda h, e: law(p, h, e), time=5)


PAST = [
    [],
    [(0, 0, 0)],  # rank 1: a fixed point
    [(1, 2)],  # rank 1
    [(0, 2, 0), (2, 0, 2)],  # rank 2
    [(1, 2), (1, 2), (1, 2)],  # rank 1, repeated
    [(1, 2, 1, 1)],  # no program
]


@pytest.mark.parametrize("past", PAST)
def test_every_sequence_after_every_kind_of_past(past: list[Episode]):
    """All 3^5 sequences modulo 3."""
    joint, observer = enumerated(3, 0.4), Recurrence(3, 0.4).observer()
    for episode in past:
        observer = observer.absorb(np.array([episode[:-1]]), np.array([episode[1:]]))
    episodes = np.array(list(product(range(3), repeat=5)))
    said = observer.predict(episodes[:, :-1], episodes[:, 1:])
    for row, episode in zip(said, episodes.tolist(), strict=True):
        mass = np.array(chain_ahead(joint, past, tuple(episode), 3))
        np.testing.assert_allclose(row, mass / mass.sum(-1, keepdims=True), atol=1e-10)


def test_equals_the_finite_observer_at_full_size():
    """P = 17: 290 hypotheses weighed one by one, in a mixed batch and after held episodes."""
    p, rng = 17, np.random.default_rng(0)
    tunnel = Recurrence(p)
    a, b = np.array(list(product(range(p), repeat=2))).T[:, :, None, None]

    def explain(inputs: Symbols) -> Explanation:
        run = np.eye(p)[(a * inputs + b) % p]
        said = np.vstack([run, np.full((1, *run.shape[1:]), 1 / p)])
        return np.full(said.shape[:2], 1 / p), said

    finite = FiniteObserver(np.log(np.array([0.5 / p**2] * p**2 + [0.5])), explain)
    latents = tunnel.latents(12, rng)
    assert 0 < latents[:, 0].sum() < 12
    x, y = tunnel.draw(latents, 16, rng)
    np.testing.assert_allclose(tunnel.observer().predict(x, y), finite.predict(x, y), atol=1e-12)
    for latent in ([1, 1, 0], [1, 5, 3], [0, 0, 0]):
        held = np.repeat([latent], 3, axis=0)
        past, new = tunnel.draw(held, 1, rng), tunnel.draw(held, 16, rng)
        np.testing.assert_allclose(
            tunnel.observer().absorb(*past).predict(*new),
            finite.absorb(*past).predict(*new),
            atol=1e-12,
        )


@pytest.mark.parametrize(
    ("tunnel", "time"),
    [
        (Recurrence(5), 6),
        (Recurrence(5, encoding="opaque"), 13),
        (Recurrence(5, encoding="shuffled", items=6), 15),
    ],
    ids=repr,
)
def test_calibrated(tunnel: Recurrence, time: int):
    assert_calibrated(tunnel, time)


def test_horizon():
    """Misra's K = 5 of 16, 25 % of the rest: the same positions in every encoding but the headers."""
    near = Recurrence(17, horizon=5)
    assert np.flatnonzero(near.asked(16)).tolist() == [0, 1, 2, 3, 4]
    more = Recurrence(17, horizon=5, density=0.25).asked(16)
    assert more[:5].all() and more[5:].sum() == 3
    nested = [Recurrence(17, horizon=5, density=d).asked(64) for d in (0.01, 0.05, 0.25, 1.0)]
    assert [m[5:].sum() for m in nested] == [1, 3, 15, 59]
    assert all((small <= large).all() for small, large in pairwise(nested))
    opaque = Recurrence(17, encoding="opaque", horizon=5, density=0.25).asked(19 + 16)
    np.testing.assert_array_equal(opaque, np.append(np.zeros(19, dtype=bool), more))
    shuffled = Recurrence(17, encoding="shuffled", horizon=5, density=0.25, items=16).asked(48)
    np.testing.assert_array_equal(shuffled, np.kron(more, [1, 0, 0]))


def test_what_carrying_over_is_worth():
    """The continual observer knows the program, so x_0 is all it lacks; noise it knows for noise."""
    for tunnel, time in ((Recurrence(17, 1.0), 16), (Recurrence(17, 1.0, "shuffled"), 45)):
        rng = np.random.default_rng(0)
        x, y = tunnel.draw(np.repeat([[1, 5, 3]], 60, axis=0), time, rng)
        wise = tunnel.observer().absorb(x[:40], y[:40]).predict(x[40:], y[40:])
        known = tunnel.informed(np.array([[1, 5, 3]])).predict(x[40:], y[40:])
        np.testing.assert_allclose(wise, known, atol=1e-12)
        bits = entropy(known)[:, tunnel.asked(time)].mean(0)
        first = np.log2(17) if tunnel.encoding == "shuffled" else 0
        np.testing.assert_allclose(bits, [first] + [0] * (len(bits) - 1), atol=1e-12)


def test_published_entropy():
    """Published, p = 17: bits of token k = 3, 4, 5, 6 of a program, x_0 != x_1, and of noise."""
    x = np.array([[0, 3, 9, 4, 11, 8], [0, 3, 9, 5, 11, 8]])  # a = 2, b = 3; the second one errs
    bits = entropy(Recurrence(17).observer().predict(x, np.roll(x, -1, axis=1)))
    np.testing.assert_allclose(bits[0, 2:], [2.8799, 0.5052, 0.0445, 0.0034], atol=5e-5)
    np.testing.assert_allclose(bits[:, :2], 4.0875, atol=5e-5)
    np.testing.assert_allclose(bits[1, 3:], 4.0875, atol=5e-5)


def test_published_mixture():
    """Published: mean entropy of targets t = 1, 2, ... over the mixture at prior 1/2."""
    tunnel, rng = Recurrence(17), np.random.default_rng(0)
    x, y = tunnel.draw(tunnel.latents(20_000, rng), 15, rng)
    bits = entropy(tunnel.observer().predict(x, y)).mean(0)
    published = [4.0875, 4.0231, 2.8428, 2.1751, 2.0622, 2.0453]
    np.testing.assert_allclose(bits[:6], published, atol=0.06)


def test_evidence_without_end():
    """Posterior odds beyond a float's range stay posterior odds."""
    tunnel, rng = Recurrence(17), np.random.default_rng(0)
    held = np.repeat([[1, 3, 5]], 100, axis=0)
    x, y = tunnel.draw(held, 30, rng)
    wise = tunnel.observer().absorb(x, y)
    np.testing.assert_allclose(wise.predict(x, y), tunnel.informed(held).predict(x, y))
    noise = np.array([[0, 0, 1]]), np.array([[0, 1, 5]])
    np.testing.assert_allclose(wise.absorb(*noise).predict(x, y), np.full((100, 30, 17), 1 / 17))


@pytest.mark.parametrize("modulus", [1, 4, 9, 15])
def test_refuses_what_is_not_prime(modulus: int):
    with pytest.raises(ValueError, match=f"modulus: expected a prime, got {modulus}"):
        Recurrence(modulus)


def test_refuses_no_time():
    with pytest.raises(ValueError, match="time"):
        Recurrence(5).draw(np.array([[1, 2, 3]]), 0, np.random.default_rng(0))


def test_refuses():
    rng, latents = np.random.default_rng(0), np.array([[1, 2, 3]])
    with pytest.raises(ValueError, match="symbols: expected at least the modulus, 17, got 13"):
        Recurrence(17, symbols=13)
    with pytest.raises(ValueError, match="density: nothing lies beyond a horizon of None"):
        Recurrence(17, density=0.5)
    with pytest.raises(ValueError, match="time: the header alone has 7 symbols"):
        Recurrence(5, encoding="opaque").draw(latents, 7, rng)
    for time in (4, 12):
        with pytest.raises(ValueError, match=f"3 symbols for each of at most 3 items, not {time}"):
            Recurrence(5, encoding="shuffled", items=3).draw(latents, time, rng)


def test_latents():
    latents = Recurrence(17, prior=0.25).latents(4000, np.random.default_rng(0))
    assert abs(latents[:, 0].mean() - 0.25) < 0.04
    assert (latents[latents[:, 0] == 0] == 0).all()
    assert set(latents[latents[:, 0] == 1, 1]) == set(range(17))
