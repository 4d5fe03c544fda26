"""Each check kills the mutants it is for, and leaves alive those it has nothing to say about; the kit tells which."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from plasticity import Batch, Learner, Observer, Strategy
from plasticity.checks import (
    NETWORK_CHECKS,
    STRATEGY_CHECKS,
    TUNNEL_CHECKS,
    parametrize_with_checks,
    run,
)
from plasticity.networks.mlp import Feedforward, Stack
from plasticity.tunnel import Latents, Probabilities, Symbols
from streams import Bijection, Markov, Urn

Mutant = tuple[Any, set[str]]
"""A subject, and the titles of exactly the checks that fail it."""


def tempered(p: Probabilities, x: Symbols, y: Symbols, power: float) -> Probabilities:
    return p**power / (p**power).sum(-1, keepdims=True)


def unnormalised(p: Probabilities, x: Symbols, y: Symbols) -> Probabilities:
    return p * 1.001


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


class Unseeded(Urn):
    def draw(self, latents: Latents, time: int, rng: np.random.Generator) -> Any:
        return super().draw(latents, time, np.random.default_rng())


class GloballySeeded(Urn):
    def latents(self, n: int, rng: np.random.Generator) -> Latents:
        np.random.seed(int(rng.integers(1000)))
        return super().latents(n, np.random.default_rng(np.random.randint(2**31)))


class Unpicklable(Urn):
    def observer(self) -> Any:
        return replace(super().observer(), draws=lambda x, y: Urn.observer(self).draws(x, y))


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
TUNNELS: list[Mutant] = [
    (Edits(unnormalised), {"posterior is a distribution"}),
    (Edits(single), {"posterior is a distribution"}),
    (Edits(with_the_answer), {"posterior is causal"}),
    (Edits(with_the_next_input), {"posterior is causal"}),
    (Edits(with_the_first_row), {"rows are independent"}),
    (Edits(partial(tempered, power=1.5)), {CALIBRATED, AMNESIC, CONTINUAL}),
    (Edits(partial(tempered, power=0.7)), {CALIBRATED, AMNESIC, CONTINUAL}),
    (WrongPrior([0.3, 0.3]), {CALIBRATED, AMNESIC, CONTINUAL}),
    (Edits(a_step_behind), {AMNESIC}),
    (NoElimination(size=4, pairs=3), {AMNESIC, CONTINUAL}),
    (NoElimination(size=16, pairs=2), {AMNESIC}),
    (Forgets(nothing), {CONTINUAL}),
    (Forgets(the_opposite), {CALIBRATED, CONTINUAL, "knowing more is no worse"}),
    (Forgets(the_last_only), {"absorbing adds up"}),
    (Forgets(in_place), {"nothing is changed in place"}),
    (Forgets(over_the_inputs), {"nothing is changed in place", "absorbing adds up"}),
    (InformedIsAmnesic([1.0, 1.0]), {INFORMED, "knowing more is no worse"}),
    (InformedIsUniform([1.0, 1.0]), {INFORMED, "knowing more is no worse"}),
    (InformedDoesNotBroadcast(2, 1.0), {"latents are an array", "absorbing adds up", INFORMED}),
    (Unseeded([1.0, 1.0]), {"draw is seeded"}),
    (GloballySeeded([1.0, 1.0]), {"draw is seeded"}),
    (Unpicklable([1.0, 1.0]), {"pickles"}),
    (Renamed([1.0, 1.0]), {"arguments are kept"}),
    (RefusesSilently([1.0, 1.0]), {"lengths"}),
]


class Noise(Strategy):
    """Private randomness that no seed decides."""

    def project(self, learner: Learner) -> None:
        rng = np.random.default_rng()
        for p in self.trainable(learner):
            assert p.grad is not None
            p.grad.mul_(1 + 0.1 * rng.random())


class GlobalNoise(Strategy):
    """Reproducible, at the price of everyone else's randomness."""

    def project(self, learner: Learner) -> None:
        torch.manual_seed(learner.step)
        for p in self.trainable(learner):
            assert p.grad is not None
            p.grad.mul_(1 + 0.1 * torch.rand(()))


class ReadsTheKey(Strategy):
    """Distils from the truth."""

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        return -(batch.posterior.float() * logits.log_softmax(-1)).sum(-1)[:, batch.asked].mean()


class ReadsTheRegime(Strategy):
    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        return super().loss(learner, batch, logits) * (1 + int(batch.regime[0]))


class ReadsTheUnasked(Strategy):
    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        return learner.nll(logits, batch.targets, torch.ones_like(batch.asked))


class LateBuffer(Strategy):
    """A buffer that is not there when a checkpoint is loaded."""

    last: Tensor

    def observe(self, learner: Learner, batch: Batch) -> None:
        self.register_buffer("last", batch.inputs.clone())


