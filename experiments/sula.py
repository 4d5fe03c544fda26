"""SmolLM2 on SULA, inside and out.

    python experiments/sula.py search   # how exact, by the words for labels and TEST and by the text in front
    python experiments/sula.py 300      # episodes; with the best of those, found on a seed used for nothing else

Five prompts per episode, of k = 0, 1, 2, 4, 8 examples, TEST last; a token each, behind a prefix of one token, on which
the model's attention to the first position falls. Printed, over the five k together unless said otherwise:

    answers   KL(exact || model) and entropies by k; the error of the entropy beside the best constant's and always 0;
              the same with shuffled labels, where the exact answer is a coin's
    keys      mean |cosine| of the keys of all symbols, by layer; values and streams at TEST: principal shares, and
              |Spearman's rho| of PC1 with the exact entropy, over all and within k; each with its control
    cuts      of the entropy axis and of PC1 of the residual stream after a block, fitted on all episodes, and of random
              directions that remove as much variance
"""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from plasticity.diagnostics.geometry import belief, effects, measure, values
from plasticity.diagnostics.geometry.capture import look, parts
from plasticity.diagnostics.geometry.effects import bits
from plasticity.diagnostics.geometry.episodes import KnownEpisodes, known_episodes
from plasticity.diagnostics.geometry.interventions import cut_away
from plasticity.diagnostics.geometry.view import view
from plasticity.integrations.huggingface import HuggingFace
from streams import SULA

EXAMPLES = (0, 1, 2, 4, 8)
WORDS = (
    "good bad happy sad great poor nice cold warm dark light fast slow strong weak clean".split()
)
MAPS = (("A", "B", "best"), ("X", "Y", "test"))
PREFIXES = ("", "\n", "Labels:", "<|im_start|>", "<|endoftext|>")
MAP, PREFIX = MAPS[1], PREFIXES[3]
DEPTHS = (1 / 3, 1 / 2, 2 / 3, 5 / 6, 23 / 24)
"""Shares of the blocks after which streams are looked at and cut: blocks 8, 12, 16, 20, 23 of Pythia-410M's 24."""
RANDOM, FEWER = 4, 100
"""Random directions per cut; episodes on which the model is run with a cut."""


class Read(NamedTuple):
    """What a model holds and says at TEST, and the truth; the five k stand side by side."""

    known: list[KnownEpisodes]
    said: np.ndarray
    """(n, k, 2)."""
    exact: np.ndarray
    """(n, k, 2)."""
    held: dict[str, np.ndarray]
    """Site -> (n, k, channels)."""

    @property
    def entropy(self) -> np.ndarray:
        """Exact, in bits, (n, k)."""
        return entropy(self.exact)


def entropy(p: np.ndarray) -> np.ndarray:
    """In bits."""
    return -(p * np.log2(np.maximum(p, 1e-300))).sum(-1)


def read(network: HuggingFace, n: int, seed: int, shuffled: bool = False) -> Read:
    """One pass over every k."""
    rng, tunnel = np.random.default_rng(seed), SULA(shuffled=shuffled)
    known = [known_episodes(tunnel, 2 * k + 1, n, rng) for k in EXAMPLES]
    said, held = list[np.ndarray](), dict[str, list[np.ndarray]]()
    for each in known:
        inside = look(network, each.inputs)
        said.append(each.said(inside.logits))
        for site, stream in inside.streams.items():
            held.setdefault(f"stream {site}", []).append(each.at(stream))
        for layer, seen in inside.attention.items():
            flat = seen.values.transpose(1, 2).flatten(2)
            held.setdefault(f"values {layer}", []).append(each.at(flat))
    exact = np.concatenate([each.posterior for each in known], 1)
    whole = {site: np.concatenate(each, 1) for site, each in held.items()}
    return Read(known, np.concatenate(said, 1), exact, whole)


def errors(exact: np.ndarray, said: np.ndarray) -> str:
    """KL in bits, mean |entropy - exact entropy|, Spearman's rho of the two entropies."""
    own, wanted = entropy(said), entropy(exact)
    rho = values.pooled_rho(own, wanted)
    kl = bits(exact, said).mean()
    return (
        f"KL {kl:.4f} entropy error {np.abs(own - wanted).mean():.4f} |rho| of entropies {rho:.3f}"
    )


def answers(of: Read, shuffled: Read) -> Iterator[str]:
    """How exact it is."""
    yield f"all k: {errors(of.exact, of.said)}, n = {len(of.said)} per k"
    own, wanted = entropy(of.said), of.entropy
    for i, k in enumerate(EXAMPLES):
        kl = bits(of.exact, of.said).mean(0)[i]
        yield f"k {k}: KL {kl:.3f}, entropy {own.mean(0)[i]:.3f}, exact {wanted.mean(0)[i]:.3f}"
    best = np.median(wanted)
    yield f"constants: {best:.3f} has error {np.abs(wanted - best).mean():.4f}, 0 has {wanted.mean():.4f}"
    coin = bits(np.full_like(of.exact, 0.5), of.said).mean()
    yield f"uniform answers: KL {bits(of.exact, np.full_like(of.exact, 0.5)).mean():.4f}; model from a coin {coin:.4f}"
    yield f"shuffled labels: {errors(shuffled.exact, shuffled.said)}"


