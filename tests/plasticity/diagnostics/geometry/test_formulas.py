"""Formulas of the inside, on data with planted answers and against other ways to compute them."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from plasticity.diagnostics.geometry import belief, effects, glossary, keys, routing, values

RNG = np.random.default_rng(0)


def test_orthogonal_keys_have_no_cosine_and_random_ones_what_chance_says() -> None:
    assert keys.mean_cosine(np.eye(5)[:, ::-1] * 3) == 0
    assert keys.mean_cosine(np.ones((4, 3))) == pytest.approx(1)
    one = np.array([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0]])
    assert keys.mean_cosine(one) == pytest.approx((2**-0.5 + 1 + 2**-0.5) / 3)
    rows = RNG.standard_normal((300, 64))
    assert keys.mean_cosine(rows) == pytest.approx(keys.chance_cosine(64), rel=0.02)


def test_matched_keys_have_the_second_moments_of_these() -> None:
    """Of isotropic vectors, so many that moments are isotropic too, chance; of vectors on one line, 1."""
    rng = np.random.default_rng(1)
    line = np.outer(rng.standard_normal(6), rng.standard_normal(9))
    assert keys.matched_cosine(line, rng) == pytest.approx(1)
    assert keys.matched_cosine(np.eye(64), rng) == pytest.approx(keys.chance_cosine(64), rel=0.05)


def planted(
    n: int = 200, asked: int = 6, width: int = 10
) -> tuple[values.States, values.Bits, np.ndarray]:
    """(states whose leading axis is entropy, entropy, that axis)."""
    rng = np.random.default_rng(2)
    entropy = rng.gamma(2.0, size=(n, asked))
    axis = rng.standard_normal(width)
    axis /= np.linalg.norm(axis)
    noise = rng.standard_normal((n, asked, width)) * 0.05
    noise -= (noise @ axis)[..., None] * axis
    return 3 * entropy[..., None] * axis + noise + 1, entropy, axis


def test_a_planted_entropy_axis_is_found() -> None:
    states, entropy, axis = planted()
    found = values.principal(states)
    assert abs(found.axes[0] @ axis) == pytest.approx(1, abs=1e-6)
    coordinate = found.along(states)
    for rho in (values.pooled_rho, values.within_rho):
        assert rho(coordinate, entropy) == pytest.approx(1)
        assert rho(-coordinate, entropy) == pytest.approx(1), "the sign of an axis is free"
        assert rho(coordinate, values.shuffled(entropy, RNG)) < 0.15
    assert values.shares(found.variances)[0] > 0.99
    assert effects.leading(belief.ridge(states, entropy[..., None]), np.eye(10))[
        0
    ] @ axis == pytest.approx(1, abs=1e-3)


def test_entropy_that_is_position_is_none_within_positions() -> None:
    """As where keys are drawn without replacement."""
    place = np.broadcast_to(np.arange(6.0), (200, 6))
    noisy = place + 0.01 * RNG.standard_normal((200, 6))
    assert values.pooled_rho(noisy, place) > 0.98
    assert values.within_rho(noisy, place) == 0
    mixed = place + RNG.standard_normal((200, 6))
    wanted = abs(np.mean([float(spearmanr(noisy[:, t], mixed[:, t])[0]) for t in range(6)]))  # pyright: ignore[reportArgumentType]
    assert values.within_rho(noisy, mixed) == pytest.approx(wanted)
    assert values.pooled_rho(noisy, mixed) == pytest.approx(
        spearmanr(noisy.ravel(), mixed.ravel())[0]
    )


def test_shares_of_noise_are_those_of_marchenko_and_pastur() -> None:
    noise = RNG.standard_normal((400, 10, 20)) * 5
    found = values.shares(values.principal(noise).variances)
    assert found == pytest.approx(values.isotropic(4000, 20), rel=0.04)
    line = np.outer(RNG.standard_normal(4000), RNG.standard_normal(20)).reshape(400, 10, 20)
    assert values.shares(values.principal(line).variances) == pytest.approx((1, 1, 1))
    loose = values.shares(values.principal(values.unlinked(line, RNG)).variances)
    spread = values.unlinked(line, RNG).reshape(-1, 20).var(0)
    assert loose[0] == pytest.approx(spread.max() / spread.sum(), rel=0.1)


def test_ridge_reads_what_is_linear_and_nothing_else() -> None:
    rng = np.random.default_rng(3)
    states = rng.standard_normal((160, 5, 8))
    weights = rng.standard_normal((8, 3))
    linear = states @ weights + 2
    assert belief.readable(states, linear) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(belief.ridge(states, linear).weights, weights, atol=1e-4)
    assert abs(belief.readable(states, rng.standard_normal((160, 5, 3)))) < 0.1
    assert belief.readable(states, states[..., :1] ** 2) < 0.1, "even"
    half = linear + np.sqrt(linear.var((0, 1))) * rng.standard_normal(linear.shape)
    assert belief.readable(states, half) == pytest.approx(0.5, abs=0.08)


def test_cells_are_the_trivial_read_out() -> None:
    rng = np.random.default_rng(4)
    cell = rng.integers(4, size=(160, 5))
    told = rng.standard_normal((4, 2))[cell]
    assert belief.cell_r2(told, cell) == pytest.approx(1)
    assert belief.belief_r2(np.eye(4)[cell], told, cell) == pytest.approx(0, abs=1e-6)
    noise, each = rng.standard_normal((8, 5, 2)), np.arange(40).reshape(8, 5)
    assert belief.cell_r2(noise, each) == 0, "a cell for every target says nothing of others"
    hidden = rng.standard_normal((160, 5, 2))
    assert belief.belief_r2(hidden, told + hidden, cell) == pytest.approx(
        belief.readable(hidden, told + hidden) - belief.cell_r2(told + hidden, cell)
    )


def test_alignment_by_hand() -> None:
    mask = np.zeros((1, 3, 3), bool)
    mask[0, 2, 0] = True
    uniform = np.tri(3)[None] / np.array([1, 2, 3])[:, None]
    assert routing.alignment(uniform, mask) == pytest.approx(0)
    onto = np.array([[[1.0, 0, 0], [1, 0, 0], [1, 0, 0]]])
    assert routing.alignment(onto, mask) == pytest.approx(2 / 3)
    assert routing.alignment_next(onto, mask) == pytest.approx(-1 / 3)
    assert routing.best_fixed(mask) == pytest.approx(2 / 3), "two back"
    assert np.isnan(routing.alignment(onto, mask & False))


def test_focus_is_averaged_after_the_entropy() -> None:
    sharp = np.stack([np.eye(4), np.eye(4, k=-1)])
    sharp[1, 0, 0] = 1
    assert routing.focus(sharp) == 0
    assert routing.focus(routing.profile(sharp)) == pytest.approx(
        np.mean([1 / np.log2(t + 1) for t in (1, 2, 3)])
    )
    uniform = np.tri(4)[None] / np.arange(1, 5)[:, None]
    assert routing.focus(uniform) == pytest.approx(1)
    assert routing.gaussian_focus(uniform, RNG) == pytest.approx(1), "scores without variance"
    rng = np.random.default_rng(5)
    scores = np.where(np.tri(20, dtype=bool), 2 * rng.standard_normal((100, 20, 20)), -np.inf)
    noise = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    assert routing.focus(noise) == pytest.approx(routing.gaussian_focus(noise, rng), abs=0.02)


def test_routing_and_subspaces_move_from_0_to_1() -> None:
    stay, back = np.eye(4)[None, None], np.eye(4, k=-1)[None, None] + np.diag([1.0, 0, 0, 0])
    assert routing.routing_tv(stay, stay) == 0 and routing.routing_tv(stay, back) == 1
    rng = np.random.default_rng(6)
    rows = rng.standard_normal((300, 4, 2)) * (3, 2)
    one = np.concatenate([rows, np.zeros_like(rows)], -1)
    other = np.concatenate([np.zeros_like(rows), rows], -1)
    turned = one @ np.kron(np.eye(2), [[0.6, 0.8], [-0.8, 0.6]])
    assert routing.subspace_moved(one, turned, 2) == pytest.approx(0, abs=1e-9)
    assert routing.subspace_moved(one, other, 2) == pytest.approx(1)
    noise = rng.standard_normal((2, 40, 100, 30))
    assert routing.subspace_moved(noise[0], noise[1], 6) == pytest.approx(1 - 6 / 30, abs=0.08)


def test_settled_is_the_first_checkpoint_from_which_it_holds() -> None:
    steps = [0, 10, 20, 30, 40]
    found = routing.settled(steps, [0.5, 0.05, 0.2, 0.09, 0.0], [1.0, 0.5, 0.11, 0.2, 0.1])
    assert found == (30, 40, pytest.approx(4 / 3))
    early = routing.settled(steps, [0.5, 0.05, 0.05, 0.0, 0.0], [1.0, 0.5, 0.2, 0.109, 0.1])
    assert early == (10, 30, 3)
    still = routing.settled(steps, [0.0] * 5, [1.0, 0.5, 0.2, 0.109, 0.1])
    assert still[:2] == (0, 30) and math.isnan(still.ratio), (
        "what never moved, nothing is later than"
    )


def test_bits_are_relative_entropy() -> None:
    p, q = np.array([[0.5, 0.25, 0.25]]), np.array([[0.25, 0.25, 0.5]])
    assert effects.bits(p, q) == pytest.approx(0.5 * 1 + 0 - 0.25)
    assert effects.bits(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])) == 1
    assert effects.lost(p, p, q) == effects.bits(p, q)[0]


@pytest.mark.parametrize("share", [0.001, 0.02, 0.1, 0.5, 0.9])
def test_matched_directions_remove_the_variance_that_was_asked_for(share: float) -> None:
    rng = np.random.default_rng(7)
    axes = np.linalg.qr(rng.standard_normal((16, 16)))[0]
    covariance = (axes * 2.0 ** -np.arange(16)) @ axes.T
    variance = share * float(np.trace(covariance))
    draws = [effects.matched(covariance, variance, rng) for _ in range(20)]
    for u in draws:
        np.testing.assert_allclose(u @ u.T, np.eye(len(u)), atol=1e-9)
        assert effects.removed(u, covariance) == pytest.approx(share, rel=1e-3)
    pairs = itertools.combinations([u[0] for u in draws], 2)
    assert np.mean([abs(a @ b) for a, b in pairs]) < 0.9, "they differ"


def test_a_swap_says_whose_belief_it_is() -> None:
    """What is said by the donor's belief is the donor's; judged by strangers of the same law, nobody's."""
    rng = np.random.default_rng(8)
    own, donor, stranger = rng.dirichlet(np.full(4, 0.5), size=(3, 20_000))
    said = 0.98 * donor + 0.005
    assert effects.swap_margin(own, donor, said) > 0.5
    assert effects.swap_margin(donor, own, said) < -0.5
    assert abs(effects.swap_margin(own, stranger, said)) < 0.05


def test_every_number_is_explained_once() -> None:
    ids = [entry.id for entry in glossary()]
    assert len(set(ids)) == len(ids) and all(entry.formula for entry in glossary())
    assert {"keys/cosine", "values/pr", "swap", "precision/settled"} <= set(ids)
