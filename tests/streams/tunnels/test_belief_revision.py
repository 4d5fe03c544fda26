from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import product
from math import comb, factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import roots_jacobi

from streams import BeliefRevision

from ..brute import TOLERANCE, worst_gap
from ..exact import assert_calibrated


def length(tunnel: BeliefRevision) -> int:
    return tunnel.candidates * (2 + tunnel.filler) + 2 * tunnel.evidence + 2


@cache
def beta(a: float, b: float) -> list[tuple[float, float]]:
    """Gauss-Jacobi weights and points of Beta(a, b): exact for polynomials of degree 79."""
    points, weights = roots_jacobi(40, b - 1, a - 1)
    return list(zip(weights / weights.sum(), (1 + points) / 2, strict=True))


@cache
def rows(z: int, size: int, c: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights and values of row z, its Dirichlet made by breaking sticks."""
    weights, values = list[float](), list[np.ndarray]()
    for sticks in product(*(beta(c, (size - 1 - i) * c) for i in range(size - 1))):
        left, d = 1.0, list[float]()
        for _, share in sticks:
            d.append(left * share)
            left -= d[-1]
        weights.append(float(np.prod([w for w, _ in sticks])))
        values.append((np.array([*d, left]) + 2 * np.eye(size)[z]) / 3)
    return np.array(weights), np.array(values)


def read(tunnel: BeliefRevision, row: list[int]) -> list[int]:
    """The evidence of one episode, symbol by symbol."""
    symbols = iter(row)
    for z in range(tunnel.candidates):
        assert [next(symbols) for _ in range(2 + tunnel.filler)] == [0, 5 + z] + [1] * tunnel.filler
    assert next(symbols) == 2
    seen = list[int]()
    for _ in range(tunnel.evidence):
        assert next(symbols) == 3
        seen.append(next(symbols) - 5)
    assert list(symbols) == [4]
    return seen


@pytest.mark.parametrize(
    ("size", "evidence", "filler", "c"),
    [(2, 1, 0, 1.0), (2, 4, 1, 0.3), (3, 3, 0, 0.3), (3, 5, 4, 0.7), (1, 2, 0, 0.5)],
)
def test_exact(size: int, evidence: int, filler: int, c: float):
    """Every row integrated numerically, over the likelihood of all evidence as it came."""
    tunnel = BeliefRevision(size, evidence, filler, c)

    def wanted(latent, past_x, past_y, x, y):
        mass, new = np.empty((1, size)), read(tunnel, x.tolist())
        for z in range(size):
            if latent is not None:
                mass[0, z] = np.prod(latent[z, new])
                continue
            past = zip(past_x.tolist(), past_y[:, -1].tolist(), strict=True)
            old = [e for x_before, who in past if who == z for e in read(tunnel, x_before)]
            weights, values = rows(z, size, c)
            likelihood = weights * values[:, old].prod(1)
            mass[0, z] = likelihood @ values[:, new].prod(1) / likelihood.sum()
        return mass / mass.sum()

    assert worst_gap(tunnel, length(tunnel), wanted) < TOLERANCE


def test_equals_monte_carlo():
    """20,000 draws of 16 rows, weighed by what was absorbed: within 5 standard errors.

    At the concentration of the paper the weights have tails too heavy for such errors.
    """
    tunnel, rng = BeliefRevision(16, 3, 4, 1.0), np.random.default_rng(0)
    matrices = tunnel.latents(20_000, rng)
    x, y = tunnel.draw(np.repeat(tunnel.latents(1, rng), 30, axis=0), 104, rng)
    past, (x, y) = (x[:24], y[:24]), (x[24:], y[24:])
    for absorbed in (0, 24):
        observer = tunnel.observer().absorb(past[0][:absorbed], past[1][:absorbed])
        weight = np.ones((20_000, 16))
        for row, who in zip(past[0][:absorbed].tolist(), past[1][:absorbed, -1], strict=True):
            weight[:, who] *= matrices[:, who, read(tunnel, row)].prod(-1)
        weight /= weight.mean(0)
        for row, said in zip(x.tolist(), observer.predict(x, y)[:, -1], strict=True):
            new = matrices[:, :, read(tunnel, row)].prod(-1)
            mean, error = _ratio(weight, new)
            total = mean.sum()
            bound = 5 * (error / total + mean * np.sqrt((error**2).sum()) / total**2)
            assert (np.abs(said - mean / total) < bound).all()


def _ratio(weight: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means, and their standard errors."""
    mean = (weight * value).mean(0)
    return mean, (weight * (value - mean)).std(0) / np.sqrt(len(value))


@pytest.mark.parametrize("tunnel", [BeliefRevision(3, 4, 0, 0.5), BeliefRevision()], ids=repr)
def test_calibrated(tunnel: BeliefRevision):
    assert_calibrated(tunnel, length(tunnel))


def integer_moment(own: int, total: int) -> int:
    """(total + 2)! / 2 E[(d + 2)^own prod of the rest], N = 3, c = 1, without the rest's factorials."""
    tail, moment = 1, 0
    for i in range(own, -1, -1):
        moment += comb(own, i) * 2 ** (own - i) * factorial(i) * tail
        tail *= total - own + i + 2
    return moment


def test_long_memory_equals_integers():
    """Hundreds of pieces absorbed, and every digit kept: ratios of big integers."""
    tunnel, c = BeliefRevision(3, 2, 0, 1.0), np.array([[400, 70, 30], [0, 0, 0], [1, 299, 600]])
    x = np.array([[0, 5, 0, 6, 0, 7, 2, 3, 5 + j, 3, 5 + k, 4] for j in range(3) for k in range(3)])
    said = replace(tunnel.observer(), counts=c).predict(x, np.zeros_like(x))[:, -1]
    for row, p in zip(x.tolist(), said, strict=True):
        seen, mass = read(tunnel, row), list[Fraction]()
        for z, counts in enumerate(c.tolist()):
            new, ratio = counts.copy(), 1
            for e in seen:
                new[e] += 1
                ratio *= new[e] if e != z else 1
            later, before = (
                Fraction(integer_moment(m[z], sum(m)), factorial(sum(m) + 2)) for m in (new, counts)
            )
            mass.append(ratio * later / before)
        wanted = [float(m / sum(mass)) for m in mass]
        np.testing.assert_allclose(p, wanted, atol=TOLERANCE)


def test_evidence_without_end():
    """After 20,000 episodes the moments are still finite, and the row is known."""
    tunnel, rng = BeliefRevision(4, 5, 0, 0.3), np.random.default_rng(0)
    matrix = tunnel.latents(1, rng)
    x, y = tunnel.draw(np.repeat(matrix, 20_000, axis=0), length(tunnel), rng)
    wise = tunnel.observer().absorb(x, y).predict(x[:500], y[:500])
    known = tunnel.informed(matrix).predict(x[:500], y[:500])
    assert np.abs(wise - known)[:, -1].mean() < 0.002


def test_impossible_evidence_leaves_the_uniform():
    """At concentration .001 rows hold zeros; another world's matrix can rule out every candidate."""
    tunnel = BeliefRevision(2, 2, 0, 0.001)
    x, y = np.array([[0, 5, 0, 6, 2, 3, 5, 3, 6, 4]]), np.zeros((1, 10), dtype=np.int64)
    np.testing.assert_array_equal(tunnel.informed(np.eye(2)[None]).predict(x, y), 0.5)


@given(st.permutations(range(4)), st.permutations(range(3)), st.integers(0, 2**32 - 1))
def test_neither_names_nor_order_matter(names: list[int], order: list[int], seed: int):
    """Rename the candidates, shuffle the evidence: the prediction is renamed."""
    tunnel, rng = BeliefRevision(4, 3, 1, 0.3), np.random.default_rng(seed)
    x, y = tunnel.draw(np.repeat(tunnel.latents(1, rng), 5, axis=0), 20, rng)
    said = tunnel.observer().absorb(x[:4], y[:4]).predict(x[4:], y[4:])[:, -1]
    renamed = np.array(names)
    x[:, -6:-1:2] = renamed[x[:, -6:-1:2] - 5][:, order] + 5
    y[:, -1] = renamed[y[:, -1]]
    moved = tunnel.observer().absorb(x[:4], y[:4]).predict(x[4:], y[4:])[:, -1]
    np.testing.assert_allclose(moved[:, renamed], said, atol=1e-12)


def test_draws():
    """Z is uniform and evidence comes from its row, to 5 standard errors."""
    tunnel, rng = BeliefRevision(3, 4, 0, 0.3), np.random.default_rng(0)
    matrix = tunnel.latents(1, rng)
    assert (matrix[0].diagonal() >= 2 / 3).all()
    np.testing.assert_allclose(matrix.sum(-1), 1)
    x, y = tunnel.draw(np.repeat(matrix, 20_000, axis=0), 16, rng)
    np.testing.assert_allclose(np.bincount(y[:, -1]) / 20_000, 1 / 3, atol=0.0167)
    for z in range(3):
        seen = x[y[:, -1] == z][:, 8:-1:2].ravel() - 5
        error = 5 * np.sqrt(matrix[0, z] / len(seen))
        assert (np.abs(np.bincount(seen, minlength=3) / len(seen) - matrix[0, z]) < error).all()


def test_prior():
    """Rows beside the diagonal have mean (1 - 1/N) / 3 in all, and the variance of a Dirichlet's."""
    d = 3 * BeliefRevision(5, concentration=0.4).latents(20_000, np.random.default_rng(0))[:, 0]
    d -= [2, 0, 0, 0, 0]
    variance = 0.2 * 0.8 / (5 * 0.4 + 1)
    np.testing.assert_allclose(d.mean(0), 0.2, atol=5 * np.sqrt(variance / 20_000))
    np.testing.assert_allclose(d.var(0), variance, rtol=0.05)


def test_format():
    """Published: 16 candidates of 6 symbols each, 5 pieces of evidence, 108 in all."""
    tunnel, rng = BeliefRevision(), np.random.default_rng(0)
    x, y = tunnel.draw(tunnel.latents(4, rng), 108, rng)
    assert (tunnel.vocab, tunnel.symbols) == (21, 16)
    assert np.flatnonzero(tunnel.asked(108)).tolist() == [107]
    assert all(len(read(tunnel, row)) == 5 for row in x.tolist())
    assert not y[:, :-1].any()


def test_refuses():
    tunnel, rng = BeliefRevision(), np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"sequences of 108 symbols .* not 107"):
        tunnel.draw(tunnel.latents(1, rng), 107, rng)


def test_names_itself():
    wanted = "BeliefRevision(candidates=2, evidence=3, filler=0, concentration=0.5)"
    assert repr(BeliefRevision(2, 3, 0, 0.5)) == wanted
