"""The words of a verdict against scipy's paired t test, Holm's correction by hand, and runs with nothing to find."""

import runpy
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from plasticity.metrics.significance import LEVEL
from plasticity.report.verdict import (
    BOUND,
    Difference,
    difference,
    paired,
    shared,
    untrained,
    verdict,
)

RATES = runpy.run_path(str(Path(__file__).parents[3] / "experiments" / "error_rates.py"))
"""The script whose table is in the log: noises, and the rules that judge them."""


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
    assert not found.sure and "Not ranked, no world in common: Frozen" in found.because
    assert found.answer.startswith("No other strategy met its worlds; EWC has skill 0.91")


def test_many_are_counted() -> None:
    found = verdict({f"S{i}": seeds(0.1 * i, 0.5 - 0.1 * i, 0.2) for i in range(7)})
    assert " and 3 more" in found.because
    assert Difference([1.0]).sure is False


def test_who_is_ahead_is_asked_of_the_seeds_that_all_have() -> None:
    """Unpaired, EWC has the higher mean, by a seed that was kind and that the other did not meet."""
    found = verdict({"EWC": seeds(0.10, 0.20, 0.30) | {7: 0.9}, "Replay": seeds(0.20, 0.31, 0.40)})
    assert found.answer.startswith("Replay: skill 0.30 ± "), "and never: surely ahead by -0.10"
    assert found.because.startswith("Surely ahead of the next, EWC, by 0.10 ± ")


@pytest.mark.parametrize("seed", range(200))
def test_nobody_is_surely_ahead_by_less_than_nothing(seed: int) -> None:
    """Over random gaps in random runs: whoever is named leads by more than 0.00 on the seeds that are shared."""
    rng = np.random.default_rng(seed)
    skills = {
        f"S{i}": {s: 0.1 * rng.normal() + 0.1 * i for s in range(5) if rng.random() < 0.8}
        for i in range(4)
    }
    found = verdict(skills)
    ranked = shared({title: of for title, of in skills.items() if of})
    means = {title: np.mean([*of.values()]) for title, of in ranked.items()}
    best = max(means, key=lambda title: means[title])
    if found.sure:
        assert found.answer.startswith(f"{best}: ") and " by -" not in found.because
    assert " by -" not in found.because and " by 0.00" not in found.answer


def test_ties_are_called_ties() -> None:
    twin = seeds(0.30, 0.52, 0.71)
    found = verdict({"EWC": twin, "ReDo": dict(twin), "Frozen": seeds(0.0, 0.01, -0.01)})
    assert found.answer.startswith("No strategy is surely ahead; EWC and ReDo tie with skill 0.51")
    assert "leads" not in found.answer and not found.sure
    near = verdict({"EWC": seeds(0.3, 0.4, 0.5), "L2": seeds(0.298, 0.398, 0.498)})
    assert "EWC and L2 tie" in near.answer, "it is surely so, and shown as 0.00"
    one = verdict({"EWC": seeds(0.5), "ReDo": seeds(0.5)})
    assert one.answer == "One seed proves nothing; in this one EWC and ReDo tie with skill 0.50"


def test_who_diverged_under_a_seed_is_not_judged_by_the_others() -> None:
    """The two seeds that survived would have put it far ahead."""
    skills = {
        "Finetune": seeds(0.9, 0.9),
        "EWC": seeds(0.3, 0.31, 0.32),
        "Frozen": seeds(0.0, 0.0, 0.0),
    }
    found = verdict(skills, {"Finetune": {2: 36}, "EWC": {}})
    assert found.answer.startswith("EWC: skill 0.31") and found.sure
    assert found.because.endswith("Finetune diverged (seed 2 at step 36).")
    every = verdict({"Finetune": seeds(0.9)}, {"Finetune": {1: 5, 2: 7}})
    assert every.answer == "Every strategy diverged" and not every.sure
    assert every.because == "Finetune diverged (seed 1 at step 5; seed 2 at step 7)."


