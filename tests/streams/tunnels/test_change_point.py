from functools import cache
from itertools import pairwise, product
from math import exp, lgamma, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import ChangePoint, Urn

from ..brute import TOLERANCE, worst_gap
from ..exact import assert_calibrated, chain_ahead, chains, mixture


@cache
def urn(symbols: int, alpha: float, segment: tuple[int, ...]) -> float:
    """The proportions integrated out: a ratio of multivariate beta functions."""
    n = np.bincount(segment, minlength=symbols).tolist()
    log = lgamma(symbols * alpha) - lgamma(symbols * alpha + len(segment))
    return exp(log + sum(lgamma(alpha + c) - lgamma(alpha) for c in n))


@cache
def law(tunnel: ChangePoint, hazard: float, episode: tuple[int, ...]) -> float:
    """Sum over all configurations of changes, before each symbol but the first."""
    total = 0.0
    for changes in product((False, True), repeat=len(episode) - 1):
        cuts = [0, *(t + 1 for t, change in enumerate(changes) if change), len(episode)]
        p = float(np.prod([hazard if change else 1 - hazard for change in changes]))
        for a, b in pairwise(cuts):
            p *= urn(tunnel.symbols, tunnel.concentration, episode[a:b])
        total += p
    return total


def deviation(tunnel: ChangePoint, time: int) -> float:
    def wanted(latent, past_x, past_y, x, y):
        hazards = tunnel.hazards if latent is None else [latent.item()]
        joint = mixture(((1.0, h) for h in hazards), lambda h, e: law(tunnel, h, e))
        (episode,) = chains(x[None], y[None])
        mass = np.array(chain_ahead(joint, chains(past_x, past_y), episode, tunnel.symbols))
        return mass / mass.sum(1, keepdims=True)

    return worst_gap(tunnel, time, wanted)


@pytest.mark.parametrize(
    ("tunnel", "time"),
    [
        (ChangePoint(2, 0.5, [0.02, 0.5]), 6),
        (ChangePoint(3, 0.2, [0.0, 0.3, 1.0]), 5),
        (ChangePoint(4, 1.3, [0.1]), 4),
        (ChangePoint(1, 0.5, [0.1, 0.2]), 3),
    ],
    ids=repr,
)
def test_exact(tunnel: ChangePoint, time: int):
    assert deviation(tunnel, time) < TOLERANCE


def test_exact_over_1024_configurations():
    tunnel, rng = ChangePoint(3, 0.4, [0.05, 0.6]), np.random.default_rng(0)
    held = np.repeat(tunnel.latents(1, rng), 2, axis=0)
    x, y = tunnel.draw(held, 10, rng)
    past, new = chains(x, y)
    joint = mixture(((0.5, h) for h in tunnel.hazards), lambda h, e: law(tunnel, h, e))
    mass = np.array(chain_ahead(joint, [past], new, 3))
    said = tunnel.observer().absorb(x[:1], y[:1]).predict(x[1:], y[1:])[0]
    np.testing.assert_allclose(said, mass / mass.sum(1, keepdims=True), atol=1e-10)


def test_calibrated():
    assert_calibrated(ChangePoint(3), time=8)


def test_a_world_that_never_changes_is_an_urn():
    """Within an episode: at hazard 0 the observer is Polya's, at 1 it is uniform and learns nothing."""
    rng = np.random.default_rng(0)
    x, y = ChangePoint(3, 0.5, [0.3]).draw(np.full(8, 0.3), 40, rng)
    steady, restless = (ChangePoint(3, 0.5, [h]).observer().absorb(x, y) for h in (0.0, 1.0))
    polya = Urn([0.5] * 3).observer().predict(x, y)
    np.testing.assert_allclose(steady.predict(x, y), polya, atol=1e-12)
    np.testing.assert_allclose(restless.predict(x, y), 1 / 3, atol=1e-12)


@given(st.permutations(range(4)), st.integers(0, 2**32 - 1))
def test_names_of_symbols_do_not_matter(names: list[int], seed: int):
    tunnel, rng = ChangePoint(), np.random.default_rng(seed)
    x, y = tunnel.draw(np.repeat(tunnel.latents(1, rng), 5, axis=0), 12, rng)
    renamed = np.array(names)
    said, moved = (
        tunnel.observer().absorb(a[:3], b[:3]).predict(a[3:], b[3:])
        for a, b in ((x, y), (renamed[x], renamed[y]))
    )
    np.testing.assert_allclose(moved[..., renamed], said, atol=1e-12)


def test_evidence_without_end():
    """1,000 episodes, and one of 1,000 symbols: the hazard is known, and nothing underflows."""
    tunnel, rng = ChangePoint(), np.random.default_rng(0)
    for hazard in tunnel.hazards:
        x, y = tunnel.draw(np.full(1000, hazard), 32, rng)
        known = tunnel.informed(np.array([hazard]))
        wise = tunnel.observer().absorb(x, y).predict(x, y)
        np.testing.assert_allclose(wise, known.predict(x, y), atol=1e-12)
        x, y = tunnel.draw(np.full(1, hazard), 1000, rng)
        gap = tunnel.observer().predict(x, y) - known.predict(x, y)
        assert np.abs(gap[:, -1]).max() < 1e-3


def test_draws():
    """Neighbours are alike as often as the hazard says, 5 standard errors."""
    tunnel, rng = ChangePoint(4, 0.5, [0.0, 0.3, 1.0]), np.random.default_rng(0)
    assert set(tunnel.latents(100, rng).tolist()) == {0.0, 0.3, 1.0}
    for hazard in tunnel.hazards:
        x, y = tunnel.draw(np.full(20_000, hazard), 2, rng)
        assert (x[:, 1] == y[:, 0]).all()
        np.testing.assert_allclose(np.bincount(x[:, 0]) / 20_000, 1 / 4, atol=0.0154)
        for lag, other in ((1, x[:, 1]), (2, y[:, 1])):
            same_urn = (1 - hazard) ** lag
            p = same_urn * (0.5 + 1) / (4 * 0.5 + 1) + (1 - same_urn) / 4
            assert abs((x[:, 0] == other).mean() - p) < 5 * np.sqrt(p * (1 - p) / 20_000)


def test_what_carrying_over_is_worth():
    """At the defaults some .043 bits a symbol at 32 of them; never above log2(4) / 32."""
    tunnel, rng = ChangePoint(), np.random.default_rng(0)
    latents = tunnel.latents(4000, rng)
    x, y = tunnel.draw(latents, 32, rng)
    known, said = tunnel.informed(latents).predict(x, y), tunnel.observer().predict(x, y)
    lost = (known * np.log2(known / said)).sum(-1).mean()
    assert 0.038 < lost < log2(4) / 32


def test_refuses():
    with pytest.raises(ValueError, match="hazards: expected at least one, got none"):
        ChangePoint(hazards=[])
    with pytest.raises(ValueError, match="time"):
        ChangePoint().draw(np.array([0.1]), 0, np.random.default_rng(0))


def test_names_itself():
    wanted = "ChangePoint(symbols=4, concentration=0.2, hazards=[0.0, 0.05, 0.3, 1.0])"
    assert repr(ChangePoint()) == wanted
