"""Conversation against the enumeration of every order and every lexicon."""

from functools import cache
from itertools import permutations

import numpy as np
import pytest

from plasticity import Symbols
from streams import Padded
from streams.conversation.conversation import Conversation

from ..brute import Row, worst_gap

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


def likelihoods(
    tunnel: Conversation, latents: tuple[np.ndarray, np.ndarray], x: Row, y: Row
) -> np.ndarray:
    """Probability of every beginning of an episode under each latent; a word has that of its token."""
    (spoken, lexicon), size = latents, tunnel.symbols
    counts = np.bincount(slots(tunnel))
    p, tokens = np.ones(len(spoken)), np.zeros_like(spoken)
    found = list[np.ndarray]()
    for t in range(len(x) + 1):
        place = t % (2 * S)
        if place < S:
            tokens[:, place] = lexicon[:, (x[t] - size) % size]
            slot = spoken[:, place]
            right = (slots(tunnel)[tokens[:, place]] == slot) & (x[t] >= size)
            p = p * right / counts[slot] * (t == 0 or x[t] == y[t - 1] + size)
        else:
            program = np.take_along_axis(tokens, spoken.argsort(1), 1)
            p = p * (program[:, place - S] == y[t - 1]) * (t == len(x) or x[t] == y[t - 1])
        found.append(p)
    return np.array(found)


@pytest.mark.parametrize("tunnel", SMALL[:3], ids=repr)
def test_evidence_equals_enumeration(tunnel: Conversation):
    """Of episodes that were drawn, of two that do not belong together, and of some that nobody would make."""
    time, rng = length(tunnel), np.random.default_rng(1)
    latent = tunnel.latents(1, rng)
    x, y = tunnel.draw(np.repeat(latent, 6, axis=0), time, rng)
    v, w = tunnel.draw(tunnel.latents(4, rng), time, rng)
    inputs, targets = np.vstack([x[2:], v, v, v]), np.vstack([y[2:], w, w, w])
    inputs[-4:, 8:], targets[-4:, 7:] = x[2:, 8:], y[2:, 7:]  # the first pair is another world's
    inputs[4, 1], targets[4, 0] = inputs[4, 0], inputs[4, 0] - tunnel.symbols  # a word twice
    inputs[5, 9], inputs[6, 3], inputs[7, 0] = tunnel.symbols, 0, 1
    past = [likelihoods(tunnel, world(tunnel.symbols), x[i], y[i])[-1] for i in range(2)]
    ignorant, known = tunnel.observer(), tunnel.informed(latent)
    cases = [
        (ignorant, world(tunnel.symbols), np.ones_like(past[0])),
        (ignorant.absorb(x[:2], y[:2]), world(tunnel.symbols), past[0] * past[1]),
        (known.absorb(x[:2], y[:2]), (latent[:, :S].argsort(1), latent[:, S:]), np.ones(1)),
    ]
    for observer, latents, weights in cases:
        said = observer.evidence(inputs, targets)
        for row, episode in zip(said, zip(inputs, targets, strict=True), strict=True):
            p = (likelihoods(tunnel, latents, *episode) * weights / weights.sum()).sum(1)
            with np.errstate(divide="ignore"):
                np.testing.assert_allclose(row, np.log(p), rtol=0, atol=TOLERANCE)
    assert np.isfinite(ignorant.evidence(inputs[:4], targets[:4])).all()


def bits(p: np.ndarray, targets: np.ndarray, tunnel: Conversation) -> np.ndarray:
    """Log loss of each program, by its number in the conversation, in bits."""
    loss = -np.log2(np.take_along_axis(p, targets[..., None], -1)[..., 0])
    each = loss[:, tunnel.asked(targets.shape[1])]
    return each.reshape(len(targets), -1, S).sum(2).mean(0)


