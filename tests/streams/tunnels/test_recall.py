from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import Recall, Recurring

from ..brute import TOLERANCE, worst_gap
from ..exact import assert_calibrated, entropy


def length(tunnel: Recall) -> int:
    return 4 * tunnel.pairs + tunnel.filler + 2 * tunnel.queries


def law(tunnel: Recall, f, x: list[int], answers: list[int]) -> float:
    """Probability, under the map f, of what is shown and of the first answers."""
    p, symbols, keys, v = 1.0, iter(x), tunnel.keys, tunnel.values
    for _ in range(tunnel.pairs):
        store, key, sep, value = (next(symbols) for _ in range(4))
        assert (store, sep) == (0, 1)
        right = value - 4 - keys == f[key - 4]
        p *= tunnel.noise / v + (1 - tunnel.noise) * right
    assert all(next(symbols) == 2 for _ in range(tunnel.filler))
    rest = list(symbols)
    assert set(rest[::2]) == {3}
    return p * all(f[key - 4] == k for key, k in zip(rest[1::2], answers, strict=False))


@pytest.mark.parametrize("unstored", [0.0, 0.5])
@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("pairs", "queries", "filler"), [(1, 1, 0), (2, 2, 3)])
def test_exact(pairs: int, queries: int, filler: int, noise: float, unstored: float):
    """All 3^4 maps."""
    tunnel = Recall(4, 3, pairs, queries, filler, noise, unstored)

    def wanted(latent, past_x, past_y, x, y):
        maps = list(product(range(3), repeat=4)) if latent is None else [latent.tolist()]
        place = tunnel.asked(len(x))
        past = list(zip(past_x.tolist(), past_y[:, place].tolist(), strict=True))
        weight = [prod(law(tunnel, f, *e) for e in past) for f in maps]
        answers = y[place].tolist()
        mass = np.zeros((queries, 3))
        for (w, f), t, k in product(zip(weight, maps, strict=True), range(queries), range(3)):
            mass[t, k] += w * law(tunnel, f, x.tolist(), [*answers[:t], k])
        return mass / mass.sum(1, keepdims=True)

    assert worst_gap(tunnel, length(tunnel), wanted) < TOLERANCE


@pytest.mark.parametrize(("noise", "unstored"), [(0.0, 0.0), (0.4, 0.5), (1.0, 1.0)])
def test_calibrated(noise: float, unstored: float):
    tunnel = Recall(5, 3, 2, 2, 1, noise, unstored)
    assert_calibrated(tunnel, length(tunnel))


def test_what_carrying_over_is_worth():
    """A key not stored costs the amnesic log2 V bits, noise what it hides, and the continual nothing."""
    for noise, unstored, bits in ((0.0, 0.25, 0.25 * 3), (0.0, 0.0, 0.0), (1.0, 0.0, 3.0)):
        tunnel, rng = Recall(20, 8, 6, 2, 0, noise, unstored), np.random.default_rng(0)
        held = np.repeat(tunnel.latents(1, rng), 2000, axis=0)
        x, y = tunnel.draw(held, 28, rng)
        asked = tunnel.asked(28)
        amnesic = entropy(tunnel.observer().predict(x, y)[:, asked])
        continual = entropy(tunnel.observer().absorb(x, y).predict(x, y)[:, asked])
        assert abs(amnesic.mean() - bits) < 5 * amnesic.std() / np.sqrt(amnesic.size) + TOLERANCE
        np.testing.assert_array_equal(continual, 0)


def test_evidence_without_end():
    """Noise that lies 10,000 times does not outvote an answer; nor does its weight overflow."""
    tunnel = Recall(2, 3, 1, 1, 0, noise=0.2)
    x, y = np.array([[0, 4, 1, 7, 3, 4]]), np.array([[0, 0, 0, 0, 0, 0]])
    known = tunnel.observer().absorb(x, y)
    lies = np.repeat([[0, 4, 1, 8, 3, 5]], 10_000, axis=0)
    known = known.absorb(lies, np.repeat([[0, 0, 0, 0, 0, 2]], 10_000, axis=0))
    np.testing.assert_array_equal(known.predict(x, y)[0, -1], [1, 0, 0])


