"""Measure: the families of numbers of one network, each beside its chance level, its control and its baseline."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from plasticity.core.network import Network
from plasticity.diagnostics.geometry import belief, keys, routing, values
from plasticity.diagnostics.geometry.anatomy import Parts
from plasticity.diagnostics.geometry.capture import parts
from plasticity.diagnostics.geometry.changes import cuts, heads, layers, swaps
from plasticity.diagnostics.geometry.episodes import KnownEpisodes
from plasticity.diagnostics.geometry.view import Number, View, view


def addresses(of: View) -> Iterator[Number]:
    """Keys of the symbols, head by head; of grouped queries, a row for the heads that share them."""
    symbols = of.known.inputs
    met = [s for s in range(int(symbols.max()) + 1) if bool((symbols == s).any())]
    for layer, attends in of.parts.attention.items():
        stream = of.inside.streams[of.parts.entering[layer]]
        means = torch.stack([stream[symbols == s].mean(0) for s in met])
        with torch.no_grad():  # at position 0, where rotations turn nothing
            _, k, _ = attends.project(of.parts.norms[layer](means[:, None]))
        shared = attends.heads // k.shape[1]
        for group, vectors in enumerate(k[:, :, 0].double().cpu().numpy().swapaxes(0, 1)):
            first = group * shared
            yield Number(
                "keys/cosine",
                layer,
                f"head {first}" if shared == 1 else f"heads {first} to {first + shared - 1}",
                keys.mean_cosine(vectors),
                keys.chance_cosine(vectors.shape[1]),
                keys.matched_cosine(vectors, of.rng),
                keys.mean_cosine(means.double().cpu().numpy()),
            )


def contents(of: View) -> Iterator[Number]:
    """Principal directions of the values of every attention layer, and of the last residual stream."""
    known = of.known
    last = [*of.parts.streams][-1]
    held = {layer: a.values.transpose(1, 2).flatten(2) for layer, a in of.inside.attention.items()}
    first = known.at(of.inside.streams[next(iter(of.parts.streams))])
    trivial = values.shares(values.principal(first).variances)
    for site, each in {**held, f"stream {last}": of.inside.streams[last]}.items():
        states = known.at(each)
        axes = values.principal(states)
        rows, width = states.shape[0] * states.shape[1], states.shape[2]
        noise = values.shares(values.principal(values.unlinked(states, of.rng)).variances)
        ids = "values/pc1", "values/pc12", "values/pr"
        found = values.shares(axes.variances), values.isotropic(rows, width), noise, trivial
        for name, *numbers in zip(ids, *found, strict=True):
            yield Number(name, site, "", *numbers)
        yield from _ordered(of, site, axes.along(states))


def _ordered(of: View, site: str, coordinate: values.Bits) -> Iterator[Number]:
    """Whether the leading direction is ordered by entropy, and whether more than the position is."""
    known, entropy = of.known, of.known.entropy
    n, asked = entropy.shape
    chance = math.sqrt(2 / (math.pi * (n - 1) * asked))
    other = values.shuffled(entropy, of.rng)
    for name, rho, cell in (
        ("values/entropy_rho", values.pooled_rho, known.position),
        ("values/entropy_rho_within", values.within_rho, known.cell),
    ):
        trivial = belief.cell_means(entropy[..., None], cell)[..., 0]
        control = rho(coordinate, other)
        value, baseline = rho(coordinate, entropy), rho(trivial, entropy)
        yield Number(name, site, "", value, chance, control, baseline)


def beliefs(of: View) -> Iterator[Number]:
    """What can be read out of every residual stream, and of what layers remember."""
    known, cell = of.known, of.known.cell
    exact, entropy = belief.log_predictive(known.posterior), known.entropy[..., None]
    trivial = [belief.cell_r2(each, cell) for each in (exact, entropy)]
    order = of.rng.permutation(len(exact))
    for site, stream in {**of.inside.streams, **of.inside.states}.items():
        states = known.at(stream)
        value = belief.readable(states, exact) - trivial[0]
        control = belief.belief_r2(states, exact[order], cell)
        yield Number("belief/r2", site, "", value, 0.0, control, trivial[0])
        value = belief.readable(states, entropy)
        control = belief.readable(states, entropy[order])
        yield Number("belief/r2_entropy", site, "", value, 0.0, control, trivial[1])


def looks(of: View) -> Iterator[Number]:
    """Where every head looks, and how sharply."""
    evidence = of.known.sufficient
    best = (
        [routing.best_fixed(m) for m in (evidence, routing.after(evidence))]
        if evidence is not None
        else []
    )
    for layer, head, number, attended in of.heads():
        weights = attended.weights[:, number].double().cpu().numpy()
        if evidence is not None:
            others = values.shuffled(weights, of.rng)
            for name, aligned, fixed in (
                ("alignment", routing.alignment, best[0]),
                ("alignment/next", routing.alignment_next, best[1]),
            ):
                value, control = aligned(weights, evidence), aligned(others, evidence)
                yield Number(name, layer, head, value, 0.0, control, fixed)
        control = routing.gaussian_focus(weights, of.rng)
        blind = routing.focus(routing.profile(weights))
        yield Number("focus", layer, head, routing.focus(weights), 1.0, control, blind)


def caveats(of: Parts, known: KnownEpisodes, width: int, found: Sequence[Number]) -> dict[str, str]:
    """Id -> what must be known of it: why there are no such numbers, or that they are read from too little.

    Args:
        of: the network.
        known: the episodes.
        width: channels of its residual stream.
        found: the numbers that there are.
    """
    none = of.unknown or "no layer of this network attends"
    hidden = "the tunnel does not say where its evidence lies (Tunnel.sufficient)"
    why = dict.fromkeys(("keys/cosine", "focus", "head/delta"), none)
    why |= dict.fromkeys(("alignment", "alignment/next"), hidden if of.attention else none)
    why |= {"layer/delta": none, "swap": "no three episodes share a current symbol; look at more"}
    told = {
        id: f"not defined: {text}" for id, text in why.items() if id not in {n.id for n in found}
    }
    rows = known.symbol.size // 2
    if rows <= width:  # of three quarters of the episodes two thirds are learned from
        few = f"learned from {rows} positions of {width} channels, too few: look at more episodes"
        told |= dict.fromkeys(("belief/r2", "belief/r2_entropy"), few)
    return told


Family = Callable[[View], Iterator[Number]]
CHEAP: tuple[Family, ...] = (addresses, contents, beliefs, looks)
"""Families of one forward pass."""
FAMILIES: tuple[Family, ...] = (*CHEAP, heads, layers, cuts, swaps)
"""All, in the order of the page."""


def measure(
    network: Network, initial: Network, known: KnownEpisodes, seed: int = 0, most: int = 0
) -> Iterator[list[Number]]:
    """The numbers of a network, family by family.

    Args:
        network: in evaluation mode.
        initial: the same with its initial weights, in evaluation mode.
        known: the episodes, the same for both.
        seed: of the controls.
        most: layers and streams that are changed, at most, evenly spread; 0: all.

    Raises:
        ValueError: nobody knows where to look inside such a network.
    """
    if not parts(network).streams:
        name = type(network).__name__
        raise ValueError(
            f"{name}: expected a network whose inside is known (Transformer, LSTM, HuggingFace ...)"
        )
    now, first = (view(each, known, seed, most) for each in (network, initial))
    for family in FAMILIES:
        before = {each[:3]: each.value for each in family(first)}
        yield [each._replace(initial=before.get(each[:3], np.nan)) for each in family(now)]
