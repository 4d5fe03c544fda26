"""Scorer: distances of predictives from the truth, in bits per position (total variation has no unit).

Every predictor (the learner, the observers, the baselines) is scored in one call, so that a bound and the learner's
number never come from different code.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity.core.predictors import AMNESIC, CONTINUAL, INFORMED

BIT = math.log(2)
COLUMNS = ("kl", "kl_continual", "kl_amnesic", "kl_realised", "tv", "entropy_error_amnesic")
"""What every run scores, in the order of the tables: the id, and the reference where it is not the informed observer.
`realised` is the point mass on the symbol that came."""


def kl(
    log_probs: Float[Tensor, "*#many batch asked symbols"],
    reference: Float[Tensor, "*#many batch asked symbols"],
) -> Float[Tensor, "*many batch asked"]:
    """Kullback-Leibler divergence: bits lost per symbol by coding with the predictive instead of the truth.

    KL(p || q) = sum_k p_k log2(p_k / q_k) >= 0, and 0 only for q = p (Kullback & Leibler 1951); 0 ln 0 = 0. Against
    the symbol that came it is the log loss -log2 q(target): a point mass has no entropy. Infinite where q rules out
    what p allows.

    Args:
        log_probs: natural logarithm of what was predicted.
        reference: the true probabilities; rows sum to 1.
    """
    terms = reference * (reference.log() - log_probs)
    return torch.where(reference > 0, terms, 0.0).sum(-1) / BIT


def total_variation(
    log_probs: Float[Tensor, "*#many batch asked symbols"],
    reference: Float[Tensor, "*#many batch asked symbols"],
) -> Float[Tensor, "*many batch asked"]:
    """The largest difference in the probability of any event: 1/2 sum_k |p_k - q_k|, in [0, 1]."""
    return (reference - log_probs.exp()).abs().sum(-1) / 2


def entropy_error(
    log_probs: Float[Tensor, "*#many batch asked symbols"],
    reference: Float[Tensor, "*#many batch asked symbols"],
) -> Float[Tensor, "*many batch asked"]:
    """|H(q) - H(p)| in bits: reported for comparison with the papers, never alone.

    Not a proper score: the right entropy on the wrong symbols scores 0. The mean is of the absolute
    value per position (definition M2/M3 of the wind-tunnel code, arXiv 2512.22471).
    """
    entropy = -torch.xlogy(reference, reference).sum(-1)
    probs = log_probs.exp()
    return (-torch.xlogy(probs, probs).sum(-1) - entropy).abs() / BIT


def score(
    logits: Float[Tensor, "*steps batch asked symbols"],
    targets: Int[Tensor, "*steps batch asked"],
    predictions: Float[Tensor, "*steps predictor batch asked symbols"],
) -> Float[Tensor, "*steps metric who asked"]:
    """Every metric of every predictor at every asked position, averaged over the batch.

    Args:
        logits: of the learner, MODEL.
        targets: the symbols that came.
        predictions: probabilities of each of PREDICTORS.

    Returns:
        float64; metrics are COLUMNS, predictors MODEL and then PREDICTORS.
    """
    own = logits.double().log_softmax(-1).unsqueeze(-4)
    log_probs = torch.cat([own, predictions.log()], -4)
    came = nn.functional.one_hot(targets, predictions.shape[-1]).to(predictions)
    informed, continual, amnesic = (
        predictions[..., i, :, :, :].unsqueeze(-4) for i in (INFORMED, CONTINUAL, AMNESIC)
    )
    each = [kl(log_probs, p) for p in (informed, continual, amnesic, came.unsqueeze(-4))]
    each += [total_variation(log_probs, informed), entropy_error(log_probs, amnesic)]
    return torch.stack([values.mean(-2) for values in each], -3)
