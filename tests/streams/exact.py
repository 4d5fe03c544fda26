"""Brute force: predictives as ratios of marginal likelihoods, summed over everything hidden."""

import pickle
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from plasticity import AnswerKey, Batch, Group, Probabilities, Stream, Symbols, Tunnel

Episode = tuple[Any, ...]
Joint = Callable[[Sequence[Episode]], float]
"""Probability of whole episodes under one hidden latent."""
Faced = tuple[Batch, AnswerKey, list[Group], int]
"""A batch, its answer key, who made it and its step: what the reference predictors predict and absorb."""
TOLERANCE = 1e-10


def faced(stream: Stream, step: int) -> Faced:
    return *stream.keyed(step), stream.groups(step), step


def mixture(support: Iterable[tuple[float, Any]], law: Callable[[Any, Episode], float]) -> Joint:
    """The marginal likelihood: sum over the support of weight times the law of every episode."""
    support = list(support)

    def joint(episodes: Sequence[Episode]) -> float:
        return sum(w * float(np.prod([law(h, e) for e in episodes])) for w, h in support)

    return joint


def chains(inputs: Symbols, targets: Symbols) -> list[Episode]:
    """x_0, x_1, ..., x_T of each row."""
    return [(x[0], *y) for x, y in zip(inputs.tolist(), targets.tolist(), strict=True)]


def chain_ahead(joint: Joint, past: Sequence[Episode], episode: Episode, symbols: int):
    """p(x_{t+1} | past, x_0..x_t) for each t."""
    return [
        [joint([*past, (*episode[:t], k)]) for k in range(symbols)] for t in range(1, len(episode))
    ]


def pairs(inputs: Symbols, targets: Symbols) -> list[Episode]:
    """(key, value) pairs of each row."""
    keys, values = inputs[:, ::2].tolist(), targets[:, ::2].tolist()
    return [tuple(zip(k, v, strict=True)) for k, v in zip(keys, values, strict=True)]


def pairs_ahead(joint: Joint, past: Sequence[Episode], episode: Episode, symbols: int):
    """p(value of key t | past, the pairs before t) for each t."""
    return [
        [joint([*past, (*episode[:t], (key, k))]) for k in range(symbols)]
        for t, (key, _) in enumerate(episode)
    ]


def assert_exact(
    tunnel: Tunnel, joint: Joint, law: Callable[[Any, Episode], float], time: int, seed: int = 0
) -> None:
    """Every observer of the tunnel is the one that brute force finds, at the asked positions.

    The amnesic; the continual after three episodes of a held latent, together, one by one and
    pickled; the informed, which learns nothing.
    """
    rng = np.random.default_rng(seed)
    paired = tunnel.vocab != tunnel.symbols
    read, ahead = (pairs, pairs_ahead) if paired else (chains, chain_ahead)

    def brute(joint: Joint, past: Sequence[Episode], episode: Episode) -> np.ndarray:
        mass = np.array(ahead(joint, past, episode, tunnel.symbols))
        return mass / mass.sum(-1, keepdims=True)

    def compare(said: Probabilities, wanted: list[np.ndarray]) -> None:
        assert said.dtype == np.float64
        np.testing.assert_allclose(said.sum(-1), 1, atol=TOLERANCE)
        np.testing.assert_allclose(said[:, tunnel.asked(time)], wanted, atol=TOLERANCE)

    for _ in range(3):
        latents = tunnel.latents(5, rng)
        x, y = tunnel.draw(latents, time, rng)
        assert x.dtype == y.dtype == np.int64 and x.shape == y.shape == (5, time)
        episodes = read(x, y)
        compare(tunnel.observer().predict(x, y), [brute(joint, [], e) for e in episodes])

        known = tunnel.informed(latents)
        given = [mixture([(1.0, latent)], law) for latent in latents]
        wanted = [brute(j, [], e) for j, e in zip(given, episodes, strict=True)]
        compare(known.predict(x, y), wanted)
        compare(known.absorb(x, y).predict(x, y), wanted)

        held = np.repeat(latents[:1], 6, axis=0)
        x, y = tunnel.draw(held, time, rng)
        together = tunnel.observer().absorb(x[:3], y[:3])
        singly = tunnel.observer()
        for i in range(3):
            singly = singly.absorb(x[i : i + 1], y[i : i + 1])
        episodes = read(x, y)
        wanted = [brute(joint, episodes[:3], e) for e in episodes[3:]]
        for state in (together, singly, pickle.loads(pickle.dumps(together))):
            compare(state.predict(x[3:], y[3:]), wanted)
        once = tunnel.informed(latents[:1]).predict(x, y)
        np.testing.assert_array_equal(once, tunnel.informed(held).predict(x, y))


def assert_calibrated(tunnel: Tunnel, time: int, n: int = 2000) -> None:
    """`draw` and the observers speak of one world: surprise is entropy on average, memory pays.

    Under the law of the draws, -log p(target) - H(p) has mean 0; 5 standard errors are allowed. The
    observer who has absorbed many episodes of a held latent is near the informed one.
    """
    rng = np.random.default_rng(1)
    x, y = tunnel.draw(tunnel.latents(n, rng), time, rng)
    p = tunnel.observer().predict(x, y)
    surprise = -np.log2(np.take_along_axis(p, y[..., None], -1)[..., 0])
    gap = (surprise - entropy(p))[:, tunnel.asked(time)].sum(1)
    assert abs(gap.mean()) <= 5 * gap.std() / np.sqrt(n) + TOLERANCE

    held = tunnel.latents(1, rng)
    x, y = tunnel.draw(np.repeat(held, n, axis=0), time, rng)
    wise = tunnel.observer().absorb(x, y).predict(x, y)
    error = wise - tunnel.informed(held).predict(x, y)
    assert np.abs(error[:, tunnel.asked(time)]).mean() < 0.02


def entropy(p: np.ndarray) -> np.ndarray:
    """Bits, along the last axis."""
    return -(p * np.log2(np.where(p > 0, p, 1.0))).sum(-1)
