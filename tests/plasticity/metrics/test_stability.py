"""Worst cases against their definitions, one evaluation after the other."""

from collections import deque

import numpy as np
import pytest

from plasticity.metrics import stability
from plasticity.metrics.visits import Probed, Visit

EVERY = 5


def world(regimes: list[int], length: int = 20) -> list[Visit]:
    return [
        Visit(r, k * length, (k + 1) * length, regimes[:k].count(r)) for k, r in enumerate(regimes)
    ]


def random(found: list[Visit], regimes: list[int], seed: int = 0) -> Probed:
    at = np.arange(0, found[-1].stop + 1, EVERY)
    bits = np.random.default_rng(seed).random((len(at), len(regimes)))
    return Probed(at, np.array(regimes), bits)


def live(found: list[Visit], at: int) -> int | None:
    """The regime of the last update before a checkpoint."""
    return next((v.regime for v in found if v.start < at <= v.stop), None)


@pytest.mark.parametrize("seed", range(8))
def test_worst_cases_equal_running_minima_of_accuracy(seed: int) -> None:
    """A minimum is kept for every regime that was learned and is not live; and one for every task since its end."""
    found = world([0, 1, 2, 0, 3, 1])
    held = random(found, [0, 1, 3, 7], seed)  # 2 is not probed; 7 is never visited
    lowest: dict[int, float] = {}
    learned = {v.regime: v.stop for v in reversed(found)}
    for at, row in zip(held.at.tolist(), -held.bits, strict=True):
        for regime, accuracy in zip(held.regimes.tolist(), row, strict=True):
            if at > learned.get(regime, np.inf) and regime != live(found, at):
                lowest[regime] = min(lowest.get(regime, np.inf), accuracy)
    assert set(lowest) == {0, 1, 3}
    found_worst = dict(zip(held.regimes.tolist(), stability.worst(held, found), strict=True))
    assert {r: -v for r, v in found_worst.items() if not np.isnan(v)} == lowest
    assert stability.min_acc_while_away(held, found) == pytest.approx(-np.mean([*lowest.values()]))
    tasks = [v for v in found if v.regime in (0, 1, 3)]
    ever = [
        min(-held.bits[k, [0, 1, 3].index(v.regime)] for k, at in enumerate(held.at) if at > v.stop)
        for v in tasks[:-1]
    ]
    assert stability.min_acc_delange2023(held, found) == pytest.approx(-np.mean(ever))
    now = -held.bits[-1, 1]
    expected = now / len(tasks) + (1 - 1 / len(tasks)) * np.mean(ever)
    assert stability.wc_acc_delange2023(held, found) == pytest.approx(-expected)
    assert stability.wc_acc_delange2023(random(found, [0, 3]), found) is None, "1 is live, unprobed"


@pytest.mark.parametrize("evaluations", [2, 3, 10])
def test_windowed_forgetting_and_plasticity_equal_a_sliding_window(evaluations: int) -> None:
    found = world([0, 1, 2, 0])
    held = random(found, [0, 1, 2])
    for formula, sign in ((stability.wf_delange2023, 1), (stability.wp_delange2023, -1)):
        most = []
        for k in range(3):
            kept: deque[float] = deque(maxlen=evaluations)
            deltas = [0.0]
            for value in sign * held.bits[held.at >= found[k].start, k]:
                deltas += [value - earlier for earlier in kept][-evaluations + 1 :]
                kept.append(value)
            most.append(max(deltas))
        assert formula(held, found, evaluations) == pytest.approx(np.mean(most))


def test_a_learner_that_only_improves_forgets_nothing() -> None:
    found = world([0, 1])
    held = random(found, [0, 1])
    falling = held._replace(bits=np.stack([np.linspace(2, 1, len(held.at))] * 2, 1))
    assert stability.wf_delange2023(falling, found) == 0.0
    assert (stability.wp_delange2023(falling, found) or 0) > 0
    assert (stability.stability_gap_delange2023(list(stability.gaps(falling, found))) or 0) < 0
    assert stability.gap_recovery(list(stability.gaps(falling, found))) == (None, 0)


def test_the_gap_and_its_recovery_by_hand() -> None:
    """Regime 0 falls from .1 to .9 after the shift at 20, and is half-way back at 45, while 2 is live."""
    found = world([0, 1, 2, 0])
    at = np.arange(0, 81, EVERY)
    zero = [2.0, 1.0, 0.5, 0.2, 0.1, 0.3, 0.9, 0.8, 0.7, 0.5, 0.4, 0.4, 0.4, 0.1, 0.1, 0.1, 0.1]
    one = [2.0] * 8 + [0.2] + [0.6] * 8  # from .2 to .6, and never back
    held = Probed(at, np.array([0, 1]), np.array([zero, one]).T)
    gaps = list(stability.gaps(held, found))
    assert [g.bits for g in gaps] == [pytest.approx(0.8), pytest.approx(0.4)]
    assert [g.recovery for g in gaps] == [25, None]
    assert [g.watched for g in gaps] == [40, 40]  # until 0 returns; until the end
    assert stability.stability_gap_delange2023(gaps) == pytest.approx(0.6)
    assert stability.gap_recovery(gaps) == (pytest.approx((25 + 40) / 2), 1)


def test_relearning_is_not_recovery() -> None:
    """What closes the gap after the regime has returned is no longer counted."""
    found = world([0, 1, 0])
    at = np.arange(0, 61, EVERY)
    held = Probed(at, np.array([0]), np.array([[0.0] * 5 + [1.0] * 4 + [0.0] * 4]).T)
    (gap,) = stability.gaps(held, found)
    assert gap == stability.Gap(1.0, None, 20)


def test_one_regime_has_no_worst_case() -> None:
    found = world([0])
    held = random(found, [0])
    assert stability.min_acc_delange2023(held, found) is None
    assert list(stability.gaps(held, found)) == []
    assert stability.wc_acc_delange2023(held, found) == held.bits[-1, 0]
    nothing = Probed(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 0)))
    assert stability.min_acc_delange2023(nothing, found) is None
    assert stability.wf_delange2023(nothing, found) is None
    assert stability.wc_acc_delange2023(nothing, found) is None
