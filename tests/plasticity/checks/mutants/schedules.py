"""Schedules that are wrong in one way each, and the checks that must say so."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from plasticity import IGNORE_INDEX, AnswerKey, Batch, Belief, Recipe, Stream, Tunnel, recipe
from streams import Urn

from .tunnels import Mutant


class Coin(Stream):
    """Either of two regimes at every step, the second with probability 0.3; mutants override a little of it."""

    def __init__(self, tunnels: Sequence[Tunnel], steps: int = 40, seed: int = 0):
        super().__init__(tunnels, 2, steps, batch=4, time=3, probe=3, seed=seed)

    def schedule(self, step: int, rng: np.random.Generator) -> Any:
        return np.full(self.batch, int(rng.random() < 0.3))

    def prior(self, step: int, before: Belief | None) -> Belief | None:
        return {0: 0.7, 1: 0.3}


class Sticky(Coin):
    """Stays half of the time, and its law forgets that."""

    def schedule(self, step: int, rng: np.random.Generator) -> Any:
        own = self.rng(5, step // 2 * 2)
        return np.full(self.batch, int(own.random() < 0.3))


class OtherLaw(Coin):
    def prior(self, step: int, before: Belief | None) -> Belief | None:
        return {0: 0.5, 1: 0.5}


class MoreThanAll(Coin):
    def prior(self, step: int, before: Belief | None) -> Belief | None:
        return {0: 0.7, 1: 0.4}


class Impossible(Coin):
    def prior(self, step: int, before: Belief | None) -> Belief | None:
        return {0: 1.0}


class Unseeded(Coin):
    def schedule(self, step: int, rng: np.random.Generator) -> Any:
        return super().schedule(step, np.random.default_rng())


class Global(Coin):
    def schedule(self, step: int, rng: np.random.Generator) -> Any:
        np.random.seed(step + self.seed)
        return np.full(self.batch, int(np.random.rand() < 0.3))


class Remembers(Coin):
    """What is live depends on how often it was asked."""

    asked_for = 0

    def schedule(self, step: int, rng: np.random.Generator) -> Any:
        self.asked_for += 1
        return super().schedule(self.asked_for, self.rng(5, self.asked_for))


class SeedKept(Coin):
    def __init__(self, tunnels: Sequence[Tunnel], steps: int = 40, seed: int = 0):
        super().__init__(tunnels, steps)

    def prior(self, step: int, before: Belief | None) -> Belief | None:
        return None


class OneTooMany(Coin):
    def schedule(self, step: int, rng: np.random.Generator) -> Any:
        return super().schedule(step, rng) + step % 2

    def prior(self, step: int, before: Belief | None) -> Belief | None:
        return None


class MixesSilently(Coin):
    def schedule(self, step: int, rng: np.random.Generator) -> Any:
        return (rng.random(self.batch) < 0.3).astype(int)


class GoneTooEarly(Coin):
    def retired(self, regime: int, step: int) -> bool:
        return regime == 0 and step > 5


class AsksOfEverybody(Coin):
    """Targets that nobody asks for are there, and the mask says that nobody does."""

    def keyed(self, step: int) -> tuple[Batch, AnswerKey]:
        batch, key = super().keyed(step)
        asked = batch.asked.clone()
        asked[0] = False
        return batch._replace(asked=asked), key


class OutOfRange(Coin):
    def keyed(self, step: int) -> tuple[Batch, AnswerKey]:
        batch, key = super().keyed(step)
        return batch._replace(targets=batch.targets.where(batch.targets == IGNORE_INDEX, 9)), key


def made(cls: type[Stream]) -> Recipe[Stream]:
    return recipe(cls, tunnels=[recipe(Urn, alpha=[1.0, 1.0])])


LAW, PURE, OWN = "prior is the law", "batches are pure", "regimes are its own"
CHANCE, SHAPE = "leaves global randomness alone", "batches have their shape"
SCHEDULES: list[Mutant] = [
    (made(cls), killers)
    for cls, killers in (
        (Sticky, {LAW}),
        (OtherLaw, {LAW}),
        (MoreThanAll, {LAW}),
        (Impossible, {LAW}),
        (Unseeded, {PURE}),
        (Global, {CHANCE}),
        (Remembers, {PURE}),
        (SeedKept, {PURE}),
        (OneTooMany, {OWN}),
        (MixesSilently, {OWN}),
        (GoneTooEarly, {"retired regimes do not return"}),
        (AsksOfEverybody, {SHAPE}),
        (OutOfRange, {SHAPE}),
    )
]
SOUND: list[Any] = [made(Coin)]
