"""Conversation against the enumeration of every order and every lexicon."""

from functools import cache
from itertools import permutations

import numpy as np
import pytest

from plasticity import Symbols
from streams.conversation import Conversation

from .brute import Row, worst_gap

SMALL = [
    Conversation(1, 1, 2, 2, requests=2),
    Conversation(1, 2, 1, 2, requests=3),
    Conversation(3, 1, 1, 1, examples=1, requests=2),
    Conversation(2, 1, 2, 1, examples=1, requests=1),
]
TOLERANCE = 1e-10
S = 4


def length(tunnel: Conversation) -> int:
    return 2 * S * (tunnel.examples + tunnel.requests) - 1


@cache
def world(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Every latent: which slot is spoken at each place, and the token of each word."""
    orders, lexica = (
        np.array(list(permutations(range(S)))),
        np.array(list(permutations(range(size)))),
    )
    spoken, token = np.indices((len(orders), len(lexica))).reshape(2, -1)
    return orders[spoken], lexica[token]


def slots(tunnel: Conversation) -> np.ndarray:
    sizes = [tunnel.aggregates, tunnel.columns, tunnel.teams, tunnel.venues]
    return np.array([s for s, size in enumerate(sizes) for _ in range(size)])


def sequence(tunnel: Conversation, x: Row, y: Row) -> np.ndarray:
    """All symbols shown, pair by pair; the last target is the last token."""
    return np.append(x, y[-1]).reshape(-1, 2 * S) - np.repeat([tunnel.symbols, 0], S)


def possible(tunnel: Conversation, latents: tuple[np.ndarray, np.ndarray], pair: np.ndarray):
    """Whether each latent can make the pair, of which the last tokens may be missing, and its program."""
    spoken, lexicon = latents
    tokens = lexicon[:, pair[:S]]
    right = (slots(tunnel)[tokens] == spoken).all(1)
    program = np.take_along_axis(tokens, spoken.argsort(1), 1)
    return right & (program[:, : len(pair) - S] == pair[S:]).all(1), program


def by_enumeration(tunnel: Conversation):
    """The predictives at asked positions: the share of latents, of those that explain all, for each token."""

    def wanted(known, past_x: Symbols, past_y: Symbols, x: Row, y: Row) -> np.ndarray:
        latents = world(tunnel.symbols)
        if known is not None:
            latents = known[None, :S].argsort(1), known[None, S:]
        alive = np.ones(len(latents[0]), dtype=bool)
        for episode in zip(past_x, past_y, strict=True):
            for pair in sequence(tunnel, *episode):
                alive &= possible(tunnel, latents, pair)[0]
        found = list[np.ndarray]()
        for k, pair in enumerate(sequence(tunnel, x, y)):
            for s in range(S):
                right, program = possible(tunnel, latents, pair[: S + s])
                share = np.bincount(program[alive & right, s], minlength=tunnel.symbols)
                if k >= tunnel.examples:
                    found.append(share / share.sum())
            alive &= possible(tunnel, latents, pair)[0]
        return np.array(found)

    return wanted


@pytest.mark.parametrize("tunnel", SMALL, ids=repr)
def test_exact(tunnel: Conversation):
    assert worst_gap(tunnel, length(tunnel), by_enumeration(tunnel)) <= TOLERANCE


@pytest.mark.parametrize("tunnel", SMALL[:3], ids=repr)
def test_evidence_equals_enumeration(tunnel: Conversation):
    """Of episodes that were drawn, of two that do not belong together, and of some that nobody would make."""
    time, rng = length(tunnel), np.random.default_rng(1)
    size = tunnel.symbols
    counts = np.bincount(slots(tunnel))
    held = np.repeat(tunnel.latents(1, rng), 6, axis=0)
    x, y = tunnel.draw(held, time, rng)
    v, w = tunnel.draw(tunnel.latents(4, rng), time, rng)
    inputs, targets = np.vstack([x[2:], v, v, v]), np.vstack([y[2:], w, w, w])
    inputs[-4:, 9:], targets[-4:, 9:] = x[2:, 9:], y[2:, 9:]  # the first pair is another world's
    inputs[-8:-6, 8] = inputs[-8:-6, 9]  # a word twice
    inputs[-6, 12], inputs[-5, 3] = size, 0

    def log_p(spoken: np.ndarray, lexicon: np.ndarray, alive: np.ndarray) -> np.ndarray:
        """Each word has the probability of its token, and what follows from it has probability 1."""
        found = np.zeros((len(inputs), time + 1))
        for i, (a, b) in enumerate(zip(inputs, targets, strict=True)):
            p, tokens = alive / alive.sum(), np.zeros((len(p := alive / alive.sum()), S), int)
            for t in range(time + 1):
                k, symbol = t % (2 * S), a[t] if t < time else b[-1]
                if k < S:
                    tokens[:, k] = lexicon[:, (symbol - size) % size]
                    slot = spoken[:, k]
                    p = p * (slots(tunnel)[tokens[:, k]] == slot) / counts[slot] * (symbol >= size)
                    if t:
                        p = p * (symbol - size == b[t - 1])
                else:
                    program = np.take_along_axis(tokens, spoken.argsort(1), 1)
                    p = p * (program[:, k - S] == b[t - 1]) * (symbol == b[t - 1])
                found[i, t] = p.sum()
                if t == time:  # the last target is the last token
                    found[i, t] = p.sum()
        with np.errstate(divide="ignore"):
            return np.log(found)

    del log_p
