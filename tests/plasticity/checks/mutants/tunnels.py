"""Tunnels that are wrong in one way each, and the checks that must say so."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from plasticity import Observer
from plasticity.core.tunnel import Latents, Probabilities, Symbols
from plasticity.observers.conjugate import DirichletObserver, chain
from streams import Bijection, Markov, Urn

Mutant = tuple[Any, set[str]]
"""A subject, and the titles of exactly the checks that fail it."""


def tempered(p: Probabilities, x: Symbols, y: Symbols, power: float) -> Probabilities:
    return p**power / (p**power).sum(-1, keepdims=True)


def unnormalised(p: Probabilities, x: Symbols, y: Symbols) -> Probabilities:
    return p * 1.001


def twice_at_the_end(p: Probabilities, x: Symbols, y: Symbols) -> Probabilities:
    last = np.arange(p.shape[1])[:, None] == p.shape[1] - 1
    return p * (1 + last)


def unknown_at_first(p: Probabilities, x: Symbols, y: Symbols) -> Probabilities:
    return np.where(np.arange(p.shape[1])[:, None] == 0, np.nan, p)


def single(p: Probabilities, x: Symbols, y: Symbols) -> Probabilities:
    return p.astype(np.float32).astype(np.float64)


def with_the_answer(p: Probabilities, x: Symbols, y: Symbols) -> Probabilities:
    return 0.999 * p + 0.001 * np.eye(p.shape[-1])[y]


def with_the_next_input(p: Probabilities, x: Symbols, y: Symbols) -> Probabilities:
    later = np.roll(x, -1, axis=1)
    return 0.999 * p + 0.001 * np.eye(p.shape[-1])[later]


def a_step_behind(p: Probabilities, x: Symbols, y: Symbols) -> Probabilities:
    return np.concatenate([p[:, :1], p[:, :-1]], axis=1)


def with_the_first_row(p: Probabilities, x: Symbols, y: Symbols) -> Probabilities:
    return 0.999 * p + 0.001 * p[:1]


@dataclass(frozen=True, eq=False)
class Edited(Observer):
    """An observer whose predictions are edited."""

    inner: Observer
    edit: Callable[[Probabilities, Symbols, Symbols], Probabilities]

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        return self.edit(self.inner.predict(inputs, targets), inputs, targets)

    def absorb(self, inputs: Symbols, targets: Symbols) -> Observer:
        return replace(self, inner=self.inner.absorb(inputs, targets))


class Edits(Urn):
    """An urn of two symbols whose amnesic and continual observers are edited."""

    def __init__(self, edit: Callable[[Probabilities, Symbols, Symbols], Probabilities]):
        super().__init__([1.0, 1.0])
        self.edit = edit

    def observer(self) -> Any:
        return Edited(super().observer(), self.edit)


class WrongPrior(Urn):
    def observer(self) -> Any:
        return Urn([2 * a for a in self.alpha]).observer()


class NoElimination(Bijection):
    """Knows the pairs it met, and not that they rule out values for others."""

    def observer(self) -> Any:
        return replace(super().observer(), exclusive=False)


@dataclass(frozen=True, eq=False)
class Absorbs(Observer):
    """An observer that absorbs in another way."""

    inner: Observer
    how: Callable[[Observer, Symbols, Symbols], Observer]

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        return self.inner.predict(inputs, targets)

    def absorb(self, inputs: Symbols, targets: Symbols) -> Observer:
        return replace(self, inner=self.how(self.inner, inputs, targets))


def nothing(observer: Observer, x: Symbols, y: Symbols) -> Observer:
    return observer


def the_last_only(observer: Observer, x: Symbols, y: Symbols) -> Observer:
    return Urn([1.0, 1.0]).observer().absorb(x[-1:], y[-1:])


def in_place(observer: Any, x: Symbols, y: Symbols) -> Observer:
    observer.counts[:] = observer.absorb(x, y).counts
    return observer


def over_the_inputs(observer: Observer, x: Symbols, y: Symbols) -> Observer:
    after = observer.absorb(x, y)
    x[:] = 0
    return after


def the_opposite(observer: Observer, x: Symbols, y: Symbols) -> Observer:
    return observer.absorb(1 - x, 1 - y)


class Forgets(Urn):
    """An urn of two symbols whose observers absorb in another way."""

    def __init__(self, how: Callable[[Observer, Symbols, Symbols], Observer]):
        super().__init__([1.0, 1.0])
        self.how = how

    def observer(self) -> Any:
        return Absorbs(super().observer(), self.how)


class InformedIsAmnesic(Urn):
    def informed(self, latents: Latents) -> Any:
        return Absorbs(self.observer(), nothing)


class InformedIsUniform(Urn):
    def informed(self, latents: Latents) -> Any:
        return super().informed(np.full_like(latents, 1 / self.symbols))


class InformedDoesNotBroadcast(Markov):
    def informed(self, latents: Latents) -> Any:
        return Rowwise(latents)


@dataclass(frozen=True, eq=False)
class Rowwise(Observer):
    latents: Latents

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        return self.latents[np.arange(len(inputs))[:, None], inputs]

    def absorb(self, inputs: Symbols, targets: Symbols) -> Observer:
        return self


class Tells(Urn):
    """An urn of two symbols whose amnesic and continual observers have another evidence."""

    def __init__(self, tell: Callable[[Observer, Symbols, Symbols], Any]):
        super().__init__([1.0, 1.0])
        self.tell = tell

    def observer(self) -> Any:
        return Telling(super().observer(), self.tell)


@dataclass(frozen=True, eq=False)
class Telling(Observer):
    inner: Observer
    tell: Callable[[Observer, Symbols, Symbols], Any]

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        return self.inner.predict(inputs, targets)

    def absorb(self, inputs: Symbols, targets: Symbols) -> Observer:
        return replace(self, inner=self.inner.absorb(inputs, targets))

    def evidence(self, inputs: Symbols, targets: Symbols) -> Any:
        return self.tell(self.inner, inputs, targets)


def as_it_is(observer: Observer, x: Symbols, y: Symbols) -> Any:
    return observer.evidence(x, y)


def without_the_opening(observer: Observer, x: Symbols, y: Symbols) -> Any:
    evidence = observer.evidence(x, y)
    return evidence - evidence[:, :1]


def twice(observer: Observer, x: Symbols, y: Symbols) -> Any:
    return 2 * observer.evidence(x, y)


def with_inputs_and_targets(observer: Observer, x: Symbols, y: Symbols) -> Any:
    """Each input by a uniform, and each target again as the next input."""
    steps = np.minimum(np.arange(x.shape[1] + 1), x.shape[1] - 1)
    return observer.evidence(x, y) - np.log(2) * steps


def of_the_whole(observer: Observer, x: Symbols, y: Symbols) -> Any:
    return np.repeat(observer.evidence(x, y)[:, -1:], x.shape[1] + 1, axis=1)


class StartsAnywhere(Markov):
    """Its observer does not count where a walk starts, which says nothing of the matrix."""

    def observer(self) -> Any:
        return replace(super().observer(), format=partial(chain, 1.0))


class Unseeded(Urn):
    def draw(self, latents: Latents, time: int, rng: np.random.Generator) -> Any:
        return super().draw(latents, time, np.random.default_rng())


class GloballySeeded(Urn):
    def latents(self, n: int, rng: np.random.Generator) -> Latents:
        np.random.seed(int(rng.integers(1000)))
        return super().latents(n, np.random.default_rng(np.random.randint(2**31)))


@dataclass(frozen=True, eq=False)
class HoldsASet(DirichletObserver):
    seen: frozenset[int] = frozenset()


class Unsaved(Urn):
    def observer(self) -> Any:
        return HoldsASet(**vars(super().observer()))


class Renamed(Urn):
    def __init__(self, pseudo_counts: list[float]):
        super().__init__(pseudo_counts)


class RefusesSilently(Urn):
    def draw(self, latents: Latents, time: int, rng: np.random.Generator) -> Any:
        if time > 8:
            raise ValueError("too long")
        return super().draw(latents, time, rng)


CALIBRATED = "posterior is calibrated"
AMNESIC = "posterior matches frequencies"
CONTINUAL = "memory matches frequencies"
INFORMED = "informed matches frequencies"
SUMS = {"posterior is a distribution", "knowing more is no worse", AMNESIC, CONTINUAL}
CHAIN, EVIDENCE = "evidence obeys the chain rule", "evidence matches frequencies"
TUNNELS: list[Mutant] = [
    (Edits(unnormalised), {"posterior is a distribution"}),
    (Edits(twice_at_the_end), {*SUMS, "posterior is causal"}),
    (
        Edits(unknown_at_first),
        {*SUMS, CALIBRATED, *"posterior is causal;rows are independent;state".split(";")}
        | {"nothing is changed in place", "absorbing adds up"},
    ),
    (Edits(single), {"posterior is a distribution"}),
    (Edits(with_the_answer), {"posterior is causal"}),
    (Edits(with_the_next_input), {"posterior is causal"}),
    (Edits(with_the_first_row), {"rows are independent"}),
    (Edits(partial(tempered, power=1.5)), {CALIBRATED, AMNESIC, CONTINUAL}),
    (Edits(partial(tempered, power=0.7)), {CALIBRATED, AMNESIC, CONTINUAL}),
    (WrongPrior([0.3, 0.3]), {CALIBRATED, AMNESIC, CONTINUAL, EVIDENCE}),
    (Edits(a_step_behind), {AMNESIC}),
    (NoElimination(size=4, pairs=3), {AMNESIC, CONTINUAL, EVIDENCE}),
    (NoElimination(size=16, pairs=2), {AMNESIC}),
    (Forgets(nothing), {CONTINUAL}),
    (Forgets(the_opposite), {CALIBRATED, CONTINUAL, "knowing more is no worse"}),
    (Forgets(the_last_only), {"absorbing adds up"}),
    (Forgets(in_place), {"nothing is changed in place"}),
    (Forgets(over_the_inputs), {"nothing is changed in place", "absorbing adds up"}),
    (InformedIsAmnesic([1.0, 1.0]), {INFORMED, "knowing more is no worse"}),
    (InformedIsUniform([1.0, 1.0]), {INFORMED, EVIDENCE, "knowing more is no worse"}),
    (InformedDoesNotBroadcast(2, 1.0), {"latents are an array", "absorbing adds up", INFORMED}),
    (Tells(without_the_opening), {CHAIN, EVIDENCE}),
    (StartsAnywhere(2, 1.0), {EVIDENCE}),
    (Tells(with_inputs_and_targets), {EVIDENCE}),
    (Tells(twice), {CHAIN, EVIDENCE}),
    (Tells(of_the_whole), {CHAIN}),
    (Unseeded([1.0, 1.0]), {"draw is seeded"}),
    (GloballySeeded([1.0, 1.0]), {"draw is seeded"}),
    (Unsaved([1.0, 1.0]), {"state"}),
    (Renamed([1.0, 1.0]), {"arguments are kept"}),
    (RefusesSilently([1.0, 1.0]), {"lengths"}),
]
