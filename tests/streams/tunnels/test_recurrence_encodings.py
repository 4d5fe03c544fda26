"""The ciphered and the shuffled writing of a recurrence."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import Recurrence, Recurring

from ..brute import TOLERANCE, worst_gap
from ..exact import Episode, mixture
from .test_recurrence import enumerated, law


@pytest.mark.parametrize(
    ("tunnel", "time"),
    [
        (Recurrence(3, 0.4, "opaque"), 9),
        (Recurrence(3, 0.4, "opaque", symbols=4, horizon=1, density=0.5), 10),
        (Recurrence(2, 1.0, "opaque", horizon=2), 8),
        (Recurrence(3, 0.4, symbols=5, horizon=2, density=0.5), 5),
        (Recurrence(3, 0.4, horizon=2), 3),
    ],
    ids=repr,
)
def test_reads_ciphers_and_looks_no_further_than_it_is_shown(tunnel: Recurrence, time: int):
    """Also: a last target that is not asked is in nobody's inputs, so it is not absorbed."""
    p, size, asked = tunnel.modulus, tunnel.symbols, tunnel.asked(time)
    fresh = enumerated(p, tunnel.prior)

    def read(x: list[int], last: int) -> tuple[list[int], list[int]]:
        """The symbol of each residue, and the residues with the last target."""
        if tunnel.encoding == "integer":
            return list(range(p)), [*x, last]
        assert x[0] == 2 * size and set(x[p + 1 : size + 2]) == {2 * size + 1}
        key = x[1 : p + 1]
        return key, [key.index(symbol) for symbol in [s - size for s in x[size + 2 :]] + [last]]

    def wanted(latent, past_x, past_y, x, y):
        past = [read(*row)[1] for row in zip(past_x.tolist(), past_y[:, -1].tolist(), strict=True)]
        past = [tuple(row if asked[-1] else row[:-1]) for row in past]
        joint = fresh if latent is None else mixture([(1.0, latent)], lambda h, e: law(p, h, e))
        key, row = read(x.tolist(), y[-1].item())
        mass = np.zeros((asked.sum(), size))
        places = np.flatnonzero(asked) - (time - len(row) + 1)
        for i, k in product(range(len(places)), range(p)):
            mass[i, key[k]] = joint([*past, (*row[: places[i] + 1], k)])
        return mass / mass.sum(1, keepdims=True)

    assert worst_gap(tunnel, time, wanted) < TOLERANCE


def scattered(p: int, latent: Sequence[int], episode: Episode) -> float:
    """Probability of pairs (t, x_t): the sum over every x_0."""
    program, a, b = latent
    if not program:
        return float(p) ** -len(episode)

    def at(t: int, x: int) -> int:
        for _ in range(t):
            x = (a * x + b) % p
        return x

    return sum(all(at(t, start) == x for t, x in episode) for start in range(p)) / p


@pytest.mark.parametrize(
    ("tunnel", "time"),
    [
        (Recurrence(3, 0.4, "shuffled", items=5), 12),
        (Recurrence(2, 1.0, "shuffled", items=4), 12),
        (Recurrence(5, 0.5, "shuffled", symbols=7, horizon=2, items=4), 9),
        (Recurrence(3, 0.0, "shuffled", items=2), 3),
    ],
    ids=repr,
)
def test_exact_in_any_order(tunnel: Recurrence, time: int):
    """All p^3 programs with their x_0, and noise."""
    p, asked = tunnel.modulus, tunnel.asked(time)[::3]
    programs = [(tunnel.prior / p**2, (1, a, b)) for a, b in product(range(p), repeat=2)]
    every = [*programs, (1 - tunnel.prior, (0, 0, 0))]

    def read(x: list[int]) -> Episode:
        assert set(x[2::3]) == {tunnel.vocab - 1}
        return tuple((t - tunnel.symbols, k) for t, k in zip(x[::3], x[1::3], strict=True))

    def wanted(latent, past_x, past_y, x, y):
        joint = mixture(
            every if latent is None else [(1.0, latent)], lambda h, e: scattered(p, h, e)
        )
        past, row = [read(x) for x in past_x.tolist()], read(x.tolist())
        mass = np.zeros((len(row), tunnel.symbols))
        for i, k in product(range(len(row)), range(p)):
            mass[i, k] = joint([*past, (*row[:i], (row[i][0], k))])
        return mass[asked] / mass[asked].sum(1, keepdims=True)

    assert worst_gap(tunnel, time, wanted) < TOLERANCE


