from math import comb

import numpy as np
import pytest

from streams import SULA

from ..exact import entropy

PUBLISHED = {0: 1.0, 1: 0.469, 2: 0.258, 4: 0.078, 8: 0.008}
"""Mean entropy in bits, by the number of examples."""


def posterior(k: int, ones: int, right: float) -> float:
    """Bayes' rule from the two likelihoods: the chance that the right label is 1."""
    one = right**ones * (1 - right) ** (k - ones)
    zero = right ** (k - ones) * (1 - right) ** ones
    return one / (one + zero)


@pytest.mark.parametrize(("k", "bits"), PUBLISHED.items())
def test_published_entropies(k: int, bits: float) -> None:
    """Mean over the binomial law of the votes; and of what the tunnel draws and its observer says."""
    mean = 0.0
    for ones in range(k + 1):
        p = posterior(k, ones, 0.9)
        law = comb(k, ones) * (0.9**ones * 0.1 ** (k - ones) + 0.1**ones * 0.9 ** (k - ones)) / 2
        mean += law * float(entropy(np.array([p, 1 - p])))
        assert p == pytest.approx(1 / (1 + 9.0 ** (k - 2 * ones)))
    assert mean == pytest.approx(bits, abs=5e-4)

    tunnel, rng, time = SULA(), np.random.default_rng(k), 2 * k + 1
    x, y = tunnel.draw(tunnel.latents(20_000, rng), time, rng)
    said = tunnel.observer().predict(x, y)[:, -1]
    each = [posterior(k, int(ones), 0.9) for ones in x[:, 1::2].sum(1)]
    np.testing.assert_allclose(said[:, 1], each, atol=1e-12)
    assert entropy(said).mean() == pytest.approx(bits, abs=0.006)  # 5 standard errors at k = 2
    assert (y[:, -1] == said.argmax(-1)).mean() == pytest.approx(
        np.maximum(said, 1 - said).max(-1).mean(), abs=0.02
    )


def test_shuffled_labels_say_nothing() -> None:
    tunnel, rng = SULA(shuffled=True), np.random.default_rng(0)
    x, y = tunnel.draw(tunnel.latents(5000, rng), 17, rng)
    assert (tunnel.observer().predict(x, y)[:, -1] == 0.5).all()
    agree = (x[:, 1::2] == y[:, -1:]).mean()
    assert agree == pytest.approx(0.5, abs=0.02)
    assert (tunnel.informed(y[:, -1]).predict(x, y)[:, -1].argmax(-1) == y[:, -1]).all()


def test_the_right_label_is_carried_over() -> None:
    tunnel = SULA()
    x, y = tunnel.draw(np.array([1, 1]), 5, np.random.default_rng(0))
    known = tunnel.observer().absorb(x[:1], y[:1])
    assert known.predict(x, y)[:, -1, 1] == pytest.approx(1.0)


@pytest.mark.parametrize("time", [0, 2, 16])
def test_refuses_a_length(time: int) -> None:
    with pytest.raises(ValueError, match=f"2 k \\+ 1 symbols, k examples, not {time}"):
        SULA().draw(np.array([0]), time, np.random.default_rng(0))
