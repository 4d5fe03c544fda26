"""Topics against quadrature of its mixture of Dirichlets, against a closed form, and against what it degenerates to."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import exp, lgamma

import numpy as np
import pytest
from scipy import stats

from plasticity.observers.conjugate import DirichletObserver
from streams.tunnels.topics import Topics

from ..exact import Episode, assert_calibrated, assert_exact, mixture
from ..runs import dirichlet, rows

TUNNEL = Topics(symbols=3, topics=3, concentration=0.5, strength=4.0, seed=1)


def law(matrix: np.ndarray, episode: Episode) -> float:
    return float(np.prod([matrix[i, k] for i, k in pairwise(episode)])) / len(matrix)


def marginal(episodes: Sequence[Episode]) -> float:
    """One Dirichlet integral per topic and row; the uniform x_0 is a constant."""
    n = Counter(step for episode in episodes for step in pairwise(episode))

    def log_beta(pseudo: Sequence[float]) -> float:
        return sum(map(lgamma, pseudo)) - lgamma(sum(pseudo))

    total = 0.0
    for topic in TUNNEL.rows * TUNNEL.strength:
        each = (
            log_beta([a + n[c, k] for k, a in enumerate(row)]) - log_beta(row.tolist())
            for c, row in enumerate(topic)
        )
        total += exp(sum(each))
    return total


def test_exact():
    assert_exact(TUNNEL, marginal, law, time=6)


def test_quadrature_knows_no_gamma_functions():
    """The prior as a finite mixture: matrices whose moments are those of each topic's rows, two symbols."""
    tunnel = Topics(symbols=2, topics=3, concentration=0.6, strength=3.0, seed=2)
    support = [
        (weight / 3, matrix)
        for topic in tunnel.rows * tunnel.strength
        for weight, matrix in rows(*(dirichlet(row.tolist(), nodes=14) for row in topic))
    ]
    assert_exact(tunnel, mixture(support, law), law, time=3)


def test_evidence_is_the_marginal_likelihood():
    rng = np.random.default_rng(3)
    x, y = TUNNEL.draw(np.repeat(TUNNEL.latents(1, rng), 4, axis=0), 5, rng)
    episodes = [(a[0], *b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    wise = TUNNEL.observer().absorb(x[:3], y[:3])
    said = wise.evidence(x[3:], y[3:])[0]
    for t in range(6):
        shown = episodes[3][: t + 1]
        wanted = np.log(marginal([*episodes[:3], shown]) / marginal(episodes[:3]) / 3)
        assert said[t] == pytest.approx(wanted, abs=1e-10)


def test_calibrated():
    assert_calibrated(TUNNEL, time=6)


def test_one_topic_is_one_dirichlet():
    tunnel, rng = Topics(symbols=4, topics=1, strength=2.5, seed=4), np.random.default_rng(0)
    x, y = tunnel.draw(np.repeat(tunnel.latents(1, rng), 6, axis=0), 9, rng)
    plain, mixed = DirichletObserver(2.5 * tunnel.rows[0]), tunnel.observer()
    for one, other in ((plain, mixed), (plain.absorb(x, y), mixed.absorb(x, y))):
        np.testing.assert_allclose(one.predict(x, y), other.predict(x, y), atol=1e-12)


def test_texts_of_endless_strength_are_their_topics():
    """Then the latent is which of the matrices, weighed by what each made of the transitions."""
    tunnel, rng = Topics(symbols=4, topics=5, strength=1e9, seed=5), np.random.default_rng(0)
    latents = tunnel.latents(20, rng)
    gaps = np.abs(latents[:, None] - tunnel.rows).max((2, 3)).min(1)
    assert gaps.max() < 1e-3
    x, y = tunnel.draw(latents, 6, rng)
    said = tunnel.observer().predict(x, y)
    for row, (before, after) in enumerate(zip(x, y, strict=True)):
        steps = tunnel.rows[:, before, after]
        weights = np.cumprod(np.hstack([np.ones((5, 1)), steps[:, :-1]]), axis=1)
        wanted = np.einsum("zt,ztk->tk", weights / weights.sum(0), tunnel.rows[:, before])
        np.testing.assert_allclose(said[row], wanted, atol=1e-6)


def test_latents_are_the_mixture():
    """Entries of rows against Beta laws of their topic, from a strength at which most entries are tiny."""
    tunnel = Topics(symbols=3, topics=1, concentration=1.0, strength=0.05, seed=6)
    latents = tunnel.latents(4000, np.random.default_rng(0))
    np.testing.assert_allclose(latents.sum(-1), 1)
    for c in range(3):
        for k in range(3):
            a = tunnel.strength * tunnel.rows[0, c, k]
            tail = stats.beta(a, tunnel.strength - a).cdf(1e-6)
            share = (latents[:, c, k] <= 1e-6).mean()
            assert abs(share - tail) < 5 * np.sqrt(0.25 / 4000)


def test_an_episode_tells_its_topic():
    tunnel = Topics(symbols=3, topics=2, concentration=0.5, strength=20.0, seed=201)
    rng = np.random.default_rng(0)
    text = rng.dirichlet(20 * tunnel.rows[1, 0]), tunnel.rows[1, 1], tunnel.rows[1, 2]
    x, y = tunnel.draw(np.stack(text)[None], 200, rng)
    weights = tunnel.observer().absorb(x, y).log_weights
    assert weights[1] - weights[0] > np.log(1e6)


def test_what_no_topic_can_say_leaves_the_uniform():
    """At concentration 0.002 topics hold zeros, and a walk that none of them makes is told from none."""
    tunnel = Topics(symbols=3, topics=1, concentration=0.002, strength=5.0, seed=0)
    row = tunnel.rows[0, 0]
    assert row.min() == 0
    never = int(row.argmin())
    x, y = np.array([[0, never]]), np.array([[never, 0]])
    np.testing.assert_array_equal(tunnel.observer().predict(x, y)[0, 1], [1 / 3] * 3)


def test_topics_are_a_function_of_their_seed():
    np.testing.assert_array_equal(Topics(seed=3).rows, Topics(seed=3).rows)
    assert not np.allclose(Topics(seed=3).rows, Topics(seed=4).rows)
    assert repr(TUNNEL) == "Topics(symbols=3, topics=3, concentration=0.5, strength=4.0, seed=1)"


def test_refuses():
    with pytest.raises(ValueError, match="time"):
        TUNNEL.draw(TUNNEL.latents(1, np.random.default_rng(0)), 0, np.random.default_rng(0))
