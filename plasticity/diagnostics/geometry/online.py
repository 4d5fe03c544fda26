"""Online: the cheap numbers of the inside of a network over a stream, against the network before deployment."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from plasticity.core.network import Network
from plasticity.core.stream import Stream
from plasticity.diagnostics.forward_probe import ProbedNetwork
from plasticity.diagnostics.geometry import belief, routing
from plasticity.diagnostics.geometry.capture import Inside, look, noting, parts
from plasticity.diagnostics.geometry.episodes import KnownEpisodes, of_probe
from plasticity.diagnostics.geometry.measure import addresses
from plasticity.diagnostics.geometry.view import View
from plasticity.nn.parameters import vector_to_tensors

INSIDE = ("routing/tv", "values/moved", "keys/cosine", "focus", "belief/r2")
"""Columns of the condition table; means over heads and layers, the last of the last residual stream."""
ENOUGH = 8
"""Episodes from which a read-out is learned and graded, at least."""


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
    row = dict[str, float](dict.fromkeys(INSIDE, math.nan))
    network = bare.network
    assert isinstance(network, Network)
    if not (where := parts(network)).streams:
        return row
    now = look(network, known.inputs)
    of = View(network, where, known, now, np.random.default_rng(0))
    last = known.at([*now.streams.values()][-1])
    whole = bool(np.isfinite(last).all())
    if whole and len(last) >= ENOUGH:
        row["belief/r2"] = belief.belief_r2(
            last, belief.log_predictive(known.posterior), known.cell
        )
    if not now.attention or not whole:
        return row
    before = _before(bare, start, known)
    tv, moved = moved_between(now, before, known)
    weights = [each.weights.double().cpu().numpy() for each in now.attention.values()]
    row |= {"routing/tv": tv, "values/moved": moved}
    row["keys/cosine"] = float(np.mean([each.value for each in addresses(of)]))
    row["focus"] = float(np.mean([routing.focus(h) for w in weights for h in w.swapaxes(0, 1)]))
    return row


def moved_between(now: Inside, before: Inside, known: KnownEpisodes) -> tuple[float, float]:
    """(routing/tv, values/moved) from one look to another, means over layers; NaN where nothing attends.

    Args:
        now: a look at the episodes.
        before: another, of the same network with other weights.
        known: the episodes.
    """
    found, rank = list[tuple[float, float]](), known.posterior.shape[-1]
    for name, mine in now.attention.items():
        theirs = before.attention[name]
        one, other = (known.at(each.values.transpose(1, 2).flatten(2)) for each in (mine, theirs))
        weights, reference = (each.weights.double().cpu().numpy() for each in (mine, theirs))
        found.append(
            (routing.routing_tv(weights, reference), routing.subspace_moved(one, other, rank))
        )
    tv, moved = np.mean(found or [(math.nan, math.nan)], axis=0).tolist()
    return tv, moved


def _before(
    bare: ProbedNetwork, start: Float[Tensor, " parameters"], known: KnownEpisodes
) -> Inside:
    """What went on with the weights before deployment."""
    names, now = zip(*bare.named_parameters(), strict=True)
    weights = dict(zip(names, vector_to_tensors(start.to(now[0]), now), strict=True))
    with noting(bare.network) as found:
        return found(bare.logits_with(weights, known.inputs))
