"""Checks of exactness: a tunnel's observers are right, shown by sampling, without help from its author."""

from collections.abc import Callable
from functools import cache, lru_cache
from itertools import pairwise
from unittest import SkipTest

import numpy as np
from jaxtyping import Float, Int

from plasticity.checks.episodes import faced, lengths, middling
from plasticity.checks.frequencies import RARE, compare, histories, numbered
from plasticity.core.tunnel import Observer, Probabilities, Symbols, Tunnel

SEQUENCES, CARRIED = 4096, 512
"""Sequences where means are looked at; fewer for the continual observer, who is another one for each."""
OBSERVERS = ("amnesic", "continual", "informed")
STAKES = (-1.0, -0.3, -0.1, -0.03, 0.03, 0.1, 0.3, 0.9)
"""Bets for and against an observer's losses, per nat."""
FEW = 8
"""Latents whose informed observer is compared with frequencies."""
DRAWN = 100_000
"""Sequences from which frequencies are taken, of 8 symbols at most; of longer ones fewer."""
ENOUGH = 1000
"""Sequences whose history is not theirs alone, below which frequencies say nothing."""
COMMON = 128
"""Earlier episodes after which frequencies are taken, the most frequent ones."""
CHUNK = 20_000
"""Sequences drawn at once."""


def check_posterior_is_calibrated(tunnel: Tunnel) -> None:
    """At each asked position every observer loses what it expects to: E[-log p(target)] = E[entropy of p].

    The test is a bet that no luck wins: at each stake a, exp(sum of a (loss - entropy) - log E_p[exp(the same)])
    has mean 1 if p is right, so that its mean over stakes is above 1/RARE with probability RARE at most (Markov).
    """
    time = middling(tunnel)
    y, *predicted = faced(tunnel, time, SEQUENCES, CARRIED)
    for who, p in zip(OBSERVERS, predicted, strict=True):
        loss, entropy = _nats(p, y[: len(p)]), _entropy(p)
        for t in np.flatnonzero(tunnel.asked(time)):
            assert np.isfinite(loss[:, t]).all(), (
                f"the {who} observer gave probability 0 to a symbol that came, at position {t}"
            )
            gain = [
                a * loss[:, t].sum() - np.log((p[:, t] ** (1 - a)).sum(-1)).sum() for a in STAKES
            ]
            mean = (loss - entropy)[:, t].mean()
            assert np.logaddexp.reduce(gain) <= np.log(len(STAKES) / RARE), (
                f"the {who} observer loses {mean:+.4f} nats more at position {t} than its own entropy, over "
                f"{len(p)} sequences; expected 0 within chance: it is {'over' if mean > 0 else 'under'}confident; "
                "compare its prior with what latents() draws, and its law with what draw() draws"
            )


def check_knowing_more_is_no_worse(tunnel: Tunnel) -> None:
    """The informed loses no more than the continual, and that no more than the amnesic, on long episodes.

    If the one who knows more is exact, the likelihood ratio of the other to it has mean 1 at most.
    """
    time = lengths(tunnel)[-1]
    y, *predicted = faced(tunnel, time, n := 128, carried=n)
    asked = tunnel.asked(time)
    losses = [float(_nats(p, y)[:, asked].sum()) for p in predicted]
    for i, (worse, better) in enumerate(pairwise(OBSERVERS)):
        more = losses[i + 1] - losses[i]
        assert np.isfinite(losses[i + 1]) and more <= -np.log(RARE), (
            f"the {better} observer loses {more / n:.3f} nats per episode of {time} symbols more than the {worse}, "
            f"over {n} episodes; expected no more: informed() uses its latents, absorb() adds evidence"
        )


def check_posterior_matches_frequencies(tunnel: Tunnel) -> None:
    """The amnesic predictive is the frequency of what came after identical histories."""
    x, y = sample(tunnel, short(tunnel))
    none = np.zeros(x.shape[1], dtype=np.int64)
    _compare("the amnesic observer", tunnel, x[0], y[0], none, lambda _: tunnel.observer())


