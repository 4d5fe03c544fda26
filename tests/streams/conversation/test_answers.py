"""Accuracy of answers against the probability of being right, and against queries one by one."""

import numpy as np
import pytest

from streams.conversation.answers import accuracy
from streams.conversation.conversation import Conversation

TUNNEL = Conversation(aggregates=5, columns=2, teams=2, venues=2, requests=3)


def asked(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The amnesic predictive, the informed one and the tokens that came, where they are asked; and the latents."""
    rng = np.random.default_rng(seed)
    latents = TUNNEL.latents(n, rng)
    x, y = TUNNEL.draw(latents, 23, rng)
    at = TUNNEL.asked(23)
    blind, sure = (o.predict(x, y)[:, at] for o in (TUNNEL.observer(), TUNNEL.informed(latents)))
    return blind, sure, y[:, at], latents


def test_who_knows_the_language_is_always_right():
    _, sure, wanted, _ = asked(50)
    for share in accuracy(TUNNEL, sure, wanted):
        np.testing.assert_array_equal(share, np.ones(3))


def test_who_has_heard_nothing_guesses_the_first_program():
    """Right by luck, 1 / 40; and answered more often, as a table of all queries says."""
    blind, _, wanted, _ = asked(20000)
    found = accuracy(TUNNEL, blind, wanted)
    assert found.written[0] == pytest.approx(1 / 40, abs=0.005)
    guess = [0, 5, 7, 9]
    card = TUNNEL.scorecard
    every = [np.add(place, card.starts).tolist() for place in np.ndindex(*card.sizes)]
    luck = np.mean([card.answer(program) == card.answer(guess) for program in every])
    assert found.answered[0] == pytest.approx(luck, abs=0.005)
    assert (np.diff(found.written) > 0).all()


def test_each_program_is_tried_whole():
    """Random tokens of the right slots: one query after the other."""
    rng, card = np.random.default_rng(1), TUNNEL.scorecard
    said, wanted = rng.integers(card.sizes, size=(2, 300, 3, 4)) + card.starts
    said[::2, 0] = wanted[::2, 0]
    found = accuracy(TUNNEL, np.eye(11)[said].reshape(300, 12, 11), wanted.reshape(300, 12))
    alike = [
        [card.answer(a) == card.answer(b) for a, b in zip(*rows, strict=True)]
        for rows in zip(said.tolist(), wanted.tolist(), strict=True)
    ]
    np.testing.assert_allclose(found.answered, np.mean(alike, axis=0))
    np.testing.assert_allclose(found.written, (said == wanted).all(2).mean(0))
    assert (found.answered > found.written).all() and found.written[0] >= 0.5
