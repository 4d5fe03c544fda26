"""Means over the stream: distances from each observer, losses, and where a learner diverged."""

from collections.abc import Sequence

import polars as pl

from plasticity.metrics.formula import IDEALS, WHO, Entry, Number, formula
from plasticity.metrics.visits import OPENING, Probed, Visit, mean, phase, tasks


@formula(Entry("steps", "steps", "rows of the step table"))
def count_steps(steps: pl.DataFrame) -> int:
    """Rows of the step table."""
    return len(steps)


@formula(
    Entry("visits", "visits", "spans in which one regime is live; a new one begins at every shift")
)
def count_visits(found: Sequence[Visit]) -> int:
    """Visits."""
    return len(found)


@formula(Entry("tasks", "visits", "visits to regimes that are probed: the T of every task matrix"))
def count_tasks(held: Probed, found: Sequence[Visit]) -> int:
    """Tasks."""
    return len(tasks(held, found))


@formula(
    Entry(
        "diverged/step",
        "steps",
        "the first step whose bits, or the updates after which a probe's, are no finite number; none: never",
    )
)
def diverged(steps: pl.DataFrame, probes: pl.DataFrame) -> int | None:
    """Where the learner was lost: the first step whose bits are not finite; None: nowhere."""
    lost = pl.any_horizontal(
        ~pl.col(c).is_finite() for c in ("kl/model", "kl_realised/model") if c in steps.columns
    )
    first = [
        steps.filter(lost)["step"].min(),
        probes.filter(~pl.col("kl/model").is_finite())["step"].min(),
    ]
    known = [int(step) for step in first if isinstance(step, int)]
    return min(known, default=None)


@formula(
    Entry("kl/<who>", "bits", "mean over steps of KL(informed, who)", "Kullback & Leibler 1951"),
    Entry("kl_first_visit/<who>", "bits", "the same over the first 10 steps of first visits"),
    Entry("kl_return/<who>", "bits", "the same over the first 10 steps of returns"),
    Entry("loss/<who>", "bits", "mean over steps of -log2 q(what came)"),
    who=WHO,
)
def levels(steps: pl.DataFrame, found: Sequence[Visit], who: str) -> tuple[Number, ...]:
    """Bits of one predictor: over the stream, at the openings of first visits and of returns; and its log loss."""
    first, back = (phase(steps, found, returns, OPENING) for returns in (False, True))
    kl = (mean(table, f"kl/{who}") for table in (steps, first, back))
    return (*kl, mean(steps, f"kl_realised/{who}"))


@formula(Entry("kl_<over>/model", "bits", "mean over steps of KL(over, model)"), over=IDEALS[1:])
def kl_over(steps: pl.DataFrame, over: str) -> float | None:
    """Bits from another observer than the informed one."""
    return mean(steps, f"kl_{over}/model")


@formula(
    Entry("excess_loss/<over>", "bits", "loss of the model less that of the observer"), over=IDEALS
)
def excess_loss(steps: pl.DataFrame, over: str) -> float | None:
    """Log loss over an observer's on the symbols that came."""
    excess = steps["kl_realised/model"] - steps[f"kl_realised/{over}"]
    return mean(pl.DataFrame({"": excess}), "")


@formula(Entry("tv/model", "", "mean over steps of 1/2 sum_k abs(p_k - q_k), p informed"))
def total_variation(steps: pl.DataFrame) -> float | None:
    """Total variation from the informed observer."""
    return mean(steps, "tv/model")


@formula(
    Entry(
        "entropy_error/model",
        "bits",
        "mean over steps of abs(H(model) - H(amnesic)); a constant does well by it: `tunnel-table` shows the best one",
        "arXiv 2512.22471",
    )
)
def entropy_error(steps: pl.DataFrame) -> float | None:
    """Entropy error against the amnesic observer."""
    return mean(steps, "entropy_error_amnesic/model")


@formula(
    Entry("not_noticed", "bits", "KL(informed, switching): the live regime was not known"),
    Entry(
        "not_represented",
        "bits",
        "KL(informed, model) - KL(informed, switching): all the rest of kl/model",
    ),
)
def two_losses(steps: pl.DataFrame) -> tuple[float | None, float | None]:
    """What even an exact observer loses who must infer which regime is live, and the rest."""
    unnoticed, whole = mean(steps, "kl/switching"), mean(steps, "kl/model")
    if unnoticed is None or whole is None:
        return None, None
    return unnoticed, whole - unnoticed
