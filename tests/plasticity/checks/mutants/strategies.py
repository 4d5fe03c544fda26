"""Strategies that are wrong in one way each, and the checks that must say so."""

from collections import deque

import numpy as np
import torch
from torch import Tensor, nn

from plasticity import IGNORE_INDEX, Batch, Learner, Strategy
from plasticity.checks import STRATEGY_CHECKS
from plasticity.checks.kit import title

from .cheats import (
    AsksForItsScores,
    CountsItsAnswers,
    KeepsItsGrader,
    PeeksAtInputs,
    PeeksAtOthers,
    PeeksAtTargets,
    SearchesItsLearner,
    SearchesTheStack,
)
from .tunnels import Mutant


class Noise(Strategy):
    """Private randomness that no seed decides."""

    def project_gradients(self, learner: Learner) -> None:
        rng = np.random.default_rng()
        for p in self.trainable(learner):
            assert p.grad is not None
            p.grad.mul_(1 + 0.1 * rng.random())


class GlobalNoise(Strategy):
    """Reproducible, at the price of everyone else's randomness."""

    def project_gradients(self, learner: Learner) -> None:
        torch.manual_seed(learner.step)
        for p in self.trainable(learner):
            assert p.grad is not None
            p.grad.mul_(1 + 0.1 * torch.rand(()))


class Ascends(Strategy):
    """A sign is turned in the loss."""

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        return -super().loss(learner, batch, logits)


class TurnsGradients(Strategy):
    """A sign is turned in the gradients."""

    def project_gradients(self, learner: Learner) -> None:
        for p in learner.trainable():
            assert p.grad is not None
            p.grad.neg_()


class MovesMore(Strategy):
    """Trains the last layer, and lets the others decay."""

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        return list(learner.network.get_submodule("head").parameters())

    @torch.no_grad()
    def after_step(self, learner: Learner) -> None:
        for p in learner.network.parameters():
            p.mul_(0.999)


class ReadsTheUnasked(Strategy):
    """Takes for symbol 0 what stands where nothing is asked."""

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        everywhere = torch.ones_like(batch.asked)
        return learner.nll(logits, batch.targets.clamp_min(0), everywhere)


class LateBuffer(Strategy):
    """A buffer that is not there when a checkpoint is loaded."""

    last: Tensor

    def after_batch(self, learner: Learner, batch: Batch) -> None:
        self.register_buffer("last", batch.inputs.clone())


class GrowingBuffer(Strategy):
    past: Tensor

    def attach(self, learner: Learner) -> None:
        self.register_buffer("past", torch.zeros(0, learner.spec.time, dtype=torch.int64))

    def after_batch(self, learner: Learner, batch: Batch) -> None:
        self.past = torch.cat([self.past, batch.inputs])


class Graph(Strategy):
    """A buffer that remembers how it was computed, back to the first step."""

    mean: Tensor

    def attach(self, learner: Learner) -> None:
        self.register_buffer("mean", torch.zeros(()))

    def after_step(self, learner: Learner) -> None:
        self.mean = (self.mean + next(learner.network.parameters()).mean()) / 2


class Diary(Strategy):
    """A list that grows, unread."""

    def attach(self, learner: Learner) -> None:
        self.pages: list[float] = []

    def after_batch(self, learner: Learner, batch: Batch) -> None:
        self.pages.append(float(batch.inputs.sum()))


class ListReplay(Strategy):
    """Replay from a bounded list, which no checkpoint holds."""

    def attach(self, learner: Learner) -> None:
        self.past: deque[Batch] = deque(maxlen=3)

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        new = super().loss(learner, batch, logits)
        for old in self.past:
            new = new + learner.nll(learner.network(old.inputs), old.targets, old.asked)
        return new

    def after_batch(self, learner: Learner, batch: Batch) -> None:
        self.past.append(batch)


class Countdown(Strategy):
    """Counts its own steps, in a number that no checkpoint holds."""

    done = 0

    def project_gradients(self, learner: Learner) -> None:
        self.done += 1
        for p in self.trainable(learner):
            assert p.grad is not None
            p.grad.mul_(float(self.done < 8))


class Thermostat(Strategy):
    """An average that no checkpoint holds, and that decides nothing in so few steps."""

    heat = 0.0

    def project_gradients(self, learner: Learner) -> None:
        norms = [p.grad.norm() for p in self.trainable(learner) if p.grad is not None]
        self.heat = 0.9 * self.heat + 0.1 * float(torch.stack(norms).norm())
        if self.heat > 1e6:
            learner.optimizer.zero_grad()


class Constant(Strategy):
    """A tensor that never changes, and that no checkpoint need hold: nothing is wrong with it."""

    def attach(self, learner: Learner) -> None:
        self.scale = [torch.full((2,), 0.5)]

    def project_gradients(self, learner: Learner) -> None:
        for p in self.trainable(learner):
            assert p.grad is not None
            p.grad.mul_(self.scale[0].mean())


class NotOff(Strategy):
    off = {"strength": 0.0}

    def __init__(self, strength: float = 1.0, lr: float | None = None):
        super().__init__(lr)
        self.strength = strength

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        asked = logits[batch.targets != IGNORE_INDEX]
        return super().loss(learner, batch, logits) + 1e-6 * asked.square().mean()


class TrainsLess(Strategy):
    """Lists more than it trains."""

    def project_gradients(self, learner: Learner) -> None:
        next(learner.network.parameters()).grad = None


class OnlyMLP(Strategy):
    """Reaches for a layer that not every network has."""

    def attach(self, learner: Learner) -> None:
        learner.network.get_submodule("mixers.0.in_proj").requires_grad_(False)


KEY, REACH = "never reads the answer key", "reaches no answer key"
CAUSAL, ASCENT = "prediction is causal", "does not ascend"
ASKED, RESUMES = "learns from asked positions only", "resumes exactly"
LEARNING = {title(check) for check in STRATEGY_CHECKS} - {"off switch"}
"""Every check but that of what it does not declare: an error of its own fails each."""
STRATEGIES: list[Mutant] = [
    (Noise, {"reproducible"}),
    (GlobalNoise, {"leaves global randomness alone"}),
    (AsksForItsScores, LEARNING),
    (SearchesItsLearner, set()),
    (SearchesTheStack, {KEY}),
    (KeepsItsGrader, {KEY, REACH}),
    (PeeksAtInputs, {CAUSAL, RESUMES}),
    (PeeksAtTargets, {CAUSAL}),
    (PeeksAtOthers, {CAUSAL}),
    (CountsItsAnswers, {CAUSAL, RESUMES}),
    (Ascends, {ASCENT}),
    (TurnsGradients, {ASCENT}),
    (MovesMore, {"moves what is trainable"}),
    (ReadsTheUnasked, {ASKED}),
    (LateBuffer, {"attach allocates", RESUMES}),
    (GrowingBuffer, {"attach allocates", "memory is bounded", RESUMES}),
    (Diary, {"memory is bounded", RESUMES}),
    (Graph, {"memory is bounded"}),
    (ListReplay, {RESUMES}),
    (Countdown, {RESUMES}),
    (Thermostat, {RESUMES}),
    (Constant, set()),
    (NotOff, {"off switch"}),
    (TrainsLess, {"works on every network"}),
    (OnlyMLP, {"works on every network"}),
]
