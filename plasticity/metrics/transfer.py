"""Forgetting and transfer, as their sources define them: pure functions of the task matrix.

`e[i, j]` is the bits on task j's probe after task i (tasks 1..T in the stream's order, and a task is a visit, so
that a regime counts as often as it is visited). Sources write R, higher is better, and R = -e. What is a level
(acc, la, intransigence) is reported in bits, lower is better; what is a difference keeps the sign of its
source: forgetting is bad where positive, transfer (bwt, fwt) good. None where there are no two tasks to compare,
some task was never probed, or the learner's weights were lost.
"""

import numpy as np
from jaxtyping import Float

from plasticity.metrics.formula import Entry, formula
from plasticity.metrics.visits import UNDEFINED

Tasks = Float[np.ndarray, "tasks tasks"]
Each = Float[np.ndarray, " tasks"]


def _known(*parts: Float[np.ndarray, "..."], least: int = 2) -> bool:
    """Whether there are tasks enough, and every number is there and finite."""
    return all(len(part) >= least and np.isfinite(part).all() for part in parts)


@formula(
    Entry(
        "forgetting/chaudhry2018",
        "bits",
        "mean_(j<T) e[T,j] - min_(l<T) e[l,j]",
        "arXiv 1801.10112, eq. 3",
    )
)
def forgetting_chaudhry2018(e: Tasks) -> float | None:
    """1/(T-1) sum_{j<T} (e[T,j] - min_{l in 1..T-1} e[l,j]), in bits (Chaudhry et al. 2018, arXiv 1801.10112, eq. 3).

    Theirs in accuracy, max of R minus the last R; with R = -e. Positive: worse than it once was, be it after an earlier
    visit to the same regime, or before the first.
    """
    return float(np.mean(e[-1, :-1] - e[:-1, :-1].min(0))) if _known(e) else None


@formula(Entry("forgetting/since_visit", "bits", "mean_(j<T) e[T,j] - min_(j<=l<T) e[l,j]"))
def forgetting_since_visit(e: Tasks) -> float | None:
    """1/(T-1) sum_{j<T} (e[T,j] - min_{l in j..T-1} e[l,j]), in bits: ours, from the own visit on.

    What was known better on an earlier visit to the same regime, and was not learned again, is not counted.
    """
    if not _known(e):
        return None
    best = np.minimum.accumulate(e[-2::-1], axis=0)[::-1]
    return float(np.mean(e[-1, :-1] - best.diagonal()))


@formula(
    Entry("forgetting/avalanche2021", "bits", "mean_(j<T) e[T,j] - e[j,j]", "arXiv 2104.00405")
)
def forgetting_avalanche2021(e: Tasks) -> float | None:
    """1/(T-1) sum_{j<T} (e[T,j] - e[j,j]), in bits: first minus last, so minus bwt/gem2017.

    What Avalanche calls forgetting (Lomonaco et al. 2021, arXiv 2104.00405; `Forgetting` of release 0.6).
    """
    return float(np.mean(e[-1, :-1] - e.diagonal()[:-1])) if _known(e) else None


@formula(
    Entry(
        "forgetting/mammoth2020",
        "bits",
        "mean_(j<T) e[T,j] - min_(j<=l<=T) e[l,j]",
        "arXiv 2004.07211",
    )
)
def forgetting_mammoth2020(e: Tasks) -> float | None:
    """1/(T-1) sum_{j<T} (e[T,j] - min_{l in j..T} e[l,j]) >= 0, in bits: the last row counts among the best.

    What Mammoth calls forgetting (Buzzega et al. 2020, arXiv 2004.07211; `utils/metrics.py`).
    """
    if not _known(e):
        return None
    best = np.minimum.accumulate(e[::-1], axis=0)[::-1]
    return float(np.mean((e[-1] - best.diagonal())[:-1]))


@formula(
    Entry(
        "forgetting_ratio/hat2018",
        "",
        "mean_j (e_uniform - e[T,j]) / (e_uniform - e_continual) - 1; 0: as joint",
        "arXiv 1801.01423",
    )
)
def forgetting_ratio_hat2018(e: Tasks, random: Each, joint: Each) -> float | None:
    """mean_j (random[j] - e[T,j]) / (random[j] - joint[j]) - 1 (Serra et al. 2018, arXiv 1801.01423).

    0: as good as joint training; -1: as good as chance. No unit.

    Args:
        e: the task matrix.
        random: bits of the uniform predictor; theirs is a random classifier.
        joint: bits of the continual observer at the end; theirs is a network trained on all tasks at once.

    Returns:
        None where chance and the ideal differ by under UNDEFINED bits on some task, too.
    """
    if not _known(e, random, joint, least=1) or (random - joint < UNDEFINED).any():
        return None
    return float(np.mean((random - e[-1]) / (random - joint)) - 1)


@formula(
    Entry(
        "bwt/gem2017",
        "bits",
        "mean_(j<T) e[j,j] - e[T,j]; above 0: later tasks helped",
        "arXiv 1706.08840",
    )
)
def bwt_gem2017(e: Tasks) -> float | None:
    """1/(T-1) sum_{j<T} (e[j,j] - e[T,j]), in bits (Lopez-Paz & Ranzato 2017, arXiv 1706.08840; R = -e).

    Negative: later tasks made earlier ones worse.
    """
    return float(np.mean(e.diagonal()[:-1] - e[-1, :-1])) if _known(e) else None


