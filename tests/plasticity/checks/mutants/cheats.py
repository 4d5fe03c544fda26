"""Strategies that cheat: they look for what grades them, or answer by what they may not see."""

import inspect
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from plasticity import AnswerKey, Batch, Learner, Strategy
from plasticity.checks.reach import reachable
from plasticity.engine.prequential import Prequential, ScoredBatch


class AsksForItsScores(Strategy):
    """Asks the learner for what it was graded."""

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        scores = learner.records[-1].scores  # pyright: ignore[reportAttributeAccessIssue] there is none
        return super().loss(learner, batch, logits) * scores.sum()


class SearchesItsLearner(Strategy):
    """Distils from any answer key that its learner leads to: nothing is wrong with it, because none does."""

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        for _, found in reachable(learner, "learner"):
            if isinstance(found, AnswerKey):
                return distilled(found, batch, logits)
        return super().loss(learner, batch, logits)


class SearchesTheStack(Strategy):
    """Distils from the answer key of whoever called it."""

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        item = caller(ScoredBatch)
        return distilled(item.key, batch, logits) if item else super().loss(learner, batch, logits)


class KeepsItsGrader(Strategy):
    """Takes hold of the loop when it is attached, and asks it whether predictions are graded."""

    def attach(self, learner: Learner) -> None:
        self.grader = [caller(Prequential)]  # in a list: it is no part of this module

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        graded = self.grader[0] is not None and self.grader[0].records
        return super().loss(learner, batch, logits) * (2 if graded else 1)


T = TypeVar("T")


def caller(kind: type[T]) -> T | None:
    """The nearest local variable of this kind among the callers'."""
    frame = inspect.currentframe()
    while frame:
        for value in frame.f_locals.values():
            if isinstance(value, kind):
                return value
        frame = frame.f_back
    return None


def distilled(key: AnswerKey, batch: Batch, logits: Tensor) -> Tensor:
    """Cross-entropy with the answer key."""
    each = -(key.posterior.float() * logits.log_softmax(-1)).sum(-1)
    return each[:, batch.asked].mean()


class PeeksAtInputs(Strategy):
    """Answers by what comes next."""

    def predict(self, learner: Learner, batch: Batch) -> Tensor:
        logits = super().predict(learner, batch)
        return logits + 0.1 * one_hot(batch.inputs.roll(-1, 1), logits.shape[-1])


class PeeksAtTargets(Strategy):
    """Answers by what is asked."""

    def predict(self, learner: Learner, batch: Batch) -> Tensor:
        logits = super().predict(learner, batch)
        return logits + 0.1 * one_hot(batch.targets.clamp_min(0), logits.shape[-1])


class PeeksAtOthers(Strategy):
    """Answers by what other sequences of the batch show."""

    def predict(self, learner: Learner, batch: Batch) -> Tensor:
        logits = super().predict(learner, batch)
        return logits + 0.1 * logits.mean(0)


class CountsItsAnswers(Strategy):
    """Remembers that it was asked."""

    asked: Tensor

    def attach(self, learner: Learner) -> None:
        self.register_buffer("asked", torch.zeros(()))

    def predict(self, learner: Learner, batch: Batch) -> Tensor:
        self.asked += 1
        return super().predict(learner, batch)
