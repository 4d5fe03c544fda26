"""Learner: prequential evaluation. Predict, score, learn; in that order, once per batch or piece of it."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from plasticity.bracket import PREDICTORS
from plasticity.detector import Detector
from plasticity.metric import Metric
from plasticity.network import Network
from plasticity.optimizer import Optimizer
from plasticity.strategy import Strategy
from plasticity.stream import Stream
from plasticity.tunnel import Batch
from plasticity.updates import Updates

os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
"""Lightning sets it, and each step of Adam would then look for NVIDIA's management library anew."""
MODEL = "model"
"""The learner's name among the predictors, in front of `PREDICTORS`."""


class Lesson(NamedTuple):
    """One step of the world, as the engine hands it to the learner."""

    step: int
    shift: bool
    batch: Batch
    truth: Float[Tensor, "predictor batch asked symbols"]
    """What each of PREDICTORS says; empty where nothing is scored."""


class Spec(NamedTuple):
    """Sizes that every part of an experiment must agree on."""

    vocab: int
    symbols: int
    batch: int
    time: int

    @classmethod
    def of(cls, stream: Stream) -> "Spec":
        """Those of a stream."""
        return cls(stream.vocab, stream.symbols, stream.batch, stream.time)


class Record(NamedTuple):
    """What one step left behind."""

    step: int
    shift: bool
    alarm: bool
    """Whether the detector raised the alarm."""
    regime: int
    scores: Float[Tensor, "metric predictor"]