@formula(
    Entry(
        "bwt/diaz2018",
        "bits",
        "mean_(i>j) e[j,j] - e[i,j]; what the library continuum calls BWT",
        "arXiv 1810.13166",
    )
)
def bwt_diaz2018(e: Tasks) -> float | None:
    """sum_{i>j} (e[j,j] - e[i,j]) / (T(T-1)/2), in bits (Diaz-Rodriguez et al. 2018, arXiv 1810.13166).

    After every task and not only after the last. The library continuum calls this BWT, and cites GEM.
    """
    if not _known(e):
        return None
    return float(np.mean((e.diagonal() - e)[np.tril_indices(len(e), -1)]))


@formula(
    Entry(
        "fwt/gem2017",
        "bits",
        "mean_(j>1) b[j] - e[j-1,j]; b before any update, but pretrained",
        "arXiv 1706.08840",
    )
)
def fwt_gem2017(e: Tasks, b: Each) -> float | None:
    """1/(T-1) sum_{j>1} (b[j] - e[j-1,j]), in bits (Lopez-Paz & Ranzato 2017, arXiv 1706.08840; R = -e).

    Positive: earlier tasks helped before this one was met. Where tasks return, it also counts what was retained.

    Args:
        e: the task matrix.
        b: before any update. Theirs at a random initialisation, ours after pretraining.
    """
    return float(np.mean(b[1:] - e.diagonal(1))) if _known(e, b) else None


@formula(
    Entry("fwt/continuum2021", "bits", "-mean_(j>1) e[j-1,j]: no baseline", "arXiv 2102.06253")
)
def fwt_continuum2021(e: Tasks) -> float | None:
    """-1/(T-1) sum_{j>1} e[j-1,j], in bits: GEM's without the baseline, so a level.

    What the library continuum calls FWT (Douillard & Lesort 2021, arXiv 2102.06253); at most 0 in bits.
    """
    return -float(np.mean(e.diagonal(1))) if _known(e) else None


@formula(Entry("fwt/clarena2025", "bits", "mean_(j>1) e_independent[j] - e[j,j]", "CLArena 1.1"))
def fwt_clarena2025(e: Tasks, alone: Each | None) -> float | None:
    """1/(T-1) sum_{j>1} (e_independent[j] - e[j,j]), in bits: against a learner of that task alone.

    What CLArena calls FWT (release 1.1); an intransigence with its sign turned. None without such a learner.
    """
    if alone is None or not _known(e, alone):
        return None
    return float(np.mean((alone - e.diagonal())[1:]))


@formula(
    Entry(
        "intransigence/chaudhry2018", "bits", "mean_k e[k,k] - e_continual[k,k]", "arXiv 1801.10112"
    )
)
def intransigence_chaudhry2018(e: Tasks, met: Each) -> float | None:
    """1/T sum_k (e[k,k] - met[k]), in bits (Chaudhry et al. 2018, arXiv 1801.10112; theirs for each k).

    Positive: the learner could not learn what there was to learn.

    Args:
        e: the task matrix.
        met: bits on task k's probe, after task k, of the continual observer, who has met the same episodes: the
            ideal of their reference, a network trained on tasks 1..k at once. Against the informed observer,
            who has 0, it would be la/mer2019.
    """
    return float(np.mean(e.diagonal() - met)) if _known(e, met, least=1) else None


@formula(Entry("la/mer2019", "bits", "mean_i e[i,i]", "arXiv 1810.11910"))
def la_mer2019(e: Tasks) -> float | None:
    """1/T sum_i e[i,i], in bits: learning accuracy, right after each task (Riemer et al. 2019, arXiv 1810.11910)."""
    return float(np.mean(e.diagonal())) if _known(e, least=1) else None


@formula(Entry("acc/gem2017", "bits", "mean_j e[T,j]", "arXiv 1706.08840"))
def acc_gem2017(e: Tasks) -> float | None:
    """1/T sum_j e[T,j], in bits: every task, at the end (Lopez-Paz & Ranzato 2017, arXiv 1706.08840)."""
    return float(np.mean(e[-1])) if _known(e, least=1) else None


@formula(Entry("acc/icarl2017", "bits", "mean_k mean_(j<=k) e[k,j]", "arXiv 1611.07725"))
def acc_icarl2017(e: Tasks) -> float | None:
    """1/T sum_k 1/k sum_{j<=k} e[k,j], in bits: average incremental accuracy (Rebuffi 2017, arXiv 1611.07725)."""
    return (
        float(np.mean([e[k, : k + 1].mean() for k in range(len(e))]))
        if _known(e, least=1)
        else None
    )


@formula(Entry("acc/diaz2018", "bits", "mean_(i>=j) e[i,j]", "arXiv 1810.13166"))
def acc_diaz2018(e: Tasks) -> float | None:
    """sum_{i>=j} e[i,j] / (T(T+1)/2), in bits: A, the triangular mean (Diaz-Rodriguez 2018, arXiv 1810.13166)."""
    return float(np.mean(e[np.tril_indices(len(e))])) if _known(e, least=1) else None
