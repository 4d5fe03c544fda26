"""The words of a verdict against scipy's paired t test."""

import numpy as np
import pytest
from scipy import stats

from plasticity.report.verdict import Difference, difference, verdict


def seeds(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3])
def test_sure_is_a_paired_t_test_at_five_per_cent(shift: float) -> None:
    """Over many draws, and on both sides of the limit; shared noise cancels, as it must in pairs."""
    rng, told = np.random.default_rng(0), []
    for _ in range(60):
        world = rng.normal(size=4)
        one, other = world + shift + 0.1 * rng.normal(size=4), world + 0.1 * rng.normal(size=4)
        found = difference(seeds(*one), seeds(*other))
        assert found is not None
        assert found.sure == (stats.ttest_rel(one, other)[1] < 0.05)
        told.append(found.sure)
    assert np.mean(told) < 0.15 if not shift else any(told)


def test_only_shared_seeds_are_paired() -> None:
    found = difference({1: 0.5, 2: 0.7, 9: 5.0}, {2: 0.1, 1: 0.2, 3: 9.0})
    assert found is not None
    assert found.values == pytest.approx([0.3, 0.6])
    assert difference({1: 0.5}, {2: 0.5}) is None


def test_a_sure_leader_is_named_with_its_lead() -> None:
    """In unpaired numbers the two overlap; paired they do not."""
    found = verdict(
        {
            "EWC": seeds(0.10, 0.50, 0.90),
            "DynamicEvaluation": seeds(0.21, 0.62, 1.00),
            "Frozen": seeds(-0.1, 0.0, 0.05),
            "Lost": {},
        }
    )
    assert found.sure is False  # 0.61 +- 0.98 is not surely ahead of Frozen at -0.02
    assert found.answer.startswith("No strategy is surely ahead; DynamicEvaluation leads")
    assert found.because.startswith("Paired by seed, it is not surely ahead of Frozen (by ")
    assert "but it is of EWC" in found.because
    two = verdict({"EWC": seeds(0.1, 0.5, 0.9), "DynamicEvaluation": seeds(0.21, 0.62, 1.0)})
    half = stats.t.ppf(0.975, 2) * np.std([0.11, 0.12, 0.10], ddof=1) / np.sqrt(3)
    assert two.sure and two.answer.startswith("DynamicEvaluation: skill 0.61 ± ")
    assert two.because.startswith(f"Surely ahead of the next, EWC, by 0.11 ± {half:.2f} (paired by")


def test_one_seed_proves_nothing() -> None:
    found = verdict({"EWC": seeds(0.9), "Frozen": seeds(0.0)})
    assert not found.sure
    assert found.answer == "One seed proves nothing; in this one EWC leads with skill 0.90"
    assert "by 0.90" in found.because and "seeds: [0, 1, 2]" in found.because


def test_what_is_undefined_is_not_ranked() -> None:
    assert verdict({"EWC": {}}).answer == "Skill is undefined here"
    assert "ran alone" in verdict({"EWC": seeds(0.5, 0.6)}).because


def test_harm_is_said() -> None:
    found = verdict({"EWC": seeds(-0.5, -0.51, -0.49), "Finetune": seeds(-0.9, -0.91, -0.89)})
    assert found.sure and "updates do harm" in found.because


def test_pairs_without_a_common_seed_are_not_sure() -> None:
    found = verdict({"EWC": {0: 0.9, 1: 0.91}, "Frozen": {2: 0.0, 3: 0.01}})
    assert not found.sure and "Frozen (no world in common)" in found.because


def test_many_are_counted() -> None:
    found = verdict({f"S{i}": seeds(0.1 * i, 0.5 - 0.1 * i, 0.2) for i in range(7)})
    assert " and 3 more" in found.because
    assert Difference([1.0]).sure is False
