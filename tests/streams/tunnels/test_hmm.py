from functools import cache, partial
from itertools import pairwise, product

import numpy as np
import pytest
from hmmlearn.hmm import CategoricalHMM

from streams import HMM

from ..exact import Episode, assert_calibrated, assert_exact, mixture

TUNNEL = HMM(states=2, symbols=3, library=3, concentration=0.7, seed=5)


SAME_CHAIN = HMM(states=2, symbols=3, library=3, concentration=0.7, seed=5, share="transition")
SAME_SHOW = HMM(states=2, symbols=3, library=3, concentration=0.7, seed=5, share="emission")


@cache
def law(tunnel: HMM, model: int, episode: Episode) -> float:
    """Sum over every hidden path."""
    a, e, states = tunnel.transition[model], tunnel.emission[model], tunnel.states
    return sum(
        float(np.prod([a[i, j] for i, j in pairwise(path)]) * np.prod(e[list(path), list(episode)]))
        / states
        for path in product(range(states), repeat=len(episode))
    )


@pytest.mark.parametrize("tunnel", [TUNNEL, SAME_CHAIN, SAME_SHOW], ids=repr)
def test_exact(tunnel: HMM):
    its_law = partial(law, tunnel)
    joint = mixture(((1 / 3, model) for model in range(3)), its_law)
    assert_exact(tunnel, joint, its_law, time=4)


def test_what_models_share():
    """The matrix shared is the first model's, the other one is as it was; the first model is the same in all."""
    for tunnel, same, other in (
        (SAME_CHAIN, "transition", "emission"),
        (SAME_SHOW, "emission", "transition"),
    ):
        alone = getattr(TUNNEL, same)
        np.testing.assert_array_equal(getattr(tunnel, same), np.repeat(alone[:1], 3, axis=0))
        np.testing.assert_array_equal(getattr(tunnel, other), getattr(TUNNEL, other))
        assert len(np.unique(alone, axis=0)) == 3


def test_calibrated():
    assert_calibrated(TUNNEL, time=6)


def test_filter_equals_hmmlearn():
    """p(o_{t+1} | o_0..o_t) as a ratio of two likelihoods that hmmlearn computes."""
    tunnel = HMM(states=4, symbols=5, library=2, concentration=0.5, seed=1)
    rng = np.random.default_rng(0)
    latents = np.array([0, 1])
    x, y = tunnel.draw(latents, 12, rng)
    said = tunnel.informed(latents).predict(x, y)
    for model in latents:
        oracle = CategoricalHMM(n_components=4, n_features=5)
        oracle.startprob_ = np.full(4, 0.25)
        oracle.transmat_ = tunnel.transition[model]
        oracle.emissionprob_ = tunnel.emission[model]
        for t in range(12):
            seen = x[model, : t + 1, None]
            score = [oracle.score(np.vstack([seen, [[k]]])) for k in range(5)]
            wanted = np.exp(np.array(score) - oracle.score(seen))
            np.testing.assert_allclose(said[model, t], wanted, atol=1e-10)


def test_impossible_models_are_ruled_out():
    """At concentration 0.02 rows hold zeros; the filters of wrong models meet the impossible."""
    tunnel, rng = HMM(5, 5, 8, 0.02, 0), np.random.default_rng(0)
    x, y = tunnel.draw(np.full(4, 3), 40, rng)
    wise = tunnel.observer().absorb(x, y)
    np.testing.assert_allclose(wise.predict(x, y), tunnel.informed(np.array([3])).predict(x, y))


def test_library_is_a_function_of_its_seed():
    same, other = HMM(seed=0), HMM(seed=1)
    np.testing.assert_array_equal(HMM(seed=0).transition, same.transition)
    assert not np.allclose(other.emission, same.emission)


def test_refuses():
    with pytest.raises(ValueError, match="time"):
        TUNNEL.draw(np.array([0]), 0, np.random.default_rng(0))


def test_names_itself():
    assert (
        repr(TUNNEL)
        == "HMM(states=2, symbols=3, library=3, concentration=0.7, seed=5, share='nothing')"
    )
