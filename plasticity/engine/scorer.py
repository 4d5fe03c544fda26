"""Scorer: distances of predictives from the truth, in bits per position (total variation has no unit).

Every predictor (the learner, the observers, the baselines) is scored in one call, so that a bound and the learner's
number never come from different code.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from plasticity.core.predictors import AMNESIC, CONTINUAL, INFORMED

BIT = math.log(2)
COLUMNS = ("kl", "kl_continual", "kl_amnesic", "kl_realised", "tv", "entropy_error_amnesic")
"""What every run scores, in the order of the tables: the id, and the reference where it is not the informed observer.
`kl_realised` is the log loss on the symbol that came."""


def kl(
    log_probs: Float[Tensor, "*#many batch asked symbols"],
    reference: Float[Tensor, "*#many batch asked symbols"],
) -> Float[Tensor, "*many batch asked"]:
    """Kullback-Leibler divergence: bits lost per symbol by coding with the predictive instead of the truth.

    KL(p || q) = sum_k p_k log2(p_k / q_k) >= 0, and 0 only for q = p (Kullback & Leibler 1951); 0 ln 0 = 0. Infinite
    where q rules out what p allows.

    Args:
        log_probs: natural logarithm of what was predicted.
        reference: the true probabilities; rows sum to 1.
    """
    terms = (reference.log() - log_probs).mul_(reference)
    return torch.where(reference > 0, terms, 0.0).sum(-1).div_(BIT)


def log_loss(
    log_probs: Float[Tensor, "*#many batch asked symbols"],
    targets: Int[Tensor, "*#many batch asked"],
) -> Float[Tensor, "*many batch asked"]:
    """-log2 q(target): the divergence from the point mass on the symbol that came, which has no entropy."""
    came = targets.expand(log_probs.shape[:-1]).unsqueeze(-1)
    return (0.0 - log_probs.gather(-1, came).squeeze(-1)).div_(BIT)


def total_variation(
    probs: Float[Tensor, "*#many batch asked symbols"],
    reference: Float[Tensor, "*#many batch asked symbols"],
) -> Float[Tensor, "*many batch asked"]:
    """The largest difference in the probability of any event: 1/2 sum_k |p_k - q_k|, in [0, 1]."""
    return (reference - probs).abs_().sum(-1).div_(2)


def entropy_error(
    probs: Float[Tensor, "*#many batch asked symbols"],
    reference: Float[Tensor, "*#many batch asked symbols"],
) -> Float[Tensor, "*many batch asked"]:
    """|H(q) - H(p)| in bits: reported for comparison with the papers, never alone.

    Not a proper score: the right entropy on the wrong symbols scores 0. The mean is of the absolute
    value per position (definition M2/M3 of the wind-tunnel code, arXiv 2512.22471).
    """
    entropy, true = (-torch.xlogy(each, each).sum(-1) for each in (probs, reference))
    return (entropy - true).abs_().div_(BIT)


def score(
    logits: Float[Tensor, "*steps batch asked symbols"],
    targets: Int[Tensor, "*steps batch asked"],
    predictions: Float[Tensor, "*steps predictor batch asked symbols"],
) -> Float[Tensor, "*steps metric predictor+1 asked"]:
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
    probs = log_probs.exp()
    informed, continual, amnesic = (
        predictions[..., i, :, :, :].unsqueeze(-4) for i in (INFORMED, CONTINUAL, AMNESIC)
    )
    each = [kl(log_probs, p) for p in (informed, continual, amnesic)]
    each += [log_loss(log_probs, targets.unsqueeze(-3)), total_variation(probs, informed)]
    each.append(entropy_error(probs, amnesic))
    return torch.stack([values.mean(-2) for values in each], -3)
