import pickle
from functools import partial

import numpy as np
import pytest

from plasticity.core.tunnel import InputEvidence, Observer, Probabilities, Symbols
from plasticity.observers.conjugate import (
    DirichletObserver,
    Draws,
    Explanation,
    FiniteObserver,
    KnownObserver,
    RecallObserver,
    chain,
    normalise,
)

RNG = np.random.default_rng(0)
X, Y = RNG.integers(4, size=(2, 3, 9))


def test_normalise_leaves_its_argument():
    mass = np.array([[2.0, 6.0], [0.0, 0.0]])
    np.testing.assert_array_equal(normalise(mass), [[0.25, 0.75], [0.5, 0.5]])
    assert mass[0, 0] == 2


def test_known_learns_nothing():
    def law(inputs: Symbols) -> Probabilities:
        return np.full((*inputs.shape, 4), 0.25)

    known = KnownObserver(law)
    assert known.absorb(X, Y) is known
    assert known.predict(X, Y).shape == (3, 9, 4)


def test_dirichlet_counts_like_a_loop():
    """Targets that do not follow the inputs, three contexts of which some are never met."""
    prior = RNG.random((4, 5)) + 0.1
    wanted = np.empty((3, 9, 5))
    for b in range(3):
        counts = prior.copy()
        for t in range(9):
            wanted[b, t] = counts[X[b, t]] / counts[X[b, t]].sum()
            counts[X[b, t], Y[b, t]] += 1
    np.testing.assert_allclose(DirichletObserver(prior).predict(X, Y), wanted, atol=1e-14)


def test_dirichlet_is_told_its_contexts():
    """A context for odd and one for even positions, and a draw that is shown before them."""

    def draws(inputs: Symbols, targets: Symbols) -> Draws:
        symbols = np.hstack([inputs[:, :1], targets])
        return np.tile(np.arange(symbols.shape[1]) % 2, (len(symbols), 1)), symbols

    said = DirichletObserver(np.ones((2, 2)), draws).predict(
        np.array([[1, 0, 0]]), np.array([[0, 1, 1]])
    )
    np.testing.assert_allclose(said, [[[1 / 2, 1 / 2], [1 / 3, 2 / 3], [2 / 3, 1 / 3]]])


def test_absorbing_changes_no_earlier_state():
    prior = np.ones((4, 4))
    observer = DirichletObserver(prior)
    wise = observer.absorb(X, Y)
    assert wise.counts.sum() == 16 + X.size
    assert (prior == 1).all() and (observer.counts == 1).all()

    recall = RecallObserver(np.full(4, -1), exclusive=False)
    assert (recall.absorb(X, Y).known >= -1).all() and (recall.known == -1).all()


def coins(heads: list[float]):
    def explain(inputs: Symbols) -> Explanation:
        coin = np.array([[1 - p, p] for p in heads])[:, None, None]
        return np.ones((len(heads), len(inputs))), np.tile(coin, (1, *inputs.shape, 1))

    return explain


def test_finite_posterior_by_hand():
    """Bayes' rule on two coins, 3 heads and 1 tail absorbed, then one more head."""
    x, y = np.zeros((2, 2), dtype=np.int64), np.array([[1, 1], [0, 1]])
    coin = FiniteObserver(np.log([0.5, 0.5]), coins([0.3, 0.9])).absorb(x, y)
    a, b = 0.3**3 * 0.7, 0.9**3 * 0.1
    said = coin.predict(np.zeros((1, 2), dtype=np.int64), np.array([[1, 1]]))
    heads = [(0.3 * a + 0.9 * b) / (a + b), (0.3**2 * a + 0.9**2 * b) / (0.3 * a + 0.9 * b)]
    np.testing.assert_allclose(said[0, :, 1], heads, atol=1e-14)


def test_finite_survives_long_and_impossible_evidence():
    x = np.zeros((1, 5000), dtype=np.int64)
    y = np.tile([0, 1, 1, 1, 1], (1, 1000))
    coin = FiniteObserver(np.log([0.5, 0.3, 0.2]), coins([0.8, 0.4, 1.0]))
    for said in (coin.predict(x, y), coin.absorb(x, y).absorb(x, y).predict(x, y)):
        assert np.isfinite(said).all()
        np.testing.assert_allclose(said[0, -1], [0.2, 0.8])
    never = FiniteObserver(np.array([0.0, -np.inf]), coins([1.0, 0.5]))
    after = never.absorb(x, y)
    np.testing.assert_array_equal(never.predict(x[:, :2], y[:, :2])[0], [[0, 1], [0.5, 0.5]])
    np.testing.assert_array_equal(after.absorb(x, y).predict(x, y), np.full((1, 5000, 2), 0.5))


def test_recall_of_the_impossible_is_uniform():
    """No bijection gives two keys one value, or a key two: what is left is spread, then uniform."""
    x, y = np.array([[0, 3, 1, 4, 2]]), np.array([[0, 1, 1, 2, 2]])
    recall = RecallObserver(np.array([-1, -1, -1]), exclusive=True)
    np.testing.assert_allclose(
        recall.predict(x, y)[0, ::2], [[1 / 3, 1 / 3, 1 / 3], [0, 1 / 2, 1 / 2], [0, 0, 1]]
    )
    # Keys 0 and 1 say 0, 1 and 2 between them, which no bijection does: nothing is left for key 2.
    x, y = np.array([[0, 3, 1, 4, 0, 5, 2]]), np.array([[0, 1, 1, 0, 2, 2, 2]])
    np.testing.assert_allclose(recall.predict(x, y)[0, -1], [1 / 3, 1 / 3, 1 / 3])