class GrowingBuffer(Strategy):
    past: Tensor

    def attach(self, learner: Learner) -> None:
        self.register_buffer("past", torch.zeros(0, learner.spec.time, dtype=torch.int64))

    def observe(self, learner: Learner, batch: Batch) -> None:
        self.past = torch.cat([self.past, batch.inputs])


class Diary(Strategy):
    """A list that grows, unread."""

    def attach(self, learner: Learner) -> None:
        self.pages: list[float] = []

    def observe(self, learner: Learner, batch: Batch) -> None:
        self.pages.append(float(batch.inputs.sum()))


class ListReplay(Strategy):
    """Replay from a bounded list, which no checkpoint holds."""

    def attach(self, learner: Learner) -> None:
        self.past: deque[Batch] = deque(maxlen=3)

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        new = super().loss(learner, batch, logits)
        for old in self.past:
            new = new + learner.nll(learner(old.inputs), old.targets, old.asked)
        return new

    def observe(self, learner: Learner, batch: Batch) -> None:
        self.past.append(batch)


class Countdown(Strategy):
    """Counts its own steps, in a number that no checkpoint holds."""

    done = 0

    def project(self, learner: Learner) -> None:
        self.done += 1
        for p in self.trainable(learner):
            assert p.grad is not None
            p.grad.mul_(float(self.done < 8))


class NotOff(Strategy):
    off = {"strength": 0.0}

    def __init__(self, strength: float = 1.0, lr: float | None = None):
        super().__init__(lr)
        self.strength = strength

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        return super().loss(learner, batch, logits) + 1e-6 * logits.square().mean()


class TrainsLess(Strategy):
    """Lists more than it trains."""

    def project(self, learner: Learner) -> None:
        next(learner.network.parameters()).grad = None


class OnlyMLP(Strategy):
    """Reaches for a layer that not every network has."""

    def attach(self, learner: Learner) -> None:
        learner.network.get_submodule("mixers.0.in_proj").requires_grad_(False)


class CheatsUnannounced(Strategy):
    """Looks for the shifts it is not told of in the regime."""

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        told = learner.announce_shifts or not int(batch.regime[0])
        return super().loss(learner, batch, logits) * (1 if told else 2)


KEY, REGIME = "never reads the answer key", "never reads the regime"
ASKED, RESUMES = "learns from asked positions only", "resumes exactly"
STRATEGIES: list[Mutant] = [
    (Noise, {"reproducible", KEY, REGIME, ASKED, RESUMES}),
    (GlobalNoise, {"leaves global randomness alone"}),
    (ReadsTheKey, {KEY}),
    (ReadsTheRegime, {REGIME}),
    (CheatsUnannounced, {REGIME}),
    (ReadsTheUnasked, {ASKED}),
    (LateBuffer, {"attach allocates", RESUMES}),
    (GrowingBuffer, {"attach allocates", "memory is bounded", RESUMES}),
    (Diary, {"memory is bounded"}),
    (ListReplay, {RESUMES}),
    (Countdown, {RESUMES}),
    (NotOff, {"off switch"}),
    (TrainsLess, {"works on every network"}),
    (OnlyMLP, {"works on every network"}),
]


class Small(Stack):
    """A network that passes; mutants override a little of it."""

    def __init__(self, vocab: int, symbols: int):
        super().__init__(vocab, symbols, 16, [Feedforward(16)])


class TooManySymbols(Small):
    def __init__(self, vocab: int, symbols: int):
        super().__init__(vocab, symbols + 1)


class Squeezes(Small):
    def forward(self, inputs: Tensor) -> Any:
        return super().forward(inputs).squeeze(1)


class SeesTheFuture(Small):
    def forward(self, inputs: Tensor) -> Tensor:
        logits = super().forward(inputs)
        return logits + 0.1 * torch.cat([logits[:, 1:], logits[:, :1]], dim=1)


class FixedLength(Small):
    def __init__(self, vocab: int, symbols: int):
        super().__init__(vocab, symbols)
        self.positions = nn.Parameter(torch.randn(12, symbols))

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) + self.positions[: inputs.shape[1]]


class LengthScaled(Small):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) * (1 + inputs.shape[1])


class BatchCentred(Small):
    """What BatchNorm does across rows, position by position."""

    def forward(self, inputs: Tensor) -> Tensor:
        logits = super().forward(inputs)
        return logits - 0.1 * logits.mean(0, keepdim=True)


class Dropout(Small):
    """As every network with dropout is, in training mode."""

    def forward(self, inputs: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(inputs), 0.1, self.training)


class OtherWhenEvaluated(Small):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) * (1.0 if self.training else 0.9)


class SeededByNobody(Small):
    def __init__(self, vocab: int, symbols: int):
        super().__init__(vocab, symbols)
        generator = torch.Generator()
        generator.seed()
        nn.init.normal_(self.embed.weight, generator=generator)


class DeadParameter(Small):
    def __init__(self, vocab: int, symbols: int):
        super().__init__(vocab, symbols)
        self.spare = nn.Linear(4, 4)