def check_memory_matches_frequencies(tunnel: Tunnel) -> None:
    """The continual predictive is the frequency of what came after identical episodes and histories."""
    x, y = sample(tunnel, lengths(tunnel)[0], episodes=2)
    code = numbered(np.hstack([x[0], y[0]]))
    _, first, origin, size = np.unique(code, True, True, True)
    common = np.isin(origin, np.argsort(-size, kind="stable")[:COMMON])

    def continual(which: int) -> Observer:
        row = first[which : which + 1]
        return tunnel.observer().absorb(x[0][row], y[0][row])

    who = "the observer that has absorbed one episode"
    _compare(who, tunnel, x[1][common], y[1][common], origin[common], continual)


def check_informed_matches_frequencies(tunnel: Tunnel) -> None:
    """The informed predictive is, latent by latent, the frequency of what came after identical histories."""
    few = tunnel.latents(FEW, np.random.default_rng(4))
    x, y = sample(tunnel, short(tunnel), of_few=True)
    origin = np.arange(x.shape[1]) % FEW

    def informed(which: int) -> Observer:
        return tunnel.informed(few[which : which + 1])

    _compare("the informed observer", tunnel, x[0], y[0], origin, informed)


def short(tunnel: Tunnel) -> int:
    """The shortest length from 4 on, or the longest there is."""
    found = lengths(tunnel)
    return min((t for t in found if t >= 4), default=found[-1])


def _nats(p: Probabilities, targets: Symbols) -> Float[np.ndarray, "batch time"]:
    """-log p of what came."""
    hit = np.take_along_axis(p, targets[..., None], -1)[..., 0]
    return -np.log(hit, out=np.full_like(hit, -np.inf), where=hit > 0)


def _entropy(p: Probabilities) -> Float[np.ndarray, "batch time"]:
    """In nats."""
    return -(p * np.log(p, out=np.zeros_like(p), where=p > 0)).sum(-1)


@lru_cache(maxsize=2)
def sample(
    tunnel: Tunnel, time: int, of_few: bool = False, episodes: int = 1
) -> Int[np.ndarray, "2 episodes batch time"]:
    """Inputs and targets of many rows, each of so many episodes under one latent; to be read only.

    Args:
        tunnel: what draws them.
        time: symbols per episode.
        of_few: under FEW latents by turns, those that a generator of seed 4 draws first; else each its own.
        episodes: per row.
    """
    rng, n = np.random.default_rng(4), DRAWN * 8 // max(time * episodes, 8)
    few, drawn = tunnel.latents(FEW, np.random.default_rng(4)), list[np.ndarray]()
    for begin in range(0, n, CHUNK):
        rows = np.arange(begin, min(begin + CHUNK, n))
        held = few[rows % FEW] if of_few else tunnel.latents(len(rows), rng)
        drawn.append(np.stack([tunnel.draw(held, time, rng) for _ in range(episodes)], axis=1))
    made = np.concatenate(drawn, axis=2)
    made.flags.writeable = False
    return made


def _compare(
    who: str,
    tunnel: Tunnel,
    inputs: Symbols,
    targets: Symbols,
    origin: Int[np.ndarray, " batch"],
    observer: Callable[[int], Observer],
) -> None:
    """Compare the predictions of `observer(origin of a row)` with frequencies.

    Raises:
        AssertionError: they differ.
        SkipTest: hardly any two sequences have a history in common.
    """
    of, repeated = cache(observer), 0

    def predict(rows: Int[np.ndarray, " rows"]) -> Probabilities:
        p = np.empty((len(rows), inputs.shape[1], tunnel.symbols))
        for which in np.unique(origin[rows]).tolist():
            alike = origin[rows] == which
            p[alike] = of(which).predict(inputs[rows[alike]], targets[rows[alike]])
        return p

    asked = tunnel.asked(inputs.shape[1])
    for found in histories(inputs, targets, asked, tunnel.symbols, origin):
        repeated = max(repeated, int(found.counts.sum()))
        if len(found.counts):
            compare(who, inputs, targets, found, predict)
    if repeated < ENOUGH:
        raise SkipTest(
            f"{who}: only {repeated} sequences have a history in common with another, too few to compare frequencies; "
            "check a smaller instance, with fewer symbols or shorter episodes"
        )
