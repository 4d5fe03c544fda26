from collections import Counter
from collections.abc import Iterator
from itertools import product
from math import exp, lgamma, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasticity.core.tunnel import Symbols
from plasticity.observers.conjugate import DirichletObserver, Draws
from streams import ContextTree, Markov
from streams.tunnels.context_tree import contexts

from ..brute import TOLERANCE, worst_gap
from ..exact import assert_calibrated, entropy

Context = tuple[int, ...]
"""The last symbols, the newest first."""
Tree = frozenset[Context]
"""Its leaves."""


def trees(symbols: int, depth: int, stop: float, at: Context = ()) -> Iterator[tuple[float, Tree]]:
    """Every tree below a context, with its prior probability."""
    if len(at) == depth:
        yield 1.0, frozenset([at])
        return
    yield stop, frozenset([at])
    below = [list(trees(symbols, depth, stop, (*at, k))) for k in range(symbols)]
    for children in product(*below):
        yield (
            (1 - stop) * prod(p for p, _ in children),
            frozenset().union(*(t for _, t in children)),
        )


def draws(x: list[int], depth: int) -> list[tuple[Context, int]]:
    """Context of depth D and symbol of each draw of a chain."""
    return [(tuple(x[t - depth : t][::-1]), x[t]) for t in range(depth, len(x))]


def evidence(tree: Tree, seen: list[tuple[Context, int]], symbols: int, alpha: float) -> float:
    """Every leaf's law integrated out: a ratio of multivariate beta functions each."""
    leaves: dict[Context, Counter[int]] = {leaf: Counter() for leaf in tree}
    for context, k in seen:
        (leaf,) = (context[:d] for d in range(len(context) + 1) if context[:d] in tree)
        leaves[leaf][k] += 1
    log = 0.0
    for n in leaves.values():
        log += sum(lgamma(alpha + c) - lgamma(alpha) for c in n.values())
        log += lgamma(symbols * alpha) - lgamma(symbols * alpha + n.total())
    return exp(log)


def deviation(tunnel: ContextTree, time: int) -> float:
    """From the mixture over all trees."""
    size, depth = tunnel.symbols, tunnel.depth
    every = list(trees(size, depth, tunnel.stop))
    assert sum(p for p, _ in every) == pytest.approx(1)

    def wanted(latent, past_x, past_y, x, y):
        past = [
            draws([*a, b[-1]], depth) for a, b in zip(past_x.tolist(), past_y.tolist(), strict=True)
        ]
        new = draws([*x.tolist(), y[-1].item()], depth)
        mass = np.empty((len(new), size))
        for i, k in product(range(len(new)), range(size)):
            if latent is not None:
                code = sum(s * size**j for j, s in enumerate(new[i][0]))
                mass[i, k] = latent[code, k]
                continue
            seen = [*sum(past, []), *new[:i], (new[i][0], k)]
            mass[i, k] = sum(p * evidence(t, seen, size, tunnel.concentration) for p, t in every)
        return mass / mass.sum(1, keepdims=True)

    return worst_gap(tunnel, time, wanted)


@pytest.mark.parametrize(
    ("tunnel", "time", "number"),
    [
        (ContextTree(2, 3), 8, 26),
        (ContextTree(2, 2, 0.3, 0.2), 9, 5),
        (ContextTree(3, 2, 1.5, 0.6), 7, 9),
        (ContextTree(2, 3, 0.5, 0.0), 7, 26),
        (ContextTree(2, 3, 0.5, 1.0), 7, 26),
        (ContextTree(2, 1), 1, 2),
    ],
    ids=repr,
)
def test_exact(tunnel: ContextTree, time: int, number: int):
    assert len(list(trees(tunnel.symbols, tunnel.depth, tunnel.stop))) == number
    assert deviation(tunnel, time) < TOLERANCE


def test_calibrated():
    assert_calibrated(ContextTree(3, 2), time=8)


@pytest.mark.parametrize("alpha", [0.3, 2.0])
def test_a_tree_that_always_splits_is_a_chain(alpha: float):
    """Stop = 0, after earlier episodes too: at depth 1 Markov, at depth 2 a chain of pairs."""
    markov, rng = Markov(4, alpha), np.random.default_rng(0)
    x, y = markov.draw(np.repeat(markov.latents(1, rng), 8, axis=0), 30, rng)

    def pairs(x: Symbols, y: Symbols) -> Draws:
        return 4 * np.roll(x, 1, axis=1) + x + 16 * (np.arange(30) == 0), y

    second = DirichletObserver(np.full((32, 4), alpha), pairs)
    for depth, other in ((1, markov.observer()), (2, second)):
        ours, theirs = (
            observer.absorb(x[:4], y[:4]).predict(x[4:], y[4:])[:, depth - 1 :]
            for observer in (ContextTree(4, depth, alpha, 0.0).observer(), other)
        )
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("depth", [1, 3])
def test_a_tree_that_never_splits_is_an_urn(depth: int):
    tunnel, rng = ContextTree(4, depth, 0.5, 1.0), np.random.default_rng(0)
    x, y = tunnel.draw(np.repeat(tunnel.latents(1, rng), 8, axis=0), 30, rng)
    urn = DirichletObserver(np.full((1, 4), 0.5), lambda x, y: (0 * y, y))
    ours = tunnel.observer().absorb(x[:4], y[:4]).predict(x[4:], y[4:])
    x, y = x[:, depth - 1 :], y[:, depth - 1 :]
    theirs = urn.absorb(x[:4], y[:4]).predict(x[4:], y[4:])
    np.testing.assert_allclose(ours[:, depth - 1 :], theirs, atol=1e-12)