def test_states_can_be_checkpointed():
    for observer in (
        DirichletObserver(np.ones((4, 4))).absorb(X, Y),
        RecallObserver(np.full(4, -1), exclusive=True).absorb(X, Y),
    ):
        again = pickle.loads(pickle.dumps(observer))
        np.testing.assert_array_equal(again.predict(X, Y), observer.predict(X, Y))


def test_evidence_adds_openings_and_targets():
    """A chain whose first symbol is uniform among 4: the log of a product, found by a loop; breaks are impossible."""
    prior, x = RNG.random((4, 4)) + 0.1, X.copy()
    x[:, 1:] = Y[:, :-1]
    wanted = np.zeros((3, 10)) - np.log(4)
    for b in range(3):
        counts = prior.copy()
        for t in range(9):
            row = counts[x[b, t]]
            wanted[b, t + 1] = wanted[b, t] + np.log(row[Y[b, t]] / row.sum())
            row[Y[b, t]] += 1
    observer = DirichletObserver(prior, format=partial(chain, 1 / 4))
    np.testing.assert_allclose(observer.evidence(x, Y), wanted, rtol=0, atol=1e-12)
    x[:, 5] = (Y[:, 4] + 1) % 4
    broken = observer.evidence(x, Y)
    np.testing.assert_allclose(broken[:, :5], wanted[:, :5], rtol=0, atol=1e-12)
    assert (broken[:, 5:] == -np.inf).all()


def test_evidence_counts_a_first_draw_and_an_opening():
    """Polya's urn, 1/2 2/3 1/4; two coins of which one shows 1 first more often, 1/2 (.3 .9 + .8 .4)."""

    def draws(inputs: Symbols, targets: Symbols) -> Draws:
        symbols = np.hstack([inputs[:, :1], targets])
        return np.zeros_like(symbols), symbols

    urn = DirichletObserver(np.ones((1, 2)), draws, format=partial(chain, 1.0))
    said = urn.evidence(np.array([[1, 1]]), np.array([[1, 0]]))
    np.testing.assert_allclose(np.exp(said), [[1 / 2, 1 / 3, 1 / 12]])

    def explain(inputs: Symbols) -> Explanation:
        opening = np.array([[0.3], [0.8]]) * (inputs[:, 0] == 1)
        return opening, coins([0.9, 0.4])(inputs)[1]

    coin = FiniteObserver(np.log([2.0, 2.0]), explain, format=partial(chain, 1.0))
    said = coin.evidence(np.array([[1, 1]]), np.array([[1, 0]]))
    heads = 0.3 * 0.9 + 0.8 * 0.4
    wanted = [0.55, heads / 2, (0.3 * 0.9 * 0.1 + 0.8 * 0.4 * 0.6) / 2]
    np.testing.assert_allclose(np.exp(said[0]), wanted)


def test_what_is_not_told_does_not_count():
    """Not even where it is no symbol, as a target that nobody was asked for."""

    def format(inputs: Symbols, targets: Symbols) -> InputEvidence:
        return InputEvidence(np.zeros(inputs.shape), np.array([True, False, True]))

    known = KnownObserver(lambda x: np.full((*x.shape, 4), 0.25), format=format)
    said = known.evidence(np.zeros((1, 3), dtype=np.int64), np.array([[3, -100, 1]]))
    np.testing.assert_allclose(said, np.log([[1, 1 / 4, 1 / 4, 1 / 16]]))


def test_no_evidence_rather_than_a_wrong_one():
    class Own(Observer):
        def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
            return np.full((*inputs.shape, 4), 0.25)

        def absorb(self, inputs: Symbols, targets: Symbols) -> Observer:
            return self

    for observer in (Own(), DirichletObserver(np.ones((4, 4))), RecallObserver(X[0], False)):
        name = type(observer).__name__
        with pytest.raises(NotImplementedError, match=f"{name} has no evidence: it does not say"):
            observer.evidence(X, Y)
    for observer in (Own(), RecallObserver(X[0], exclusive=True)):
        with pytest.raises(NotImplementedError, match="cannot renew part 2: its latent has no"):
            observer.renew(2)


def test_renewing_leaves_the_other_contexts():
    prior = RNG.random((4, 4)) + 0.1
    seen = DirichletObserver(prior).absorb(X, Y).absorb(X, Y)
    renewed = seen.renew(1)
    np.testing.assert_array_equal(renewed.counts[1], prior[1])
    np.testing.assert_array_equal(renewed.counts[[0, 2, 3]], seen.counts[[0, 2, 3]])
    again = renewed.absorb(X, Y)
    gained = DirichletObserver(prior).absorb(X, Y).counts - prior
    np.testing.assert_allclose(again.counts[1], prior[1] + gained[1])
    np.testing.assert_array_equal(again.renew(1).counts[1], prior[1])
    assert (seen.counts[1] != prior[1]).any()
    recall = RecallObserver(np.array([2, 0, 1]), exclusive=False).renew(0)
    assert isinstance(recall, RecallObserver) and recall.known.tolist() == [-1, 0, 1]
