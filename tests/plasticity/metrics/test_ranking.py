"""Friedman's test against SciPy's, Nemenyi's critical differences against Demsar's table, and nothing to find."""

from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from plasticity.metrics.ranking import critical_difference, friedman, friedman_p, ranks, standing


def test_friedman_equals_scipys_ties_and_all() -> None:
    rng = np.random.default_rng(0)
    for k, n, levels in ((3, 4, 100), (5, 8, 4), (8, 12, 3)):
        values = rng.integers(levels, size=(k, n)).astype(float)
        wanted = stats.friedmanchisquare(*values).statistic
        assert friedman(ranks(values)[None])[0] == pytest.approx(wanted)
    assert friedman(ranks(np.ones((1, 4, 6))))[0] == 0 and friedman_p(np.full((4, 6), 2.5)) == 1


def test_its_p_is_exact_in_few_blocks() -> None:
    """By every order of ranks there is, of 3 strategies in 4 blocks; and of two strategies, by the sign test."""
    orders = np.array([*permutations([1.0, 2.0, 3.0])])
    every = np.array([np.stack(each, 1) for each in product(orders, repeat=4)])
    placed = np.array([[1.0, 1, 1, 2], [2.0, 3, 2, 1], [3.0, 2, 3, 3]])
    wanted = (friedman(every) >= friedman(placed[None]) - 1e-9).mean()
    assert friedman_p(placed) == pytest.approx(wanted, abs=4 * np.sqrt(wanted / 10_000))
    won = np.array([[1.0] * 5 + [2.0], [2.0] * 5 + [1.0]])
    assert friedman_p(won) == pytest.approx(stats.binomtest(5, 6).pvalue, abs=0.02)


def test_critical_differences_are_those_of_the_table() -> None:
    """Demsar 2006, table 5a, for 5 %; q of two strategies is that of the normal law."""
    table = {
        2: 1.960,
        3: 2.343,
        4: 2.569,
        5: 2.728,
        6: 2.850,
        7: 2.949,
        8: 3.031,
        9: 3.102,
        10: 3.164,
    }
    for k, q in table.items():
        found = critical_difference(k, 7) / np.sqrt(k * (k + 1) / (6 * 7))
        assert found == pytest.approx(q, abs=2e-3)


def test_groups_are_the_largest_that_are_not_told_apart() -> None:
    """By hand: a and b surely apart from d; c in between, apart from neither."""
    rng = np.random.default_rng(0)
    level = np.array([3.0, 2.9, 1.5, 0.0])
    values = level[:, None] + 0.8 * rng.normal(size=(4, 12))
    found = standing([*"abcd"], values)
    assert found.p is not None and found.p < 0.001 and found.critical is not None
    names, means = [*found.ranks], [*found.ranks.values()]
    assert means == sorted(means) and sum(means) == pytest.approx(10)
    for group in found.groups:
        spread = found.ranks[group[-1]] - found.ranks[group[0]]
        assert spread <= found.critical and len(group) > 1
    for i in range(4):
        for j in range(i):
            near = means[i] - means[j] <= found.critical
            assert near == any({names[i], names[j]} <= {*group} for group in found.groups)
    assert {"a", "d"} not in [{*g} for g in found.groups] and found.units == 12


def test_who_diverged_is_last_and_one_block_tells_nobody_apart() -> None:
    found = standing(["lost", "fine", "best"], np.array([[-np.inf], [0.1], [0.2]]))
    assert found == ({"best": 1, "fine": 2, "lost": 3}, 1, None, None, [["best", "fine", "lost"]])
    assert standing(["alone"], np.ones((1, 5))).groups == []
    empty = standing(["a", "b"], np.empty((2, 0)))
    assert empty.critical is None and empty.units == 0


@pytest.mark.parametrize("n", [2, 3, 4, 8, 12])
@pytest.mark.parametrize("k", [2, 3, 5, 8])
def test_of_equal_strategies_nobody_is_told_apart_in_19_of_20(k: int, n: int) -> None:
    """Whatever the noise: ranks are of no scale. In few blocks too."""
    rng = np.random.default_rng(10 * k + n)
    null = friedman(ranks(rng.normal(size=(20_000, k, n))))
    values = rng.standard_t(2, size=(4000, k, n))
    placed = ranks(values)
    p = (null >= friedman(placed)[:, None] - 1e-9).mean(-1)
    told = (p < 0.05) & (np.ptp(placed.mean(-1), -1) > critical_difference(k, n))
    assert told.mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)
    for one, chance, wanted in zip(values[:5], p[:5], told[:5], strict=True):
        found = standing([f"S{i}" for i in range(k)], one)
        assert found.p == pytest.approx(chance, abs=0.02)
        if abs(chance - 0.05) > 0.02:
            assert (found.groups != [[*found.ranks]]) == wanted