def addresses(network: HuggingFace, known: KnownEpisodes) -> dict[str, list[float]]:
    """Layer -> keys/cosine, chance, control, baseline, means over heads."""
    found = dict[str, list[tuple[float, ...]]]()
    for row in measure.addresses(view(network, known)):
        found.setdefault(row.site, []).append(row[3:7])
    return {site: np.mean(rows, axis=0).tolist() for site, rows in found.items()}


def shape(of: Read, site: str) -> str:
    """Principal shares, and rho of PC1 with the entropy; of other episodes; and within k."""
    states, rng = of.held[site], np.random.default_rng(0)
    axes = values.principal(states)
    one, two, ratio = values.shares(axes.variances)
    noise = values.shares(values.principal(values.unlinked(states, rng)).variances)[0]
    along, wanted = axes.along(states), of.entropy
    other = values.shuffled(wanted, rng)
    rhos = values.pooled_rho(along, wanted), values.pooled_rho(along, other)
    within = values.within_rho(along, wanted), values.within_rho(along, other)
    axis = values.within_rho(along, entropy(of.said))
    return (
        f"PC1 {one:.3f} (unlinked {noise:.3f}) PC1+2 {two:.3f} directions {ratio:.1f} |rho| {rhos[0]:.3f} "
        f"(others' H, same k {rhos[1]:.3f}) within k {within[0]:.3f} ({within[1]:.3f}), with its own entropy {axis:.3f}"
    )


def cuts(network: HuggingFace, of: Read, site: str, module: nn.Module) -> Iterator[str]:
    """What is said without a direction of a stream."""
    states, rng = of.held[f"stream {site}"], np.random.default_rng(0)
    axes = values.principal(states)
    covariance = (axes.axes.T * axes.variances) @ axes.axes
    readout = belief.ridge(states, of.entropy[..., None])
    r2 = belief.readable(states, of.entropy[..., None])
    places = np.broadcast_to(np.arange(len(EXAMPLES)), of.entropy.shape)
    alone = belief.cell_r2(of.entropy[..., None], places)
    for name, u in (("entropy", effects.leading(readout, covariance)), ("PC1", axes.axes[:1])):
        share = effects.removed(u, covariance)
        variance = share * float(np.trace(covariance))
        drawn = [effects.matched(covariance, variance, rng) for _ in range(RANDOM)]
        said = [cut(network, of, module, axes.mean, each) for each in (u, *drawn)]
        exact, whole = of.exact[:FEWER], of.said[:FEWER]
        error = np.abs(entropy(whole) - entropy(exact)).mean()
        delta = [effects.lost(exact, whole, each) for each in said]
        moved = [np.abs(entropy(each) - entropy(exact)).mean() for each in said]
        yield (
            f"{site} {name}: variance {share:.4f}, R2 of H {r2:.2f} (k alone {alone:.2f}); bits lost {delta[0]:+.4f}, "
            f"random {np.mean(delta[1:]):+.4f} ({min(delta[1:]):+.4f} to {max(delta[1:]):+.4f}); entropy error "
            f"{moved[0]:.4f}, random {np.mean(moved[1:]):.4f}, whole {error:.4f}"
        )


def cut(
    network: HuggingFace, of: Read, module: nn.Module, mean: np.ndarray, u: effects.Directions
) -> np.ndarray:
    """What is said at TEST, (n, k, 2)."""
    rows = [each.said(cut_away(network, each.inputs[:FEWER], module, mean, u)) for each in of.known]
    return np.concatenate(rows, 1)


def prompted(labels: Sequence[str], prefix: str) -> HuggingFace:
    """The model, with these words for the two labels and TEST."""
    tunnel, tokens = SULA(), [f" {word}" for word in (*labels, *WORDS)]
    return HuggingFace(tunnel.vocab, tunnel.symbols, "smollm2", tokens, prefix=prefix).eval()


def search(n: int) -> None:
    """How exact it is, prompt by prompt."""
    for labels in MAPS:
        for prefix in PREFIXES:
            of = read(prompted(labels, prefix), n, seed=100)
            print(f"{' '.join(labels)} {prefix!r}: {errors(of.exact, of.said)}", flush=True)


def main(n: int) -> None:
    """All of it."""
    begun, network = time.perf_counter(), prompted(MAP, PREFIX)
    where = parts(network)
    streams = [*where.streams]
    chosen = [streams[round(share * (len(streams) - 1))] for share in DEPTHS]
    of = read(network, n, seed=0)
    for line in answers(of, read(network, n, 1, shuffled=True)):
        print(line, flush=True)
    initial = network.untrained(0).eval()
    first = read(initial, n, seed=0)
    long = of.known[-1]
    trained, drawn = (addresses(each, long) for each in (network, initial))
    for site in trained:
        told = " ".join(f"{x:.3f}" for x in trained[site])
        print(f"keys {site}: value, chance, control, baseline {told}; initial {drawn[site][0]:.3f}")
    print(f"keys, all layers: {np.mean([*trained.values()], axis=0).round(3)}")
    numbers = [name.partition(" ")[0] for name in chosen]
    sites = [f"values {name}" for name in where.attention if name.partition(" ")[0] in numbers]
    for site in [*sites, *(f"stream {name}" for name in (*chosen, streams[-1]))]:
        print(f"{site}: {shape(of, site)}\n    initial: {shape(first, site)}", flush=True)
    for site in chosen:
        for line in cuts(network, of, site, where.streams[site]):
            print(line, f"[{time.perf_counter() - begun:.0f} s]", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        search(48) if sys.argv[1:] == ["search"] else main(int(sys.argv[1]))