@given(st.permutations(range(3)), st.integers(0, 2**32 - 1))
def test_names_of_symbols_do_not_matter(names: list[int], seed: int):
    tunnel, rng = ContextTree(3, 2), np.random.default_rng(seed)
    x, y = tunnel.draw(np.repeat(tunnel.latents(1, rng), 5, axis=0), 12, rng)
    renamed = np.array(names)
    said, moved = (
        tunnel.observer().absorb(a[:3], b[:3]).predict(a[3:], b[3:])
        for a, b in ((x, y), (renamed[x], renamed[y]))
    )
    np.testing.assert_allclose(moved[..., renamed], said, atol=1e-12)


def test_evidence_without_end():
    """2,000 episodes: weights of nodes stay numbers, and the tree is known."""
    tunnel, rng = ContextTree(2, 8, 0.5, 0.3), np.random.default_rng(0)
    latent = tunnel.latents(1, rng)
    x, y = tunnel.draw(np.repeat(latent, 2000, axis=0), 100, rng)
    wise = tunnel.observer().absorb(x, y).predict(x[:50], y[:50])
    known = tunnel.informed(latent).predict(x[:50], y[:50])
    asked = tunnel.asked(100)
    assert np.abs(wise - known)[:, asked].mean() < 0.01
    assert (known[:, ~asked] == 0.5).all() and (wise[:, ~asked] == 0.5).all()


def test_prior():
    """Tables share rows as trees do: probability of each number of leaves, 5 standard errors."""
    tunnel, n = ContextTree(2, 3, 0.5, 0.4), 5000
    wanted = np.zeros(9)
    for p, tree in trees(2, 3, 0.4):
        wanted[len(tree)] += p
    tables = tunnel.latents(n, np.random.default_rng(0))
    assert tables.shape == (n, 8, 2)
    leaves = [len(np.unique(table[:, 0])) for table in tables]
    share = np.bincount(leaves, minlength=9) / n
    assert (np.abs(share - wanted) <= 5 * np.sqrt(wanted / n)).all()
    single = tables[[k == 1 for k in leaves], 0, 0]
    assert abs(single.mean() - 0.5) < 5 * np.sqrt(0.125 / len(single))
    np.testing.assert_allclose(single.var(), 0.125, rtol=0.1)  # of Beta(1/2, 1/2)
    split = tables[[k == 2 for k in leaves]]  # only x_t matters: x_{t-1}, x_{t-2} do not
    np.testing.assert_array_equal(split, np.tile(split[:, :2], (1, 4, 1)))


def test_draws():
    """The first symbols are uniform, the others follow the row of their context, 5 standard errors."""
    tunnel, rng = ContextTree(3, 2, 1.0, 0.1), np.random.default_rng(0)
    table = tunnel.latents(1, rng)
    x, y = tunnel.draw(np.repeat(table, 40_000, axis=0), 3, rng)
    place = contexts(x, 3, 2)
    np.testing.assert_array_equal(place, x[:, 1:] + 3 * x[:, :-1])
    np.testing.assert_allclose(np.bincount(place[:, 0]) / 40_000, 1 / 9, atol=0.0079)
    for c in range(9):
        after = y[:, 1:][place == c]
        p, n = table[0, c], len(after)
        assert (np.abs(np.bincount(after, minlength=3) / n - p) < 5 * np.sqrt(p / n)).all()


def test_what_carrying_over_is_worth():
    """At the defaults the amnesic loses .12 bits a symbol to the informed, the continual next to none."""
    tunnel, rng, lost = ContextTree(), np.random.default_rng(0), np.zeros(2)
    for _ in range(100):
        x, y = tunnel.draw(np.repeat(latent := tunnel.latents(1, rng), 120, axis=0), 32, rng)
        past, new = (x[:100], y[:100]), (x[100:], y[100:])
        known = tunnel.informed(latent).predict(*new)
        for i, observer in enumerate((tunnel.observer(), tunnel.observer().absorb(*past))):
            said = observer.predict(*new)
            cross = -np.take_along_axis(np.log2(said), new[1][..., None], -1)[..., 0]
            lost[i] += (cross - entropy(known))[:, tunnel.asked(32)].mean() / 100
    assert 0.08 < lost[0] < 0.17 and abs(lost[1]) < 0.02


def test_refuses():
    tunnel, rng = ContextTree(depth=3), np.random.default_rng(0)
    with pytest.raises(ValueError, match="time: expected at least the depth, 3, got 2"):
        tunnel.draw(tunnel.latents(1, rng), 2, rng)


def test_names_itself():
    assert repr(ContextTree()) == "ContextTree(symbols=2, depth=3, concentration=0.5, stop=0.5)"