class Unsaved(Small):
    """A random projection that is no buffer."""

    def __init__(self, vocab: int, symbols: int):
        super().__init__(vocab, symbols)
        self.shift = torch.randn(symbols)

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) + self.shift


class Closure(Small):
    def __init__(self, vocab: int, symbols: int):
        super().__init__(vocab, symbols)
        self.last = lambda x: self.head(x)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(self.norm(self.mixers[0](self.norms[0](self.embed(inputs)))))


class Late(Small):
    """Predicts from the symbol before."""

    def forward(self, inputs: Tensor) -> Tensor:
        before = nn.functional.pad(inputs[:, :-1], (1, 0))
        return super().forward(before)


CAUSAL, LENGTH, ROWS = "causal", "serves every length", "rows are independent"
FUNCTION, STATE, COPIES = "is a function", "state dict is all", "copies"
NETWORKS: list[Mutant] = [
    (TooManySymbols, {"makes logits"}),
    (Squeezes, {"makes logits"}),
    (SeesTheFuture, {CAUSAL, LENGTH}),
    (FixedLength, {LENGTH}),
    (LengthScaled, {LENGTH}),
    (BatchCentred, {ROWS}),
    (Dropout, {CAUSAL, LENGTH, ROWS, FUNCTION, STATE, COPIES}),
    (OtherWhenEvaluated, {FUNCTION}),
    (SeededByNobody, {"initialisation is seeded"}),
    (DeadParameter, {"every parameter gets a gradient"}),
    (Unsaved, {STATE}),
    (Closure, {COPIES}),
    (Late, {"learns"}),
]
SOUND = [Urn([1.0, 1.0]), Edits(partial(tempered, power=1.0)), Strategy, Small]


def name(value: Any) -> str:
    if isinstance(value, set):
        return "-"
    return value.__name__ if isinstance(value, type) else type(value).__name__


@pytest.mark.parametrize(("subject", "killers"), [*TUNNELS, *STRATEGIES, *NETWORKS], ids=name)
def test_a_mutant_is_killed_by_the_checks_that_are_for_it(subject: Any, killers: set[str]) -> None:
    results = list(run(subject))
    assert {r.title for r in results if r.verdict == "FAILED"} == killers
    assert all(len(r.why) > 40 for r in results if r.verdict == "FAILED")


@pytest.mark.parametrize("subject", SOUND, ids=name)
def test_what_mutants_are_made_from_is_sound(subject: Any) -> None:
    assert not [r for r in run(subject) if r.verdict == "FAILED"]


def test_every_check_kills_a_mutant() -> None:
    for checks, mutants in (
        (TUNNEL_CHECKS, TUNNELS),
        (STRATEGY_CHECKS, STRATEGIES),
        (NETWORK_CHECKS, NETWORKS),
    ):
        titles = {c.__name__.removeprefix("check_").replace("_", " ") for c in checks}
        assert titles == set().union(*(killers for _, killers in mutants))


class Crashes(Urn):
    def observer(self) -> Any:
        raise KeyError("no such urn")


def test_a_crash_is_a_failure_that_says_where() -> None:
    failed = [r for r in run(Crashes([1.0, 1.0])) if r.verdict == "FAILED"]
    assert len(failed) > 5
    assert all("KeyError: 'no such urn'" in r.why and __file__ in r.why for r in failed)


def test_what_cannot_be_tried_is_skipped_and_says_so() -> None:
    (result,) = [r for r in run(Bijection(size=20, pairs=19)) if r.title == CONTINUAL]
    assert result.verdict == "skipped" and "check a smaller instance" in result.why


def test_an_expected_failure_is_a_strict_xfail_of_that_check_alone() -> None:
    expected = {"check_memory_is_bounded": "it is a diary"}
    mark = parametrize_with_checks(strategies=[Diary], expected_failures=expected)
    names, cases = mark.args
    assert names == ("subject", "check") and len(cases) == len(STRATEGY_CHECKS)
    assert cases[0].id == "Diary-check_reproducible"
    marked = {case.id: case.marks for case in cases if case.marks}
    assert list(marked) == ["Diary-check_memory_is_bounded"]
    (xfail,) = marked["Diary-check_memory_is_bounded"]
    assert xfail.name == "xfail"
    assert xfail.kwargs == {"reason": "it is a diary", "strict": True}


def test_an_expected_failure_that_names_no_check_is_refused() -> None:
    with pytest.raises(ValueError, match="Did you mean 'check_memory_is_bounded'?"):
        parametrize_with_checks(strategies=[Diary], expected_failures={"check_memory_bounded": ""})


@pytest.mark.parametrize("subject", [Strategy(), 3, dict, Bijection.__mro__[1]])
def test_what_is_no_subject_is_refused(subject: Any) -> None:
    with pytest.raises(TypeError):
        run(subject)
