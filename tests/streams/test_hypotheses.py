"""Tunnels that list their hypotheses: the prior, the likelihoods and the predictives add up to their observer's."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import logsumexp

from plasticity import Tunnel, log
from streams import SCM, Choice, CounterfactualSCM, Laws, Markov, Recurrence


class World(NamedTuple):
    tunnel: Tunnel
    time: int
    hypotheses: int


WORLDS = [
    World(SCM(variables=3), 30, 25),
    World(SCM(variables=2, values=3, concentration=1.0, parents=1), 16, 3),
    World(CounterfactualSCM(variables=3), 30, 25),
    World(Laws(modulus=3, longest=11.0, noise=0.3), 11, 37),
    World(Laws(modulus=2, longest=7.0, noise=0.0), 11, 5),
    World(Recurrence(modulus=5), 8, 26),
    World(Recurrence(modulus=3, encoding="opaque"), 12, 10),
    World(Recurrence(modulus=3, encoding="shuffled", items=5), 15, 10),
    World(Choice(features=2, levels=3), 20, 24),
    World(Choice(features=2, levels=3, noise=0.3), 20, 24),
]


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: repr(world.tunnel))
def test_hypotheses_add_up_to_the_observer(world: World) -> None:
    """sum_g p(g) = 1, sum_g p(g) p(D | g) = p(D), and so for what comes next."""
    tunnel, time, rng = world.tunnel, world.time, np.random.default_rng(0)
    found = tunnel.hypotheses()
    assert len(found.prior) == world.hypotheses
    assert found.prior.sum() == pytest.approx(1)
    x, y = tunnel.draw(tunnel.latents(5, rng), time, rng)
    every = np.arange(world.hypotheses)
    nats = np.stack([found.loglik(np.repeat(g, 5), x, y) for g in every])
    nats += log(found.prior)[:, None, None]
    whole = logsumexp(nats, axis=0)
    np.testing.assert_allclose(whole, tunnel.observer().evidence(x, y), atol=1e-10)
    said = np.stack([found.given(np.array([g])).predict(x, y) for g in every])
    mixed = np.einsum("gbt,gbtk->btk", np.exp(nats - whole)[..., :-1], said)
    exact, asked = tunnel.observer().predict(x, y), tunnel.asked(time)
    np.testing.assert_allclose(mixed[:, asked], exact[:, asked], atol=1e-10)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: repr(world.tunnel))
def test_a_latent_is_of_one_hypothesis_and_as_often_as_the_prior_says(world: World) -> None:
    found, rng = world.tunnel.hypotheses(), np.random.default_rng(1)
    which = found.of(world.tunnel.latents(4000, rng))
    share = np.bincount(which, minlength=world.hypotheses) / 4000
    error = np.sqrt(found.prior * (1 - found.prior) / 4000)
    assert (np.abs(share - found.prior) <= 4.5 * error + 1e-9).all()


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: repr(world.tunnel))
def test_each_row_is_told_its_own_hypothesis(world: World) -> None:
    """And the true one explains an episode that it made."""
    tunnel, rng = world.tunnel, np.random.default_rng(2)
    found, latents = tunnel.hypotheses(), tunnel.latents(6, rng)
    x, y = tunnel.draw(latents, world.time, rng)
    which = found.of(latents)
    nats, said = found.loglik(which, x, y), found.given(which).predict(x, y)
    assert np.isfinite(nats).all()
    for row, g in enumerate(which):
        alone = slice(row, row + 1)
        told = found.given(np.array([g]))
        np.testing.assert_allclose(told.predict(x[alone], y[alone])[0], said[row], atol=1e-12)
        np.testing.assert_allclose(told.evidence(x[alone], y[alone])[0], nats[row], atol=1e-12)


def test_surgery_on_a_known_graph_is_exact() -> None:
    """The graph x -> y, or y -> x: only in the first does setting x say anything of y.

    After one unit 1 1 that was seen, theta ~ Dirichlet(1, 1): p(y = 1 | do(x = 1)) is (1 + 1) / 3 where x causes y, and
    where y causes x as well, for y was 1 once; with x set to 0 it stays 2/3 there, and is 1/2 where x causes y.
    """
    tunnel = SCM(variables=2, concentration=1.0, asks=["association", "intervention"])
    found = tunnel.hypotheses()
    masks = tunnel.latents(200, np.random.default_rng(0))
    parents = {int(g): tuple(row) for g, row in zip(found.of(masks), masks[:, -1, :2], strict=True)}
    causes, caused, neither = (
        next(g for g, p in parents.items() if p == wanted) for wanted in ((0, 1), (2, 0), (0, 0))
    )
    said = {}
    for value in (0, 1):
        x = np.array([[4, 1, 3, 1, 6, value, 3, 1]])
        y = np.array([[0, 0, 1, 0, 0, 0, 1, 0]])
        for g in (causes, caused, neither):
            said[g, value] = float(found.given(np.array([g])).predict(x, y)[0, 6, 1])
    assert said[causes, 1] == pytest.approx(2 / 3)
    assert said[causes, 0] == pytest.approx(1 / 2)
    assert said[caused, 0] == said[caused, 1] == pytest.approx(2 / 3)
    assert said[neither, 0] == said[neither, 1] == pytest.approx(2 / 3)


def test_absorbing_under_a_known_graph_is_reading_on() -> None:
    """What a graph's observer has absorbed it knows, as the chain rule of its evidence has it."""
    tunnel, rng = SCM(variables=3), np.random.default_rng(3)
    latent = tunnel.latents(1, rng)
    x, y = tunnel.draw(np.repeat(latent, 2, axis=0), 20, rng)
    observer = tunnel.hypotheses().given(np.array([7]))
    (one, other) = ((x[:1], y[:1]), (x[1:], y[1:]))
    forth, back = (
        observer.evidence(*a)[0, -1] + observer.absorb(*a).evidence(*b)[0, -1]
        for a, b in ((one, other), (other, one))
    )
    assert forth == pytest.approx(back)


def test_a_tunnel_without_a_list_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Markov has no finite set of hypotheses"):
        Markov(symbols=3).hypotheses()
