"""Tunnels whose lists of hypotheses are wrong in one way each, and the check that must say so."""

from collections.abc import Callable
from typing import Any

import numpy as np

from plasticity import Hypotheses
from streams import Choice

from .tunnels import Mutant


class Lists(Choice):
    """A tunnel of few hypotheses, whose list is edited."""

    def __init__(self, edit: Callable[[Hypotheses], Hypotheses]):
        super().__init__(features=1, levels=2, noise=0.5)
        self.edit = edit

    def hypotheses(self) -> Hypotheses:
        return self.edit(super().hypotheses())


def as_listed(found: Hypotheses) -> Hypotheses:
    return found


def too_much(found: Hypotheses) -> Hypotheses:
    return found._replace(prior=1.01 * found.prior)


def other_prior(found: Hypotheses) -> Hypotheses:
    weights = np.arange(1.0, len(found.prior) + 1)
    return found._replace(prior=weights / weights.sum())


def others_are_true(found: Hypotheses) -> Hypotheses:
    """Of a uniform prior only the predictions can tell; `of` names one too many of the first."""
    return found._replace(of=lambda latents: np.zeros(len(latents), np.int64))


def told_another(found: Hypotheses) -> Hypotheses:
    """Each observer was told the first hypothesis."""
    return found._replace(given=lambda which: found.given(np.zeros_like(which)))


ADD_UP = {"hypotheses add up"}
HYPOTHESES: list[Mutant] = [
    (Lists(edit), ADD_UP) for edit in (too_much, other_prior, others_are_true, told_another)
]
SOUND: list[Any] = [Lists(as_listed)]