def test_loads_mix_in_one_stream():
    """Fewer pairs and more filler keep the length, the alphabets and the positions asked."""
    loads = [Recall(9, 5, 4, 2), Recall(9, 5, 2, 2, filler=8)]
    stream = Recurring(loads, regimes=2, period=1, steps=2, batch=3, time=20)
    assert stream.asked.sum() == 2
    assert (stream[0].inputs == 2).sum() == 0 and (stream[1].inputs == 2).sum() == 3 * 8


@given(st.permutations(range(3)), st.permutations(range(4)), st.integers(0, 2**32 - 1))
def test_neither_order_nor_names_of_values_matter(order: list[int], names: list[int], seed: int):
    tunnel, rng = Recall(5, 4, 3, 2, 1, noise=0.4, unstored=0.5), np.random.default_rng(seed)
    held = np.repeat(tunnel.latents(1, rng), 4, axis=0)
    x, y = tunnel.draw(held, 17, rng)
    said = tunnel.observer().absorb(x[:3], y[:3]).predict(x[3:], y[3:])[:, tunnel.asked(17)]
    blocks = x[:, :12].reshape(4, 3, 4)[:, order]
    blocks[..., 3] = np.array(names)[blocks[..., 3] - 9] + 9
    x = np.hstack([blocks.reshape(4, 12), x[:, 12:]])
    y = np.where(tunnel.asked(17), np.array(names)[y], y)
    moved = tunnel.observer().absorb(x[:3], y[:3]).predict(x[3:], y[3:])[:, tunnel.asked(17)]
    np.testing.assert_allclose(moved[..., names], said, atol=1e-12)


def test_draws():
    """Keys differ and are uniform; noise and unstored are the shares they say, 5 standard errors."""
    tunnel, rng = Recall(6, 4, 3, 2, 2, noise=0.4, unstored=0.25), np.random.default_rng(0)
    maps = tunnel.latents(20_000, rng)
    x, y = tunnel.draw(maps, 18, rng)
    keys, shown, asked = x[:, 1:12:4] - 4, x[:, 3:12:4] - 10, x[:, 15::2] - 4
    assert np.diff(np.sort(keys)).min() > 0 and (asked[:, 0] != asked[:, 1]).all()
    for column in (*keys.T, *asked.T):
        np.testing.assert_allclose(np.bincount(column) / 20_000, 1 / 6, atol=0.0132)
    for column in maps.T:
        np.testing.assert_allclose(np.bincount(column) / 20_000, 1 / 4, atol=0.0154)
    right = shown == np.take_along_axis(maps, keys, axis=1)
    assert abs(right.mean() - (0.6 + 0.4 / 4)) < 0.0094
    stored = (asked[:, :, None] == keys[:, None]).any(-1)
    assert abs(stored.mean() - 0.75) < 0.0109
    where = (asked[:, :1] == keys).argmax(1)[stored[:, 0]]
    np.testing.assert_allclose(np.bincount(where) / len(where), 1 / 3, atol=0.0193)
    np.testing.assert_array_equal(y[:, 15::2], np.take_along_axis(maps, asked, axis=1))
    assert not y[:, ~tunnel.asked(18)].any()


def test_format():
    """Published: 256 keys and values, 64 pairs, 3 queries; the answer slot is the key asked here."""
    tunnel, rng = Recall(256, 256, 64, 3, 32), np.random.default_rng(0)
    x, y = tunnel.draw(tunnel.latents(2, rng), 294, rng)
    assert (tunnel.vocab, tunnel.symbols) == (516, 256)
    assert np.flatnonzero(tunnel.asked(294)).tolist() == [289, 291, 293]
    assert entropy(tunnel.observer().predict(x, y)[:, tunnel.asked(294)]).max() == 0


def test_refuses():
    with pytest.raises(ValueError, match="pairs: 5 different keys out of only 4"):
        Recall(keys=4, pairs=5)
    with pytest.raises(ValueError, match="queries: 3 different keys out of only 2 stored"):
        Recall(keys=4, pairs=2, queries=3)
    with pytest.raises(ValueError, match="queries: 2 different keys out of only 1 not stored"):
        Recall(keys=4, pairs=3, queries=2, unstored=0.1)
    tunnel, rng = Recall(4, 4, 2, 1), np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"sequences of 10 symbols .* not 11"):
        tunnel.draw(tunnel.latents(1, rng), 11, rng)


def test_names_itself():
    wanted = "Recall(keys=4, values=3, pairs=2, queries=1, filler=0, noise=0.0, unstored=0.0)"
    assert repr(Recall(4, 3, 2)) == wanted