def test_the_first_program_costs_all_who_do_not_remember():
    """Which is the headline: the amnesic pays in every conversation, the continual once."""
    tunnel, rng = Conversation(requests=4), np.random.default_rng(2)
    held = np.repeat(tunnel.latents(1, rng), 64, axis=0)
    x, y = tunnel.draw(held, 31, rng)
    forgets = bits(tunnel.observer().predict(x, y), y, tunnel)
    assert forgets[0] == pytest.approx(np.log2(4 * 4 * 5 * 5))
    assert (np.diff(forgets) < 0).all() and forgets[-1] > 1
    remembers = tunnel.observer().absorb(x[:32], y[:32]).predict(x[32:], y[32:])
    assert bits(remembers, y[32:], tunnel) == pytest.approx(0)
    np.testing.assert_array_equal(remembers, tunnel.informed(held[32:]).predict(x[32:], y[32:]))


def test_examples_are_given_and_not_asked():
    rng = np.random.default_rng(3)
    mixed, asked = Conversation(examples=2, requests=1), Conversation(requests=3)
    latents = mixed.latents(5, rng)
    x, y = mixed.draw(latents, 23, np.random.default_rng(4))
    np.testing.assert_array_equal(asked.draw(latents, 23, np.random.default_rng(4)), (x, y))
    np.testing.assert_array_equal(np.flatnonzero(mixed.asked(23)), [19, 20, 21, 22])
    np.testing.assert_array_equal(
        np.flatnonzero(asked.asked(23)), [3, 4, 5, 6, 11, 12, 13, 14, 19, 20, 21, 22]
    )
    one, other = (t.observer().predict(x, y)[:, 19:] for t in (mixed, asked))
    np.testing.assert_array_equal(one, other)


def test_a_word_at_two_places_is_no_conversation():
    """What cannot be has no evidence, and gets a distribution all the same."""
    tunnel, rng = Conversation(), np.random.default_rng(5)
    x, y = tunnel.draw(tunnel.latents(1, rng), 31, rng)
    x[0, 9], y[0, 8] = x[0, 0], y[0, 0]
    p = tunnel.observer().predict(x, y)
    np.testing.assert_allclose(p.sum(-1), 1)
    np.testing.assert_allclose(p[0, 11:15], 1 / tunnel.symbols)
    assert np.isneginf(tunnel.observer().evidence(x, y)[0, 9:]).all()


def test_answers_are_what_counts():
    """COUNT(runs) is answered as COUNT(balls) is: right as a whole or not at all."""
    tunnel = Conversation(aggregates=5, columns=2, teams=2, venues=2)
    wanted = np.tile([4, 5, 7, 9, 0, 5, 7, 9], (2, 1))
    said = np.array([[4, 6, 7, 9, 0, 6, 7, 9], [4, 5, 7, 9, 0, 5, 7, 7]])
    expected = [[True] * 4 + [False] * 4] * 2
    np.testing.assert_array_equal(tunnel.is_correct(said, wanted), expected)
    piece = slice(0, 6)  # no whole number of programs
    np.testing.assert_array_equal(
        tunnel.is_correct(said[:, piece], wanted[:, piece]), said[:, piece] == wanted[:, piece]
    )


def test_padded_beside_another_task():
    inner, rng = Conversation(1, 1, 2, 2, requests=2), np.random.default_rng(6)
    outer = Padded(inner, vocab=14, symbols=8, length=15)
    latents = outer.latents(6, rng)
    x, y = outer.draw(latents, 20, rng)
    said = outer.observer().predict(x, y)[:, :15, :6]
    np.testing.assert_array_equal(said, inner.observer().predict(x[:, :15], y[:, :15]))


@pytest.mark.parametrize(
    ("fault", "make"),
    [
        ("teams: expected 1 to 8, got 9", lambda: Conversation(teams=9)),
        ("columns: expected 1 to 5, got 6", lambda: Conversation(columns=6)),
        (
            "31 symbols",
            lambda: Conversation().draw(np.zeros((1, 22), int), 32, np.random.default_rng()),
        ),
    ],
)
def test_faults_name_what_is_wrong(fault: str, make):
    with pytest.raises(ValueError, match=fault):
        make()
