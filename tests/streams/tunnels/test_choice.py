from itertools import product
from typing import Any

import numpy as np
import pytest

from plasticity import Tunnel
from streams import Choice

from ..exact import assert_calibrated, entropy

USERS = np.array([w for w in product((-1, -0.5, 0, 0.5, 1), repeat=4) if any(w)])


def choices(worth: np.ndarray, weights: np.ndarray, noise: float = 0.0) -> np.ndarray:
    """p(option | weights) for options of this worth (n, 3, F): (n, users, 3), in floating point."""
    utility = np.einsum("nof,hf->nho", worth, weights)
    if noise:
        mass = np.exp(utility / noise)
    else:
        mass = (utility > utility.max(-1, keepdims=True) - 1e-9).astype(float)
    return mass / mass.sum(-1, keepdims=True)


def shown(tunnel: Choice, x: np.ndarray, rounds: int) -> np.ndarray:
    """Worth of what was shown, (batch, rounds, 3, F): read symbol by symbol."""
    found = np.full((len(x), rounds, 3, tunnel.features), np.nan)
    for row, r, o in product(range(len(x)), range(rounds), range(3)):
        at = r * (3 * tunnel.features + 1) + o * tunnel.features
        for symbol in x[row, at : at + tunnel.features]:
            feature, level = divmod(int(symbol) - 3, tunnel.levels)
            found[row, r, o, feature] = level / (tunnel.levels - 1)
    assert not np.isnan(found).any()
    return found


@pytest.fixture(scope="module")
def flights() -> dict[str, Any]:
    """3,000 users in six rounds, and the posterior over the 624, by enumeration."""
    tunnel, rng, n = Choice(levels=101), np.random.default_rng(0), 3000
    mine = tunnel.latents(n, rng)
    x, y = tunnel.draw(mine, 13 * 6 - 1, rng)
    worth, taken = shown(tunnel, x, 6), y[:, tunnel.asked(x.shape[1])]
    likelihood, means, bits, known = np.ones((n, 624)), [], [], []
    for r in range(6):
        weights = likelihood / likelihood.sum(1, keepdims=True)
        bits.append(entropy(weights).mean())
        law = choices(worth[:, r], USERS)
        means.append(np.einsum("nh,nho->no", weights, law))
        known.append(
            np.array([choices(worth[i : i + 1, r], mine[i : i + 1] / 2)[0, 0] for i in range(n)])
        )
        likelihood *= law[np.arange(n), :, taken[:, r]]
    return {
        "tunnel": tunnel, "x": x, "y": y, "taken": taken, "latents": mine, "bits": bits,
        "amnesic": np.stack(means, 1), "informed": np.stack(known, 1),
    }  # fmt: skip


def test_observers_are_the_enumerated_ones(flights: dict[str, Any]) -> None:
    tunnel, x, y = flights["tunnel"], flights["x"], flights["y"]
    asked = tunnel.asked(x.shape[1])
    assert asked.sum() == 6 and np.flatnonzero(asked).tolist() == [11, 24, 37, 50, 63, 76]
    few = slice(0, 500)
    said = tunnel.observer().predict(x[few], y[few])
    np.testing.assert_allclose(said[:, asked], flights["amnesic"][few], atol=1e-10)
    known = tunnel.informed(flights["latents"]).predict(x, y)
    np.testing.assert_allclose(known[:, asked], flights["informed"], atol=1e-12)
    held = np.repeat(flights["latents"][:1], 6, axis=0)
    x, y = tunnel.draw(held, 25, np.random.default_rng(1))
    worth, taken = shown(tunnel, x, 2), y[:, tunnel.asked(25)]
    law = np.stack([choices(worth[:, r], USERS) for r in range(2)], 1)
    weights = np.take_along_axis(law[:5], taken[:5, :, None, None], 3)[..., 0].prod((0, 1))
    wanted = np.einsum("h,nho->no", weights / weights.sum(), law[5:, 0])
    later = tunnel.observer().absorb(x[:5], y[:5]).predict(x[5:], y[5:])
    np.testing.assert_allclose(later[:, 11], wanted, atol=1e-10)


