"""Importance sampling over hypotheses, against enumeration by hand, its limits, and the laws of ESS."""

from itertools import product

import numpy as np
import pytest

from plasticity import Hypotheses, Tunnel, chain
from plasticity.observers.conjugate import FiniteObserver, KnownObserver
from plasticity.observers.hybrid import Hybrid, Judged, defended, drawn, judged, pooled, weigh

COINS = np.array([[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]])
PRIOR = np.array([0.6, 0.3, 0.1])


def opening(inputs: np.ndarray) -> np.ndarray:
    return COINS[:, inputs[:, 0]]


class Coins(Tunnel):
    """One of three coins, thrown T + 1 times."""

    vocab = symbols = 2

    def latents(self, n, rng):
        return rng.choice(3, n, p=PRIOR)

    def draw(self, latents, time, rng):
        seen = (rng.random((len(latents), time + 1)) < COINS[latents, 1:]).astype(np.int64)
        return seen[:, :-1], seen[:, 1:]

    def observer(self):
        def explain(inputs):
            return opening(inputs), np.tile(COINS[:, None, None], (1, *inputs.shape, 1))

        return FiniteObserver(np.log(PRIOR), explain, format=lambda x, y: chain(1.0, x, y))

    def informed(self, latents):
        def law(inputs):
            said = np.broadcast_to(COINS[latents], (len(inputs), 2))
            return np.repeat(said[:, None], inputs.shape[1], axis=1)

        def format(x, y):
            first = np.broadcast_to(COINS[latents], (len(x), 2))[np.arange(len(x)), x[:, 0]]
            return chain(first, x, y)

        return KnownObserver(law, format=format)

    def hypotheses(self):
        return Hypotheses(PRIOR, lambda latents: latents, self.informed)


@pytest.fixture
def world() -> tuple[Coins, np.ndarray, np.ndarray, np.ndarray, Judged]:
    tunnel, rng = Coins(), np.random.default_rng(0)
    x, y = tunnel.draw(tunnel.latents(6, rng), 5, rng)
    asked = np.array([True, False, True, True, True])
    return tunnel, x, y, asked, judged(tunnel.hypotheses(), np.arange(3), x, y, asked)


def test_what_is_judged_is_the_likelihood_by_hand(world) -> None:
    _, x, _, asked, found = world
    places = enumerate(np.flatnonzero(asked))
    for row, (place, t), g in product(range(6), places, range(3)):
        by_hand = np.log(PRIOR[g]) + np.log(COINS[g, x[row, : t + 1]]).sum()
        assert found.nats[row, place, g] == pytest.approx(by_hand)
        np.testing.assert_allclose(found.said[row, place, g], COINS[g])


def test_all_drawn_once_is_the_amnesic_observer(world) -> None:
    tunnel, x, y, asked, found = world
    exact = tunnel.observer().predict(x, y)[:, asked]
    once = np.ones(found.nats.shape, dtype=np.int64)
    uniform = np.full(found.nats.shape, 1 / 3)
    np.testing.assert_allclose(weigh(found, once, uniform).predictive, exact, atol=1e-12)
    np.testing.assert_allclose(pooled(found, 5 * once).predictive, exact, atol=1e-12)
    proportional = defended(found.posterior(), PRIOR, 0.2)
    expected = 10**9 * proportional  # as often as infinitely many draws would have it
    many = weigh(found, expected.round().astype(np.int64), proportional)
    np.testing.assert_allclose(many.predictive, exact, atol=1e-7)


def test_weights_are_those_of_the_equation(world) -> None:
    """Three draws, two of them the same: 1 1 2 from q."""
    *_, found = world
    q = np.broadcast_to([0.2, 0.5, 0.3], found.nats.shape)
    counts = np.broadcast_to([0, 2, 1], found.nats.shape)
    got = weigh(found, counts, q)
    for place in np.ndindex(6, 4):
        draws = [1, 1, 2]
        raw = np.array([np.exp(found.nats[place][g]) / q[place][g] for g in draws])
        w = raw / raw.sum()
        said = sum(wi * COINS[g] for wi, g in zip(w, draws, strict=True))
        np.testing.assert_allclose(got.predictive[place], said)
        assert got.ess[place] == pytest.approx(1 / (w**2).sum())
        some = np.exp(found.nats[place][1:])
        np.testing.assert_allclose(
            pooled(found, counts).predictive[place], some / some.sum() @ COINS[1:]
        )


def test_equal_weights_have_all_draws_effective(world) -> None:
    """The exact posterior as q gives equal weights, so that ESS is n; of one draw it is 1."""
    *_, found = world
    q, rng = found.posterior(), np.random.default_rng(1)
    for n in (1, 7, 100):
        np.testing.assert_allclose(weigh(found, drawn(q, n, rng), q).ess, n)
    bad = np.broadcast_to([0.98, 0.01, 0.01], q.shape)
    ess = weigh(found, drawn(bad, 100, rng), bad).ess
    assert ((ess >= 1 - 1e-9) & (ess <= 100 + 1e-9)).all() and ess.min() < 99


def test_draws_that_explain_nothing_leave_the_uniform() -> None:
    """A coin with two heads, and tails came."""
    nats = np.array([[[-np.inf, -1.0]]])
    found = Judged(nats, np.array([[[[1.0, 0.0], [0.5, 0.5]]]]))
    got = weigh(found, np.array([[[4, 0]]]), np.full((1, 1, 2), 0.5))
    np.testing.assert_array_equal(got.predictive, [[[0.5, 0.5]]])
    assert got.ess.tolist() == [[0.0]]


def test_the_posterior_as_proposal_converges_and_the_bias_is_of_order_one_over_n(world) -> None:
    tunnel, x, y, asked, found = world
    exact, rng = tunnel.observer().predict(x, y)[:, asked], np.random.default_rng(2)
    q = defended(np.broadcast_to([0.05, 0.05, 0.9], found.nats.shape), PRIOR, 0.1)
    worst = [np.abs(weigh(found, drawn(q, n, rng), q).predictive - exact).max() for n in (10**6,)]
    assert worst[0] < 0.01
    posterior = found.posterior()
    close = weigh(found, drawn(posterior, 10**6, rng), posterior).predictive
    assert np.abs(close - exact).max() < 0.005
    biases = []
    for n in (2, 8):
        mean = np.mean([weigh(found, drawn(q, n, rng), q).predictive for _ in range(4000)], axis=0)
        biases.append(np.abs(mean - exact).mean())
    assert biases[0] > 0.02, "of few draws the mean is not the exact predictive"
    assert biases[1] < 0.6 * biases[0]


def test_the_predictor_judges_what_it_draws(world) -> None:
    """The same draws, weighed by a table of everything, give the same answer."""
    tunnel, x, y, asked, found = world
    hypotheses = tunnel.hypotheses()

    def propose(inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return np.broadcast_to([0.0, 1.0, 0.0], (len(inputs), int(asked.sum()), 3))

    hybrid = Hybrid(hypotheses, asked, propose, draws=5, share=0.2)
    got = hybrid.predict(x, y, np.random.default_rng(3))
    q = defended(propose(x, y), PRIOR, 0.2)
    wanted = weigh(found, drawn(q, 5, np.random.default_rng(3)), q)
    np.testing.assert_allclose(got.predictive, wanted.predictive, atol=1e-12)
    np.testing.assert_allclose(got.ess, wanted.ess)
    sure = Hybrid(hypotheses, asked, propose, draws=5, share=0.0)
    alone = sure.predict(x, y, np.random.default_rng(3)).predictive
    np.testing.assert_allclose(alone, np.broadcast_to(COINS[1], alone.shape))
