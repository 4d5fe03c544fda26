from collections.abc import Sequence
from itertools import pairwise, permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import StickyMarkov
from streams.tunnels.sticky_markov import circle, maps

from ..exact import Episode, assert_calibrated, assert_exact, entropy, mixture


def row(place: Sequence[int], s: float, i: int) -> list[float]:
    """The published recipe, step by step, for symbols that stand at these places."""
    n = len(place)
    gaps = [abs(place[i] - place[j]) for j in range(n)]
    weight = [s if j == i else 1 / min(gaps[j], n - gaps[j]) for j in range(n)]
    weight = [(1 - s) * w / sum(weight) for w in weight]
    weight[i] += s
    return [w / sum(weight) for w in weight]


def law(place: Sequence[int], s: float, episode: Episode) -> float:
    rows = [row(place, s, i) for i in range(len(place))]
    return float(np.prod([rows[i][j] for i, j in pairwise(episode)])) / len(place)


@pytest.mark.parametrize(
    ("n", "s", "library"), [(4, 0.3, 3), (5, 0.0, 7), (4, 1.0, 2), (3, 0.5, 1)]
)
def test_exact(n: int, s: float, library: int):
    tunnel = StickyMarkov(n, s, library, seed=3)
    places = maps(n, library, np.random.default_rng(3)).tolist()

    def of(latent: int, episode: Episode) -> float:
        return law(places[latent], s, episode)

    joint = mixture(((1 / library, h) for h in range(library)), of)
    assert_exact(tunnel, joint, of, time=5)


def test_calibrated():
    assert_calibrated(StickyMarkov(5, 0.2, 12), time=6)


def test_published():
    """Published: it stays with .3498 and not .3; moves .166, .083, .0553, .0415; floor 1.8292 nats."""
    tunnel, rng = StickyMarkov(), np.random.default_rng(0)
    first = tunnel.transition[0, 0]
    wanted = [0.3498, 0.166, 0.083, 0.0553, 0.0415, 0.0553, 0.083, 0.166]
    np.testing.assert_allclose(first, wanted, atol=5e-5)
    np.testing.assert_allclose(tunnel.transition.sum(1), 1)
    x, y = tunnel.draw(tunnel.latents(1, rng), 1999, rng)
    floor = entropy(tunnel.observer().predict(x, y))
    np.testing.assert_allclose(floor, 2.639, atol=5e-4)
    np.testing.assert_allclose(floor * np.log(2), 1.8292, atol=5e-5)


def test_a_library_of_one_leaves_nothing_to_infer():
    tunnel, rng = StickyMarkov(), np.random.default_rng(0)
    latents = tunnel.latents(4, rng)
    x, y = tunnel.draw(latents, 20, rng)
    np.testing.assert_allclose(
        tunnel.observer().predict(x, y), tunnel.informed(latents).predict(x, y)
    )


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_maps_are_all_the_circles_there_are(n: int):
    """Up to turning and mirroring; brute force counts the different matrices of all n! maps."""
    chains = {
        tuple(np.round(row(p, 0.3, i), 9)[j] for i, j in product(range(n), repeat=2))
        for p in permutations(range(n))
    }
    found = StickyMarkov(n, library=len(chains)).transition
    assert {tuple(np.round(chain, 9).ravel().tolist()) for chain in found} == chains
    with pytest.raises(ValueError, match=f"{n} symbols have only {len(chains)}"):
        StickyMarkov(n, library=len(chains) + 1)


@given(st.integers(0, 6), st.booleans(), st.integers(0, 2**32 - 1))
def test_turning_and_mirroring_the_circle_changes_nothing(turn: int, mirror: bool, seed: int):
    renamed = (np.arange(7) * (-1 if mirror else 1) + turn) % 7
    moved = circle(7, 0.4)[np.ix_(renamed, renamed)]
    np.testing.assert_allclose(moved, circle(7, 0.4), atol=1e-12)
    tunnel, rng = StickyMarkov(7), np.random.default_rng(seed)
    x, y = tunnel.draw(tunnel.latents(3, rng), 5, rng)
    said, turned = (tunnel.observer().predict(*xy) for xy in ((x, y), (renamed[x], renamed[y])))
    np.testing.assert_allclose(turned[..., renamed], said, atol=1e-12)


def test_draws():
    """X_0 is uniform and moves have the law of the map, to 5 standard errors."""
    tunnel, rng = StickyMarkov(5, 0.2, library=4), np.random.default_rng(0)
    assert set(tunnel.latents(100, rng)) == {0, 1, 2, 3}
    x, y = tunnel.draw(np.full(20_000, 2), 4, rng)
    np.testing.assert_allclose(np.bincount(x[:, 0]) / 20_000, 0.2, atol=0.0142)
    for i in range(5):
        after = y[x == i]
        p, n = tunnel.transition[2, i], len(after)
        assert (np.abs(np.bincount(after, minlength=5) / n - p) < 5 * np.sqrt(p / n)).all()


def test_library_is_a_function_of_its_seed():
    one, same, other = (StickyMarkov(library=8, seed=seed).transition for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(one[0], other[0])
    assert not np.allclose(one, other)


def test_refuses():
    with pytest.raises(ValueError, match="symbols: expected at least 2, got 1"):
        StickyMarkov(symbols=1)
    with pytest.raises(ValueError, match="time"):
        StickyMarkov().draw(np.array([0]), 0, np.random.default_rng(0))


def test_names_itself():
    assert repr(StickyMarkov()) == "StickyMarkov(symbols=8, stickiness=0.3, library=1, seed=0)"
