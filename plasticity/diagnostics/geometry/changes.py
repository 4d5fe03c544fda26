"""Changes: what heads, layers and directions are worth in bits, and whose belief a swap makes a network say."""

from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from plasticity.diagnostics.geometry import belief, effects, interventions
from plasticity.diagnostics.geometry.values import principal
from plasticity.diagnostics.geometry.view import Number, View

RANDOM = 8
"""Random directions over which a control is averaged."""
PLACES = 4
"""Positions at which residual streams are swapped, evenly spread over the later half of those asked."""


def heads(of: View) -> Iterator[Number]:
    """What each head is worth, beside the same displacement in a random direction."""
    known, exact, whole = of.known, of.known.posterior, of.whole
    stream, changed = [*of.inside.streams.values()][-1], of.some(of.parts.attention)
    width = stream.shape[-1]
    for layer, head, number, _ in of.heads():
        if layer not in changed:
            continue
        turn = torch.from_numpy(np.linalg.qr(of.rng.standard_normal((width, width)))[0]).to(stream)
        args = of.network, known.inputs, of.parts.layers[layer], changed[layer], number
        value, control = (
            effects.lost(exact, whole, known.said(interventions.head_replaced(*args, each)))
            for each in (None, turn)
        )
        yield Number("head/delta", layer, head, value, 0.0, control, of.blind)


def layers(of: View) -> Iterator[Number]:
    """What each layer is worth, beside what it adds in another episode."""
    known, exact, whole = of.known, of.known.posterior, of.whole
    order = torch.from_numpy(of.rng.permutation(len(known.inputs)))
    for layer, module in of.some(of.parts.layers).items():
        mean = interventions.layer_replaced(of.network, known.inputs, module)
        other = interventions.edited(of.network, known.inputs, module, lambda out: out[order])
        value, control = (effects.lost(exact, whole, known.said(each)) for each in (mean, other))
        yield Number("layer/delta", layer, "", value, 0.0, control, of.blind)


def cuts(of: View) -> Iterator[Number]:
    """What the entropy axis, the leading axis and the read-out axis are worth, beside random ones of equal variance."""
    known = of.known
    for site, stream in of.some(of.parts.streams).items():
        states = known.at(of.inside.streams[site])
        axes = principal(states)
        covariance = (axes.axes.T * axes.variances) @ axes.axes
        width = len(covariance)
        delta = partial(_cut_delta, of, stream, axes.mean)
        free = _mean(delta(effects.matched(np.eye(width), 1.0, of.rng)) for _ in range(RANDOM))
        everything = delta(np.eye(width))
        entropy = belief.ridge(states, known.entropy[..., None])
        predictive = belief.ridge(states, belief.log_predictive(known.posterior))
        for name, u in (
            ("entropy", effects.leading(entropy, covariance)),
            ("PC1", axes.axes[:1]),
            ("read-out", effects.leading(predictive, covariance)),
        ):
            share = effects.removed(u, covariance)
            variance = share * float(np.trace(covariance))
            others = [effects.matched(covariance, variance, of.rng) for _ in range(RANDOM)]
            control = _mean(map(delta, others))
            yield Number("cut", site, name, delta(u), free, control, everything)
            yield Number("cut/variance", site, name, share, 1 / width, share, 1.0)


def _cut_delta(
    of: View, stream: nn.Module, mean: Float[np.ndarray, " width"], u: effects.Directions
) -> float:
    """What these directions of one stream are worth."""
    said = interventions.cut_away(of.network, of.known.inputs, stream, mean, u)
    return effects.lost(of.known.posterior, of.whole, of.known.said(said))


def swaps(of: View) -> Iterator[Number]:
    """Whose belief is said once a residual stream comes from another episode with the same current symbol."""
    known, exact, whole = of.known, of.known.posterior, of.whole
    asked = np.flatnonzero(known.asked)
    places = np.unique(np.linspace(len(asked) // 2, len(asked) - 1, PLACES).round().astype(int))
    donors = {a: partners(known.symbol[:, a], of.rng) for a in places.tolist()}
    donors = {a: three for a, three in donors.items() if len(three[0])}
    for site, stream in of.some(of.parts.streams).items() if donors else ():
        found = list[tuple[float, float, float]]()
        for a, (own, donor, stranger) in donors.items():
            taken = torch.arange(len(known.inputs))
            taken[own] = torch.from_numpy(donor)
            args = of.network, known.inputs, stream, int(asked[a]), taken
            said = interventions.swapped(*args).double().softmax(-1).cpu().numpy()[own]
            mine, theirs, others = (exact[rows, a] for rows in (own, donor, stranger))
            found.append(
                (
                    effects.swap_margin(mine, theirs, said),
                    effects.swap_margin(mine, others, said),
                    effects.swap_margin(mine, theirs, whole[own, a]),
                )
            )
        value, control, baseline = np.mean(found, axis=0).tolist()
        yield Number("swap", site, "", value, 0.0, control, baseline)


Episodes = Int[np.ndarray, " episodes"]


def partners(
    symbol: Int[np.ndarray, " n"], rng: np.random.Generator
) -> tuple[Episodes, Episodes, Episodes]:
    """(episodes, a donor for each, a stranger for each): three different ones with the same current symbol.

    Args:
        symbol: the current symbol of every episode; those of a symbol that fewer than three have are left out.
        rng: of the choice.
    """
    order = rng.permutation(len(symbol))
    groups = [order[symbol[order] == s] for s in np.unique(symbol)]
    kept = [each for each in groups if len(each) >= 3]
    own, donor, stranger = (
        np.concatenate([np.roll(each, shift) for each in kept] or [order[:0]])
        for shift in (0, 1, 2)
    )
    return own, donor, stranger


def _mean(values: Iterable[float]) -> float:
    return float(np.mean([*values]))