def test_exact_in_any_order_at_full_size():
    """P = 17: the table of all 17^3 orbits, masked item by item, fresh and after held episodes."""
    p, rng = 17, np.random.default_rng(0)
    tunnel, table = Recurrence(p, encoding="shuffled"), np.empty((16, p, p, p), dtype=int)
    a, b, table[0] = np.indices((p, p, p))
    for t in range(1, 16):
        table[t] = (a * table[t - 1] + b) % p

    def left(items: np.ndarray) -> np.ndarray:
        """Likelihood of (t, x) pairs under each program and x_0."""
        return np.prod([table[t] == x for t, x in items], axis=0) / p

    for latent in ([1, 5, 3], [1, 0, 7], [1, 1, 0], [1, 16, 2], [0, 0, 0]):
        held = np.repeat([latent], 3, axis=0)
        for shown in (6, 45):
            past, new = tunnel.draw(held, shown, rng), tunnel.draw(held, 45, rng)
            for absorbed in (0, 1, 3):
                observer = tunnel.observer().absorb(past[0][:absorbed], past[1][:absorbed])
                weight, noise = np.full((p, p, 1), 0.5 / p**2), 0.5
                for row in past[0][:absorbed]:
                    weight = weight * left(row.reshape(-1, 3)[:, :2] - [p, 0]).sum(2, keepdims=True)
                    noise *= float(p) ** -(shown // 3)
                for row, said in zip(new[0], observer.predict(*new)[:, ::3], strict=True):
                    items = row.reshape(-1, 3)[:, :2] - [p, 0]
                    for i, (t, _) in enumerate(items):
                        mass = (weight * left(items[:i])).ravel() if i else weight / p + 0 * b
                        mass = np.bincount(table[t].ravel(), mass.ravel(), p)
                        mass += noise * float(p) ** -(i + 1)
                        np.testing.assert_allclose(said[i], mass / mass.sum(), atol=1e-10)


@given(st.integers(1, 6), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_the_scale_of_residues_does_not_matter(unit: int, shift: int, seed: int):
    """X -> u x + v mod p turns programs into programs: predictions turn too, in any encoding."""
    for tunnel, time in ((Recurrence(7), 8), (Recurrence(7, encoding="shuffled", items=6), 15)):
        rng = np.random.default_rng(seed)
        held = np.vstack([np.repeat(tunnel.latents(1, rng), 3, axis=0), tunnel.latents(3, rng)])
        x, y = tunnel.draw(held, time, rng)
        said = tunnel.observer().absorb(x[:2], y[:2]).predict(x[2:], y[2:])
        turned = (unit * np.arange(7) + shift) % 7
        residues = (slice(None), slice(None) if tunnel.encoding == "integer" else slice(1, None, 3))
        x[residues], y = turned[x[residues]], turned[y]
        moved = tunnel.observer().absorb(x[:2], y[:2]).predict(x[2:], y[2:])
        asked = tunnel.asked(time)
        np.testing.assert_allclose(moved[:, asked][..., turned], said[:, asked], atol=1e-12)


@given(st.permutations(range(5)), st.integers(0, 2**32 - 1))
def test_the_cipher_does_not_matter(key: list[int], seed: int):
    """Another cipher in each row: the prediction is the plain one, in that cipher."""
    plain, opaque = Recurrence(5), Recurrence(5, encoding="opaque")
    rng, cipher = np.random.default_rng(seed), np.array(key)
    x, y = plain.draw(plain.latents(4, rng), 6, rng)
    header = np.hstack([np.full((4, 1), 10), np.tile(cipher, (4, 1)), np.full((4, 1), 11)])
    hidden = np.hstack([header, 5 + cipher[x]]), np.hstack([0 * header, cipher[y]])
    np.testing.assert_array_equal(
        opaque.observer().predict(*hidden)[:, 7:][..., cipher], plain.observer().predict(x, y)
    )


@given(st.permutations(range(4)), st.integers(0, 2**32 - 1))
def test_order_of_items_does_not_matter(order: list[int], seed: int):
    tunnel, rng = Recurrence(5, encoding="shuffled", items=8), np.random.default_rng(seed)
    x, y = tunnel.draw(np.repeat(tunnel.latents(1, rng), 6, axis=0), 15, rng)
    moved = x.copy()
    moved[:, :12] = x[:, :12].reshape(6, 4, 3)[:, order].reshape(6, 12)
    one, other = (tunnel.observer().absorb(a[:3], y[:3]).predict(a[3:], y[3:]) for a in (x, moved))
    np.testing.assert_allclose(one[:, -3], other[:, -3], atol=1e-12)


@pytest.mark.parametrize(("encoding", "time"), [("integer", 16), ("opaque", 37), ("shuffled", 45)])
def test_moduli_share_a_stream(encoding, time: int):
    """17 and 19 have one alphabet and one mask; 17 and 18 never occur modulo 17."""
    tunnels = [Recurrence(p, 0.5, encoding, 19, 5, 0.25) for p in (17, 19)]
    stream = Recurring(tunnels, regimes=2, period=1, steps=2, batch=200, time=time)
    (small, small_key), (large, large_key) = stream.keyed(0), stream.keyed(1)
    asked = stream.asked
    assert not small_key.posterior[:, asked, 17:].any()
    assert (large_key.posterior[:, asked] > 0).all()
    assert small.targets[:, asked].max() == 16 and large.targets[:, asked].max() == 18


@pytest.mark.parametrize(
    ("encoding", "vocab", "time"), [("integer", 17, 16), ("opaque", 36, 35), ("shuffled", 34, 45)]
)
def test_published_formats(encoding, vocab: int, time: int):
    """Published at p = 17, T = 16: alphabets (without padding) and lengths."""
    tunnel, rng = Recurrence(17, encoding=encoding), np.random.default_rng(0)
    x, _ = tunnel.draw(tunnel.latents(500, rng), time, rng)
    assert (tunnel.vocab, tunnel.symbols) == (vocab, 17)
    assert set(np.unique(x)) == set(range(vocab))
    if encoding == "opaque":
        assert (np.sort(x[:, 1:18]) == np.arange(17)).all()
    if encoding == "shuffled":
        assert np.diff(np.sort(x[:, ::3])).min() > 0
        np.testing.assert_allclose(np.bincount(x[:, 0] - 17) / 500, 1 / 16, atol=0.055)


def test_evidence_without_end_in_any_order():
    tunnel, rng = Recurrence(17, encoding="shuffled"), np.random.default_rng(0)
    held = np.repeat([[1, 3, 5]], 400, axis=0)
    x, y = tunnel.draw(held, 45, rng)
    wise = tunnel.observer().absorb(x, y)
    np.testing.assert_allclose(wise.predict(x, y), tunnel.informed(held).predict(x, y), atol=1e-12)
    noise = tunnel.draw(0 * held[:1], 45, rng)
    for prior in (0.5, 1.0):
        fooled = Recurrence(17, prior, "shuffled").observer().absorb(x, y).absorb(*noise)
        np.testing.assert_allclose(fooled.predict(x, y), 1 / 17)
        np.testing.assert_allclose(fooled.absorb(x, y).predict(x, y), 1 / 17)