def test_published_figures(flights: dict[str, Any]) -> None:
    """Accuracy within 3 standard errors of two samples of 3,000 users; bits as they are at 101 levels."""
    said, taken, known = (flights[k] for k in ("amnesic", "taken", "informed"))
    best = said > said.max(-1, keepdims=True) - 1e-12
    right = np.take_along_axis(best / best.sum(-1, keepdims=True), taken[..., None], -1).mean(
        (0, 2)
    )
    published = np.array([0.389, 0.566, 0.657, 0.731, 0.769, 0.809])
    error = np.sqrt(2 * published * (1 - published) / 3000)
    assert (np.abs(right - published) < 3 * error).all(), right
    ratio = np.where(known > 0, known / np.where(known > 0, said, 1), 1)
    kl = (known * np.log2(ratio)).sum(-1).mean(0)
    np.testing.assert_allclose(kl, [1.55, 1.28, 1.02, 0.84, 0.70, 0.57], atol=0.06)
    assert flights["bits"][0] == pytest.approx(np.log2(624)) == pytest.approx(9.29, abs=5e-3)
    assert flights["bits"][5] == pytest.approx(3.89, abs=0.1)


def test_a_softmax_is_noisy_and_nears_the_best_as_noise_falls() -> None:
    noisy, rng = Choice(features=2, levels=5, noise=0.3), np.random.default_rng(2)
    x, y = noisy.draw(noisy.latents(200, rng), 13, rng)
    two = np.array([w for w in product((-1, -0.5, 0, 0.5, 1), repeat=2) if any(w)])
    law = choices(shown(noisy, x, 2)[:, 0], two, 0.3)
    np.testing.assert_allclose(noisy.observer().predict(x, y)[:, 5], law.mean(1), atol=1e-12)
    sure = Choice(features=2, levels=5).observer().predict(x, y)[:, 5]
    nearly = Choice(features=2, levels=5, noise=1e-3).observer().predict(x, y)[:, 5]
    np.testing.assert_allclose(nearly, sure, atol=1e-12)
    assert np.abs(law.mean(1) - sure).max() > 0.05


def test_order_moves_the_features_of_every_option() -> None:
    """The same user in the same shop, written otherwise; and five features have the symbols of four, and more."""
    plain, turned = Choice(4, 3), Choice(4, 3, order=[2, 0, 3, 1])
    latents = plain.latents(50, np.random.default_rng(0))
    (x, y), (u, v) = (t.draw(latents, 25, np.random.default_rng(1)) for t in (plain, turned))
    np.testing.assert_array_equal(y, v)
    blocks, moved = x[:, :12].reshape(-1, 3, 4), u[:, :12].reshape(-1, 3, 4)
    np.testing.assert_array_equal(moved, blocks[..., [2, 0, 3, 1]])
    np.testing.assert_allclose(turned.observer().predict(u, v), plain.observer().predict(x, y))
    assert (plain.vocab, Choice(5, 3).vocab, len(Choice(5, 3).observer().log_weights)) == (
        15,
        18,
        3124,
    )


@pytest.mark.parametrize("tunnel", [Choice(2, 3), Choice(2, 4, 0.5)], ids=repr)
def test_calibrated(tunnel: Tunnel) -> None:
    assert_calibrated(tunnel, 20)


def test_refuses() -> None:
    with pytest.raises(
        ValueError, match=r"order: expected each of 0 to 3 once, got \[0, 1, 2, 2\]"
    ):
        Choice(order=[0, 1, 2, 2])
    with pytest.raises(ValueError, match="sequences of 13 k - 1 symbols, k rounds, not 13"):
        Choice().draw(np.ones((1, 4), dtype=np.int64), 13, np.random.default_rng(0))
