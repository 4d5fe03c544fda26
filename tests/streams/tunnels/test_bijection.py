from itertools import permutations

import numpy as np
import pytest

from streams import Bijection

from ..exact import Episode, assert_calibrated, assert_exact, entropy, mixture


def law(values: np.ndarray, episode: Episode) -> float:
    """Keys are drawn without regard to the map."""
    return float(all(values[key] == value for key, value in episode))


@pytest.mark.parametrize(("pairs", "replacement"), [(1, False), (2, False), (4, False), (5, True)])
def test_exact(pairs: int, replacement: bool):
    joint = mixture(((1.0, pi) for pi in permutations(range(4))), law)
    assert_exact(Bijection(4, pairs, replacement), joint, law, time=2 * pairs - 1)


@pytest.mark.parametrize(("pairs", "replacement"), [(4, False), (7, True)])
def test_calibrated(pairs: int, replacement: bool):
    assert_calibrated(Bijection(5, pairs, replacement), time=2 * pairs - 1)


def test_published_entropy():
    """Published: V = 20, L = 19, log2(V - t) at pair t, from 4.322 down to 1, mean 3.2146 bits."""
    tunnel, rng = Bijection(size=20, pairs=19), np.random.default_rng(0)
    x, y = tunnel.draw(tunnel.latents(8, rng), 37, rng)
    bits = entropy(tunnel.observer().predict(x, y))[:, tunnel.asked(37)]
    np.testing.assert_allclose(bits, np.tile(np.log2(20 - np.arange(19)), (8, 1)), atol=1e-12)
    assert bits.mean() == pytest.approx(3.2146, abs=5e-5)


def test_sawtooth_with_replacement():
    """Published: 0 bits at a repeat, log2(V - #distinct) otherwise."""
    tunnel, rng = Bijection(size=6, pairs=10, replacement=True), np.random.default_rng(0)
    x, y = tunnel.draw(tunnel.latents(20, rng), 19, rng)
    bits = entropy(tunnel.observer().predict(x, y))[:, ::2]
    for row, keys in zip(bits, x[:, ::2].tolist(), strict=True):
        for t, key in enumerate(keys):
            met = set(keys[:t])
            wanted = 0.0 if key in met else np.log2(6 - len(met))
            assert row[t] == pytest.approx(wanted, abs=1e-12)


def test_last_value_is_absorbed_and_the_missing_one_deduced():
    tunnel = Bijection(size=3, pairs=2)
    seen = tunnel.observer().absorb(np.array([[0, 4, 1]]), np.array([[1, 1, 2]]))
    x, y = np.array([[1, 5, 2]]), np.array([[2, 2, 0]])
    np.testing.assert_array_equal(seen.predict(x, y)[0, ::2], [[0, 0, 1], [1, 0, 0]])


def test_format():
    """Keys at even inputs, values at odd ones, and every target a symbol."""
    tunnel, rng = Bijection(size=6, pairs=4), np.random.default_rng(0)
    maps = tunnel.latents(50, rng)
    x, y = tunnel.draw(maps, 7, rng)
    assert (np.sort(maps, axis=1) == np.arange(6)).all()
    assert all(len(set(keys)) == 4 for keys in x[:, ::2].tolist())
    np.testing.assert_array_equal(y[:, ::2], np.take_along_axis(maps, x[:, ::2], axis=1))
    np.testing.assert_array_equal(x[:, 1::2], y[:, :-1:2] + 6)
    np.testing.assert_array_equal(y[:, 1::2], x[:, 2::2])
    assert tunnel.asked(7).tolist() == [True, False] * 3 + [True]
    assert (tunnel.vocab, tunnel.symbols) == (12, 6)


def test_refuses():
    with pytest.raises(ValueError, match="pairs: 5 keys without replacement out of only 4"):
        Bijection(size=4, pairs=5)
    tunnel, rng = Bijection(size=4, pairs=3), np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"5 symbols \(2 \* pairs - 1\), not 6"):
        tunnel.draw(tunnel.latents(1, rng), 6, rng)


def test_names_itself():
    assert repr(Bijection(4, 3)) == "Bijection(size=4, pairs=3, replacement=False)"
