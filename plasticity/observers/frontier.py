"""The frontier: what belief in a regime costs on fresh latents, and what hedging costs on the regime, exactly.

Whoever believes that the live regime goes on is wrong about an episode under a fresh latent, however exact the belief.
One who gives that the share b in advance loses a little on the regime and much less on the fresh latent. No learner can
lose less on both than this curve of exact mixtures; how far above it a learner lies is what its updates cost.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from plasticity.core.predictors import SHARES
from plasticity.core.stream import Stream
from plasticity.core.tunnel import AnswerKey, Batch, Observer, Probabilities, Symbols
from plasticity.observers.conjugate import log
from plasticity.observers.reference import ReferencePredictors
from plasticity.observers.switching import posterior


def mixtures(
    continual: Observer, amnesic: Observer, inputs: Symbols, targets: Symbols
) -> Float[np.ndarray, "share batch time symbols"]:
    """Exact predictives of the mixtures over SHARES, each weighed by Bayes' rule inside the episode.

    p_b(y_t | past) = sum_k w_k p_k(y_t | past), w_k proportional to prior_k p_k(past), k the held and a fresh latent
    with prior (1 - b, b). Both observers count all that is shown (`Observer.evidence`).

    Raises:
        NotImplementedError: an observer has no evidence.
    """
    sure = [continual.predict(inputs, targets), amnesic.predict(inputs, targets)]
    nats = np.stack([each.evidence(inputs, targets)[:, :-1] for each in (continual, amnesic)])
    return np.stack([_mixed(sure, nats, share) for share in SHARES])


def losses(
    reference: ReferencePredictors, regime: int, probes: dict[int, tuple[Batch, AnswerKey]]
) -> list[float] | None:
    """A row of FRONTIER, in bits per asked position, for the regime that is live now.

    On the live regime KL(informed || p_b) - KL(informed || continual); on fresh latents KL(amnesic || p_b).

    Args:
        reference: what the continual observer knows by now.
        regime: live; its tunnel's fresh latents are what it is hedged against.
        probes: regime -> held-out batch.

    Returns:
        None: nothing is held or probed, or an observer has no evidence.
    """
    stream: Stream = reference.stream
    fresh, known = -1 - stream.tunnel_index(regime), reference.known(regime)
    if known is None or not stream.holds(regime) or not {regime, fresh} <= probes.keys():
        return None
    tunnel = stream.tunnels[stream.tunnel_index(regime)]
    amnesic = tunnel.observer()
    found = list[Sequence[float]]()
    try:
        for number in (regime, fresh):
            batch, key = probes[number]
            x, y, asked = batch.inputs.numpy(), key.drawn.numpy(), batch.asked.numpy()
            truth = tunnel.informed(stream.latent(regime)) if number == regime else amnesic
            bits = bits_lost(truth.predict(x, y), mixtures(known, amnesic, x, y))[:, :, asked].mean(
                (1, 2)
            )
            found.append(bits - bits[0] if number == regime else bits)
    except NotImplementedError:
        return None
    return [float(value) for each in found for value in each]


def _mixed(sure: Sequence[Probabilities], nats: np.ndarray, share: float) -> Probabilities:
    prior = log(np.array([1 - share, share]))
    weights = posterior(nats + prior[:, None, None])
    return weights[..., :1] * sure[0] + weights[..., 1:] * sure[1]


def bits_lost(truth: Probabilities, others: np.ndarray) -> np.ndarray:
    """KL(truth || each of the others), in bits, at every position."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = truth * np.log2(truth / others)
    return np.where(truth > 0, terms, 0.0).sum(-1)
