"""Accuracy of answers, by tokens and by execution."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from streams.conversation.conversation import Conversation
from streams.conversation.lexicon import S


class Accuracy(NamedTuple):
    """Shares of conversations, for each program that is asked, in [0, 1]."""

    written: Float[np.ndarray, " programs"]
    """Where the most likely tokens are those of the program that came."""
    answered: Float[np.ndarray, " programs"]
    """Where the database answers them as it answers that program: never fewer."""


def accuracy(
    tunnel: Conversation,
    p: Float[np.ndarray, "batch asked symbols"],
    wanted: Int[np.ndarray, "batch asked"],
) -> Accuracy:
    """Accuracy of the most likely programs, each token foretold with the true ones before it known.

    argmax_v p(v_s = v | request, v_1..v_{s-1}) for every slot s; of two that are as likely, the first. To write and
    to be answered differ: many programs have one answer (no column changes a COUNT).

    Args:
        tunnel: whose database is asked.
        p: probabilities, or logits, at the asked positions.
        wanted: tokens that came there.

    One conversation, in which AVG(runs) of the second team is said for AVG(runs) of the first, and COUNT(balls) for
    COUNT(runs):

    >>> tunnel = Conversation(aggregates=5, columns=2, teams=2, venues=1)
    >>> said, wanted = np.array([[1, 5, 8, 9, 4, 6, 7, 9]]), np.array([[1, 5, 7, 9, 4, 5, 7, 9]])
    >>> accuracy(tunnel, np.eye(10)[said], wanted)
    Accuracy(written=array([0., 0.]), answered=array([0., 1.]))
    """
    said = p.argmax(-1)
    right = said == wanted, tunnel.is_correct(said, wanted)
    return Accuracy(*(each.reshape(len(said), -1, S).all(2).mean(0) for each in right))
