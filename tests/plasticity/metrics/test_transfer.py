"""Formulas of forgetting and transfer against the worked example, their sums written out, and Avalanche."""

import warnings

import numpy as np
import pytest

from plasticity.metrics import transfer

ACCURACY = np.array([[0.60, 0.15, 0.10], [0.70, 0.80, 0.12], [0.80, 0.85, 0.95]])
"""Pure positive transfer, on which peers disagree."""
CHANCE = np.full(3, 0.10)


def rates(tasks: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((tasks, tasks))


def test_one_matrix_has_three_forgettings_two_backward_and_three_forward_transfers() -> None:
    """What Chaudhry, Avalanche, Mammoth, GEM, continuum and CLArena publish for one and the same learner."""
    e = -ACCURACY
    assert transfer.forgetting_chaudhry2018(e) == pytest.approx(-0.075)
    assert transfer.forgetting_avalanche2021(e) == pytest.approx(-0.125)
    assert transfer.forgetting_mammoth2020(e) == pytest.approx(0.0, abs=1e-15)
    assert transfer.bwt_gem2017(e) == pytest.approx(0.125)
    assert round(transfer.bwt_diaz2018(e) or 0, 3) == 0.117
    assert transfer.fwt_gem2017(e, -CHANCE) == pytest.approx(0.035)
    assert transfer.fwt_continuum2021(e) == pytest.approx(0.135)
    alone = np.array(
        [0.60, 0.79, 0.94]
    )  # learners of one task each, .01 behind on the second and third
    assert transfer.fwt_clarena2025(e, -alone) == pytest.approx(0.01)


@pytest.mark.parametrize("tasks", [2, 3, 7])
def test_formulas_equal_their_sums_written_out(tasks: int) -> None:
    """In accuracy R, with indices 1..T, as the sources print them."""
    matrix, b, alone = rates(tasks, 0), rates(tasks, 1)[0], rates(tasks, 2)[0]
    T = tasks

    def R(i: int, j: int) -> float:
        return float(matrix[i - 1, j - 1])

    e = -matrix
    before = range(1, T)
    expected = {
        "forgetting_chaudhry2018": sum(max(R(k, j) for k in range(1, T)) - R(T, j) for j in before)
        / (T - 1),
        "forgetting_since_visit": sum(max(R(k, j) for k in range(j, T)) - R(T, j) for j in before)
        / (T - 1),
        "forgetting_avalanche2021": sum(R(j, j) - R(T, j) for j in before) / (T - 1),
        "bwt_gem2017": sum(R(T, j) - R(j, j) for j in before) / (T - 1),
        "bwt_diaz2018": sum(R(i, j) - R(j, j) for i in range(2, T + 1) for j in range(1, i))
        / (T * (T - 1) / 2),
        "fwt_continuum2021": sum(R(j - 1, j) for j in range(2, T + 1)) / (T - 1),
        "la_mer2019": -sum(R(i, i) for i in range(1, T + 1)) / T,
        "acc_gem2017": -sum(R(T, j) for j in range(1, T + 1)) / T,
        "acc_icarl2017": -sum(sum(R(k, j) for j in range(1, k + 1)) / k for k in range(1, T + 1))
        / T,
        "acc_diaz2018": -sum(R(i, j) for i in range(1, T + 1) for j in range(1, i + 1))
        / (T * (T + 1) / 2),
    }
    for name, value in expected.items():
        assert getattr(transfer, name)(e) == pytest.approx(value), name
    forward = sum(R(j - 1, j) - b[j - 1] for j in range(2, T + 1)) / (T - 1)
    assert transfer.fwt_gem2017(e, -b) == pytest.approx(forward)
    independent = sum(R(j, j) - alone[j - 1] for j in range(2, T + 1)) / (T - 1)
    assert transfer.fwt_clarena2025(e, -alone) == pytest.approx(independent)
    behind = sum(alone[k - 1] - R(k, k) for k in range(1, T + 1)) / T
    assert transfer.intransigence_chaudhry2018(e, -alone) == pytest.approx(behind)


def test_what_was_known_best_on_an_earlier_visit_is_forgotten() -> None:
    """A B A': A was at .1 bits after its first visit, at .4 after its second, and is at .5 in the end, after a B'."""
    e = np.array(
        [[0.1, 2.0, 0.1, 2.0], [1.0, 0.1, 1.0, 0.1], [0.4, 1.0, 0.4, 1.0], [0.5, 0.1, 0.5, 0.1]]
    )
    assert transfer.forgetting_chaudhry2018(e) == pytest.approx((0.4 + 0 + 0.4) / 3)
    assert transfer.forgetting_since_visit(e) == pytest.approx((0.4 + 0 + 0.1) / 3)


def test_mammoths_forgetting_is_that_of_rows_padded_with_zeros() -> None:
    """Its rows stop at the diagonal, and accuracies are padded with zeros before the maximum is taken."""
    matrix = np.tril(rates(6, 3))
    theirs = np.mean((matrix.max(0) - matrix[-1])[:-1])
    assert transfer.forgetting_mammoth2020(-matrix) == pytest.approx(theirs)


def test_forgetting_equals_avalanches_own() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("avalanche")
        from avalanche.evaluation.metrics.forgetting_bwt import BWT, Forgetting
    for metric, ours in (
        (Forgetting, transfer.forgetting_avalanche2021),
        (BWT, transfer.bwt_gem2017),
    ):
        matrix, theirs = rates(5, 4), metric()
        for i, row in enumerate(matrix):
            for j, value in enumerate(row[: i + 1]):
                theirs.update(j, value, initial=i == j)
        assert ours(-matrix) == pytest.approx(np.mean(list(theirs.result().values())))


def test_the_forgetting_ratio_is_0_at_the_ideal_and_minus_1_at_chance() -> None:
    random, joint = np.array([2.0, 1.5]), np.array([0.1, 0.3])
    for last, ratio in ((joint, 0.0), (random, -1.0), ((random + joint) / 2, -0.5)):
        e = np.stack([np.zeros(2), last])
        assert transfer.forgetting_ratio_hat2018(e, random, joint) == pytest.approx(
            ratio, abs=1e-12
        )
    assert transfer.forgetting_ratio_hat2018(e, random, np.array([0.1, 1.495])) is None


def test_nothing_is_made_up_where_a_task_was_never_probed() -> None:
    e, each = -ACCURACY.copy(), -CHANCE
    e[1] = np.nan
    for empty in (e, np.zeros((0, 0))):
        pair = each[: len(empty)]
        assert transfer.forgetting_chaudhry2018(empty) is None
        assert transfer.forgetting_since_visit(empty) is None
        assert transfer.forgetting_avalanche2021(empty) is None
        assert transfer.forgetting_mammoth2020(empty) is None
        assert transfer.bwt_gem2017(empty) is None and transfer.bwt_diaz2018(empty) is None
        assert transfer.fwt_gem2017(empty, pair) is None
        assert transfer.fwt_continuum2021(empty) is None
        assert transfer.la_mer2019(empty) is None and transfer.acc_gem2017(empty) is None
        assert transfer.acc_icarl2017(empty) is None and transfer.acc_diaz2018(empty) is None
        assert transfer.intransigence_chaudhry2018(empty, pair) is None
        assert transfer.forgetting_ratio_hat2018(empty, pair, pair) is None
    assert transfer.fwt_clarena2025(-ACCURACY, None) is None
    assert transfer.bwt_gem2017(np.ones((1, 1))) is None, "one task has nothing before it"
    assert transfer.la_mer2019(np.ones((1, 1))) == 1.0
