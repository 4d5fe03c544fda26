"""How often a verdict claims what is not so: strategies that are all worth 0, judged by the words of a report.

    python experiments/error_rates.py

k equal strategies under n shared seeds. `ahead`: that the best is surely ahead of some other; `frozen`: that it is
surely better, or worse, than the best that a frozen model can do; `either`: one of the two, which is what 5 % are for.
Before: the best was held against each by the 95 % interval of their difference. Now: paired t tests of all pairs, 0
among them, corrected together (Holm). `flips`: the same with the exact test that flips the signs of the differences.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
from jaxtyping import Bool, Float

from plasticity.metrics.significance import LEVEL, all_pairs, holm, t_test

TRIALS = 20_000
Skills = Float[np.ndarray, "trials k n"]
Claims = tuple[Bool[np.ndarray, " trials"], Bool[np.ndarray, " trials"]]
"""Of each trial, whether the best is surely ahead of another, and surely not at 0."""


def normal(rng: np.random.Generator, k: int, n: int) -> Skills:
    """Independent noise."""
    return rng.normal(size=(TRIALS, k, n))


def correlated(rng: np.random.Generator, k: int, n: int) -> Skills:
    """Most of what differs between seeds is the world's, and the same for all strategies."""
    return 0.8 * rng.normal(size=(TRIALS, 1, n)) + 0.6 * rng.normal(size=(TRIALS, k, n))


def heavy(rng: np.random.Generator, k: int, n: int) -> Skills:
    """Correlated, with the tails of Student's t of 4 degrees of freedom."""
    world, own = rng.standard_t(4, (TRIALS, 1, n)), rng.standard_t(4, (TRIALS, k, n))
    return 0.8 * world + 0.6 * own


def unequal(rng: np.random.Generator, k: int, n: int) -> Skills:
    """Correlated, and some strategies are ten times as noisy as others."""
    return correlated(rng, k, n) * np.geomspace(0.1, 1, k)[:, None]


def before(skills: Skills) -> Claims:
    """The best by its mean against each other one, and against 0, each at 5 %."""
    best = np.take_along_axis(skills, skills.mean(-1).argmax(-1)[:, None, None], 1)
    apart = best - skills
    return np.any(t_test(apart) < LEVEL, axis=-1), t_test(best[:, 0]) < LEVEL


def now(skills: Skills) -> Claims:
    """All pairs of strategies and 0, corrected together; what is claimed is claimed of the best."""
    return _of_the_best(skills, all_pairs)


def flips(skills: Skills) -> Claims:
    """The same by flipping signs: the share of the 2^n sums that are as far from 0 as theirs."""

    def exact(values: Skills) -> Float[np.ndarray, "trials pairs"]:
        i, j = np.triu_indices(values.shape[-2], 1)
        apart = values[:, i] - values[:, j]
        signs = np.array([*product((1, -1), repeat=values.shape[-1])])
        sums = np.abs(apart @ signs.T)
        return holm((sums >= sums[..., :1] - 1e-12).mean(-1))

    return _of_the_best(skills, exact)


def _of_the_best(
    skills: Skills, adjusted: Callable[[Skills], Float[np.ndarray, "trials pairs"]]
) -> Claims:
    trials, k, n = skills.shape
    i, j = np.triu_indices(k + 1, 1)
    sure = adjusted(np.concatenate([skills, np.zeros((trials, 1, n))], 1)) < LEVEL
    best = skills.mean(-1).argmax(-1)[:, None]
    own = sure & ((i == best) | (j == best))
    return (own & (j < k)).any(-1), (own & (j == k)).any(-1)


def main() -> None:
    """Print the table."""
    print(
        "| noise | k | n | before: ahead | frozen | either | now: ahead | frozen | either | flips |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for noise in (normal, correlated, heavy, unequal):
        for k, n in product((2, 5, 10), (3, 5)):
            skills = noise(np.random.default_rng(0), k, n)
            cells = [f"{noise.__name__}", str(k), str(n)]
            for rule in (before, now):
                ahead, frozen = rule(skills)
                cells += [f"{100 * rate.mean():.1f} %" for rate in (ahead, frozen, ahead | frozen)]
            ahead, frozen = flips(skills)
            cells.append(f"{100 * (ahead | frozen).mean():.1f} %")
            print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
