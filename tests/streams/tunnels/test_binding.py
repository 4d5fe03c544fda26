from itertools import product

import numpy as np
import pytest

from streams import Binding

from ..exact import Episode, assert_calibrated, assert_exact, entropy, mixture


def law(values: np.ndarray, episode: Episode) -> float:
    return float(all(values[key] == value for key, value in episode))


@pytest.mark.parametrize("pairs", [1, 3, 6])
def test_exact(pairs: int):
    joint = mixture(((1.0, f) for f in product(range(3), repeat=3)), law)
    assert_exact(Binding(3, pairs), joint, law, time=2 * pairs - 1)


def test_calibrated():
    assert_calibrated(Binding(5, 7), time=13)


def test_published_entropy():
    """Published: at V = 20, L = 19 a key is new with mean probability .655, 2.833 bits a pair."""
    tunnel, rng = Binding(size=20, pairs=19), np.random.default_rng(0)
    x, y = tunnel.draw(tunnel.latents(4000, rng), 37, rng)
    bits = entropy(tunnel.observer().predict(x, y))[:, tunnel.asked(37)]
    new = (1 - 1 / 20) ** np.arange(19)
    assert new.mean() == pytest.approx(0.655, abs=5e-4)
    assert new.mean() * np.log2(20) == pytest.approx(2.833, abs=5e-3)
    np.testing.assert_allclose(bits.mean(0), new * np.log2(20), atol=0.17)  # 5 standard errors
    assert bits.mean() == pytest.approx(new.mean() * np.log2(20), abs=0.02)
    assert set(np.unique(bits.round(9))) == {0.0, np.log2(20).round(9)}


def test_values_may_repeat():
    maps = Binding(size=20, pairs=19).latents(50, np.random.default_rng(0))
    assert any(len(set(f)) < 20 for f in maps.tolist())


def test_refuses():
    tunnel, rng = Binding(size=4, pairs=9), np.random.default_rng(0)
    with pytest.raises(ValueError, match="time: Binding with 9 pairs makes sequences of 17"):
        tunnel.draw(tunnel.latents(1, rng), 16, rng)


def test_names_itself():
    assert repr(Binding(4, 3)) == "Binding(size=4, pairs=3)"
