"""Online: the cheap numbers of the inside of a network over a stream, against the network before deployment."""

import math
from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from plasticity.core.network import Network
from plasticity.core.stream import Stream
from plasticity.diagnostics.forward_probe import ProbedNetwork
from plasticity.diagnostics.geometry import belief, routing
from plasticity.diagnostics.geometry.capture import Inside, look, noting
from plasticity.diagnostics.geometry.episodes import KnownEpisodes, of_probe
from plasticity.diagnostics.geometry.measure import addresses
from plasticity.diagnostics.geometry.view import View, parts
from plasticity.nn.parameters import vector_to_tensors

INSIDE = ("routing/tv", "values/moved", "keys/cosine", "focus", "belief/r2")
"""Columns of the condition table; means over heads and layers, the last of the last residual stream."""


def fresh_probe(stream: Stream) -> KnownEpisodes:
    """Held-out episodes with fresh latents of the first tunnel; where no latent is held, every probe is such.

    In-context inference is what was there before deployment: what becomes of it is seen on these.
    """
    at = stream.probed.index(-1) if -1 in stream.probed else 0
    return of_probe(stream.tunnels[0], *stream.keyed_probes()[at])


@torch.no_grad()
def inside_row(
    bare: ProbedNetwork, start: Float[Tensor, " parameters"], known: KnownEpisodes
) -> dict[str, float]:
    """Column -> value; NaN where a network has no such part.

    Args:
        bare: the network, in evaluation mode.
        start: its weights before deployment.
        known: held out.
    """
    row, network = dict.fromkeys(INSIDE, math.nan), bare.network
    assert isinstance(network, Network)
    if not (where := parts(network)).streams:
        return row
    now = look(network, known.inputs)
    of = View(network, where, known, now, np.random.default_rng(0))
    last = known.at([*now.streams.values()][-1])
    if np.isfinite(last).all():
        row["belief/r2"] = belief.belief_r2(
            last, belief.log_predictive(known.posterior), known.cell
        )
    if not now.attention or not np.isfinite(last).all():
        return row
    before = _before(bare, start, known)
    pairs = [(now.attention[name], before.attention[name]) for name in now.attention]
    weights = [[each.weights.double().cpu().numpy() for each in pair] for pair in pairs]
    held = [[known.at(each.values.transpose(1, 2).flatten(2)) for each in pair] for pair in pairs]
    rank = known.posterior.shape[-1]
    return row | {
        "routing/tv": _mean(routing.routing_tv(*pair) for pair in weights),
        "values/moved": _mean(routing.subspace_moved(*pair, rank) for pair in held),
        "keys/cosine": _mean(each.value for each in addresses(of)),
        "focus": _mean(routing.focus(head) for w, _ in weights for head in w.swapaxes(0, 1)),
    }


def _before(
    bare: ProbedNetwork, start: Float[Tensor, " parameters"], known: KnownEpisodes
) -> Inside:
    """What went on with the weights before deployment."""
    names, now = zip(*bare.named_parameters(), strict=True)
    weights = dict(zip(names, vector_to_tensors(start.to(now[0]), now), strict=True))
    with noting(bare.network) as found:
        return found(bare.logits_with(weights, known.inputs))


def _mean(values: Iterable[float]) -> float:
    return float(np.mean([*values]))
