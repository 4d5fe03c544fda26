"""Regret and code lengths: sums of bits over a stream."""

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from plasticity.metrics.formula import Entry, formula

INTERVAL = 50
"""Steps of a window of interval regret."""
FADING = 0.99
"""What a loss still counts for one step later."""

Bits = Float[np.ndarray, " steps"]
Answers = Int[np.ndarray, " steps"]


def code_length(realised: Bits, answers: int | Answers) -> Bits:
    """Bits in which all answers so far can be sent by predicting each in turn (prequential: Dawid 1984).

    The one definition of a code length: every answer of every sequence counts, none is averaged over.

    Args:
        realised: mean -log2 p(what came) of each step, in bits per answer; `kl_realised/<predictor>`.
        answers: how many answers each step asked for, of all its sequences: the column `answers`.
    """
    return (answers * realised).cumsum()


@formula(
    Entry(
        "code_length/dawid1984",
        "bits",
        "sum over all answers of -log2 q(what came), prequential; none: the run did not store how many there were",
        "Dawid 1984",
    ),
    Entry(
        "code_length/over_informed",
        "bits",
        "code length of the model less that of the informed observer: what it costs not to know",
    ),
)
def code_lengths(steps: pl.DataFrame, answers: Answers | None) -> tuple[float | None, float | None]:
    """Bits to send all answers of the stream, and over what they cost one who knows every latent."""
    if answers is None:
        return None, None
    mine, truth = (
        float(code_length(steps[f"kl_realised/{who}"].to_numpy(), answers)[-1])
        for who in ("model", "informed")
    )
    return mine, mine - truth


@formula(
    Entry("dynamic_regret/expected", "bits x steps", "sum of KL(model)"),
    Entry(
        "dynamic_regret/realised",
        "bits x steps",
        "sum of loss of the model less that of the informed observer",
    ),
)
def dynamic_regret(steps: pl.DataFrame, bits: Bits, loss: Bits) -> tuple[float, float]:
    """Sum over steps of the bits lost per asked position: expected under the truth, and on what came."""
    with np.errstate(invalid="ignore"):
        lost = loss - steps["kl_realised/informed"].to_numpy()
    return float(bits.sum()), float(lost.sum())


@formula(
    Entry(
        "interval_regret50/daniely2015",
        "bits x steps",
        "the largest sum of KL(model) over 50 steps",
        "arXiv 1502.07073",
    )
)
def interval_regret(bits: Bits, width: int = INTERVAL) -> float | None:
    """The largest, over windows of `width` steps, sum of bits (strongly adaptive regret, Daniely et al. 2015).

    Theirs is against the best fixed prediction of each window; ours against the informed observer, who is the best
    there is in every window. None where it is shorter.
    """
    if len(bits) < width:
        return None
    area = np.concatenate([[0.0], np.cumsum(bits)])
    return float((area[width:] - area[:-width]).max()) if np.isfinite(area).all() else None


@formula(
    Entry(
        "fading_loss99/gama2013",
        "bits",
        "S_n / sum .99^i, S_t = loss_t + .99 S_(t-1)",
        "Gama et al. 2013",
    )
)
def fading_loss(loss: Bits, factor: float = FADING) -> float:
    """S_n / sum_{i<n} factor^i with S_t = loss[t] + factor S_{t-1} (Gama et al. 2013): the loss of late."""
    weights = factor ** np.arange(len(loss))[::-1]
    return float(weights @ loss / weights.sum())