class Learner(pl.LightningModule):
    """A network, and the strategy that moves its weights while the world goes by.

    One forward pass serves the score and the loss: the prediction that is graded is the very tensor the
    gradient flows through, so that "evaluate before you train" holds by construction.

    Args:
        network: whose weights move.
        strategy: what moves them.
        optimizer: from parameters to an optimizer.
        spec: sizes of the stream.
        metrics: scores of every predictor; empty: nothing is scored.
        seed: of the strategy's randomness.
        announce_shifts: whether `Strategy.shift` is called when the world shifts.
        detector: calls it instead, when it notices; null: nobody.
        updates: how finely a batch is cut into updates.
        asked: positions that are ever asked; null: all.
        accepts: whether answers are right, as `Tunnel.accepts`; null: those that came.
    """

    asked: Bool[Tensor, " time"]

    def __init__(
        self,
        network: Network,
        strategy: Strategy,
        optimizer: Optimizer,
        spec: Spec,
        metrics: Sequence[Metric] = (),
        seed: int = 0,
        announce_shifts: bool = True,
        detector: Detector | None = None,
        updates: Updates | None = None,
        asked: Bool[Tensor, " time"] | None = None,
        accepts: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    ):
        super().__init__()
        self.accepts = accepts or np.equal
        self.automatic_optimization = False
        self.network, self.strategy, self.rule = network, strategy, optimizer
        self.spec, self.seed, self.announce_shifts = spec, seed, announce_shifts
        self.metrics = nn.ModuleList(metrics)
        self.detector, self.updates = detector, updates or Updates()
        everywhere = torch.ones(spec.time, dtype=torch.bool)
        self.register_buffer("asked", everywhere if asked is None else asked, persistent=False)
        self.step = self.turn = 0
        self.records: list[Record] = []
        self.probed: list[tuple[int, Tensor]] = []
        self._attached = False
        self._beside: tuple[Tensor | None, Tensor | float] = None, 0.0

    def setup(self, stage: str) -> None:
        """Attach the strategy, once, before any checkpoint is loaded."""
        if not self._attached:
            self.strategy.attach(self)
            self._attached = True

    def forward(self, inputs: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time symbols"]:
        """Logits of the network as it is now."""
        return self.network(inputs)

    def answer(self, batch: Batch) -> Float[Tensor, "batch time symbols"]:
        """Logits of a batch that is to be learned from, or of a piece of it; what is rehearsed shares the pass.

        Rows do not interact, so that nothing rehearsed reaches the prediction. Pieces that are shorter than
        what is rehearsed go alone.
        """
        self._beside = None, 0.0
        rehearsal = self.strategy.rehearse(self, len(batch.inputs))
        if rehearsal is None:
            logits, beside = self.network(batch.inputs), 0.0
        else:
            rows = batch.inputs, rehearsal.inputs
            if rows[0].shape[1] == rows[1].shape[1]:
                both = self.network(torch.cat(rows)).split([len(each) for each in rows])
            else:
                both = [self.network(each) for each in rows]
            logits, beside = both[0], rehearsal.loss(both[1])
        self._beside = logits, beside
        return logits

    def rehearsed(self, logits: Float[Tensor, "batch time symbols"]) -> Float[Tensor, ""] | float:
        """What is descended on rehearsed rows: those that shared the pass of these logits, or others in a pass now.

        In nats per asked position; 0.0: nothing.
        """
        (shared, beside), self._beside = self._beside, (None, 0.0)
        if shared is logits:
            return beside
        rehearsal = self.strategy.rehearse(self, len(logits))
        return 0.0 if rehearsal is None else rehearsal.loss(self.network(rehearsal.inputs))

    def nll(
        self,
        logits: Float[Tensor, "batch time symbols"],
        targets: Int[Tensor, "batch time"],
        asked: Bool[Tensor, " time"],
    ) -> Float[Tensor, ""]:
        """Log loss of what came, in nats per asked position; targets that are UNASKED do not count."""
        if not bool(asked.all()):
            logits, targets = logits[:, asked], targets[:, asked]
        return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def accepted(
        self, said: Int[Tensor, "batch asked"], batch: Batch
    ) -> Bool[Tensor, "batch asked"]:
        """Which answers at the asked positions of a batch turn out right, when the world tries them."""
        wanted = batch.targets[:, batch.asked]
        found = self.accepts(said.cpu().numpy(), wanted.cpu().numpy())
        return torch.from_numpy(np.asarray(found)).to(said.device)

    def backward(self, loss: Tensor) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] no more arguments than are used
        """Gradients of the loss; where several processes share a batch, those of all, averaged."""
        if torch.distributed.is_initialized():
            self.trainer.strategy.pre_backward(loss)
        loss.backward()

    def training_step(self, lessons: list[Lesson], index: int = 0) -> None:
        """Meet every lesson of a chunk, in order."""
        for lesson in lessons:
            self.meet(lesson)

    def meet(self, lesson: Lesson) -> None:
        """One prequential step: predict, score, learn."""
        self.step, self.turn, batch = lesson.step, 0, lesson.batch
        if lesson.shift and self.announce_shifts:
            self.shift()
        predicted: list[Tensor] = []
        scored, alarm = bool(lesson.truth.numel()), False
        for episode in self.updates.episodes(batch):
            answers: list[Tensor] = []
            for piece in self.updates.pieces(episode):
                logits = self.answer(piece)  # predict: the weights have not met this piece
                if scored:  # a copy, which nothing that learns can reach
                    answers.append(logits.detach()[:, piece.asked])
                if self.alarmed(piece, logits):
                    alarm = True
                    logits = self.answer(piece)  # what was told may have moved the weights
                self.strategy.update(self, piece, logits)
            if scored:
                predicted.append(torch.cat(answers, dim=1))
            self.strategy.observe(self, episode)
            self.turn += 1  # what comes next draws anew
        if scored:
            scores = self.score(torch.cat(predicted), lesson).mean(-1)
            regime = int(batch.regime.mode().values)
            self.records.append(Record(lesson.step, lesson.shift, alarm, regime, scores))

    def alarmed(self, batch: Batch, logits: Float[Tensor, "batch time symbols"]) -> bool:
        """Show the detector the loss of what was just predicted; at an alarm, tell the strategy of a shift."""
        if self.detector is None:
            return False
        loss = self.nll(logits.detach(), batch.targets, batch.asked)
        alarm = self.detector.update(float(loss))
        if alarm:
            self.shift()
        return alarm

    def shift(self) -> None:
        """The world changed, as far as anyone here can tell."""
        if self.updates.optimizer == "reset" and self.strategy.trainable(self):
            self.optimizer.state.clear()
        self.strategy.shift(self)
        self.turn += 1

    def validation_step(self, lessons: list[Lesson], index: int = 0) -> None:
        """Probe regimes with the weights as they are; `lesson.step` is the regime here."""
        for lesson in lessons:
            with torch.no_grad():
                logits = self.network(lesson.batch.inputs)[:, lesson.batch.asked]
                self.probed.append((lesson.step, self.score(logits, lesson).mean(-1)))

    def score(
        self, logits: Float[Tensor, "batch asked symbols"], lesson: Lesson
    ) -> Float[Tensor, "metric predictor asked"]:
        """Every metric of every predictor at every asked position, in bits, averaged over the batch.

        Returns:
            float64; predictors are MODEL and then PREDICTORS.
        """
        batch, truth = lesson.batch, lesson.truth
        mine = logits.double().log_softmax(-1)
        log_probs = torch.cat([mine[None], truth.log()])
        references: dict[str, Tensor] = dict(zip(PREDICTORS, truth, strict=True))
        hit = batch.targets[:, batch.asked]
        references["realised"] = nn.functional.one_hot(hit, truth.shape[-1]).to(truth)
        for metric in self.scorers():
            metric.update(log_probs, references[metric.reference])
        return torch.stack([metric.batch_value for metric in self.scorers()])

    def configure_optimizers(self) -> torch.optim.Optimizer | None:
        """The optimizer over what the strategy trains; none if it trains nothing."""
        params = self.strategy.trainable(self)
        if not params:
            return None
        self.optimizer = self.rule(params, self.strategy.lr)
        return self.optimizer

    def scorers(self) -> Iterable[Metric]:
        """The metrics, in the order of the tables."""
        return (metric for metric in self.metrics if isinstance(metric, Metric))