def test_all_that_is_compared_is_one_family() -> None:
    """Holm by hand, over all pairs and each against 0."""
    rng = np.random.default_rng(3)
    values = {f"S{i}": seeds(*(0.2 * i + 0.1 * rng.normal(size=4))) for i in range(3)}
    rows = [*[[*v.values()] for v in values.values()], [0.0] * 4]
    raw = {
        (i, j): float(np.asarray(stats.ttest_1samp(np.subtract(rows[i], rows[j]), 0))[1])
        for i, j in combinations(range(4), 2)
    }
    names, running = [*values, BOUND], 0.0
    found = paired(values, bound=True)
    for left, pair in zip(range(6, 0, -1), sorted(raw, key=lambda p: raw[p]), strict=True):
        running = max(running, min(1.0, left * raw[pair]))
        for one, other in (pair, pair[::-1]):
            assert found[names[one], names[other]].p == pytest.approx(running)
    one = found["S2", "S0"]
    assert one.values == [-v for v in found["S0", "S2"].values] and one.mean > 0
    turned = paired({"A": {1: 0.5, 0: 0.1}, "B": {0: 0.2, 1: 0.3}})
    assert turned["A", "B"].values == pytest.approx([0.2, -0.1])
    assert turned["B", "A"].values == pytest.approx([0.1, -0.2])


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("k", [2, 5, 10])
@pytest.mark.parametrize("noise", ["normal", "correlated", "heavy", "unequal"])
def test_of_equal_strategies_nothing_is_claimed_in_19_of_20_runs(
    noise: str, k: int, n: int
) -> None:
    """Of 4,000 runs with nothing to find at most 5 % claim anything, up to chance; seeds may share much."""
    skills = RATES[noise](np.random.default_rng(k * n), k, n)[:4000]
    ahead, frozen = RATES["now"](skills)
    claimed = ahead | frozen
    assert claimed.mean() <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / len(claimed))
    for each, wanted in zip(skills[:15], claimed[:15], strict=True):
        told = verdict({f"S{i}": dict(enumerate(row.tolist())) for i, row in enumerate(each)})
        said = told.sure or "but it is of" in told.because or "is surely" in told.because
        assert said == wanted, "the words are those of the test"


def test_what_there_is_to_find_is_found() -> None:
    """A lead of twice the noise of a difference's mean or less is not; one of 30 times is, also of ten with 5 seeds."""
    rng = np.random.default_rng(0)
    skills = {f"S{i}": seeds(*(rng.normal(size=5) / 50)) for i in range(9)}
    best = seeds(*(1 + rng.normal(size=5) / 50))
    found = verdict(skills | {"Best": best})
    assert found.sure and found.answer.startswith("Best: ")
    assert "It is surely better than the best that a frozen model" in found.because


def test_without_correction_most_runs_claim_something() -> None:
    """What a page of ten strategies and five seeds used to say, of nothing: the test above has teeth."""
    ahead, frozen = RATES["before"](RATES["normal"](np.random.default_rng(0), 10, 5)[:4000])
    assert ahead.mean() > 0.5 and frozen.mean() > 0.15


def test_a_network_far_from_the_amnesic_observer_is_called_untrained() -> None:
    """.317 of .12 is; .016 of .573 is not. Its skill, never updated, is minus the share."""
    text = untrained(0.317, 0.12)
    assert text.startswith("The network is untrained: before any update it is 0.317 bits from")
    assert untrained(0.016, 0.573) == untrained(None, 0.5) == untrained(0.3, None) == ""
    rng = np.random.default_rng(0)
    latents = rng.dirichlet(np.ones(4), 6)  # equally likely; amnesic knows no more than that
    amnesic, network = latents.mean(0), rng.dirichlet(np.ones(4))

    def kl(p: np.ndarray, q: np.ndarray) -> float:
        return float((p * np.log2(p / q)).sum())

    bits, bound = (np.mean([kl(p, q) for p in latents]) for q in (network, amnesic))
    assert (bound - bits) / bound == pytest.approx(-kl(amnesic, network) / bound)
