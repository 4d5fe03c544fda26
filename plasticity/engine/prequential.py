"""Prequential evaluation: predict, score, learn; in that order, once per batch or piece of it (Dawid 1984)."""

import os
from collections.abc import Sequence
from copy import deepcopy
from typing import NamedTuple

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor

from plasticity.core.detector import Detector
from plasticity.core.tunnel import AnswerKey, Batch
from plasticity.engine import scorer
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.stopping import Unending

os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
"""Lightning sets it, and each step of Adam would then look for NVIDIA's management library anew."""

TOGETHER = 16
"""Steps that are scored at once: more would not fit a processor's cache."""


CAUSAL = 1e-4
"""Share of their size by which logits may move where nothing moves but the future: kernels round."""


class ScoredBatch(NamedTuple):
    """One step of the world, as the data module hands it to the loop; a strategy is handed `batch` alone."""

    step: int
    """Of the stream; of a probe, the regime."""
    shift: bool
    batch: Batch
    key: AnswerKey
    predictions: Float[Tensor, "predictor batch asked symbols"]
    """What each of PREDICTORS says; empty where nothing is scored."""


class Record(NamedTuple):
    """What one step left behind."""

    step: int
    shift: bool
    alarm: bool
    """Whether the detector raised the alarm."""
    regime: int
    answers: int
    """How many were graded: asked positions of all sequences; scores are means over them."""
    scores: Float[Tensor, "metric predictor"]
    belief: Float[Tensor, " owners"] | None
    """Which regime the strategy took to be live once it had learned from the step; None: it takes none."""


class Prequential(pl.LightningModule):
    """The loop: a learner meets a stream, and is graded on what it said before it learned.

    One forward pass serves the score and the loss: the prediction that is graded is the very tensor the
    gradient flows through, so that "evaluate before you train" holds by construction.

    Args:
        learner: predicts and learns; it is handed batches, and never what they are scored by.
        announce_shifts: whether the strategy is told when the world shifts.
        detector: tells it instead, when it notices; null: nobody.
    """

    def __init__(
        self,
        learner: OnlineLearner,
        announce_shifts: bool = True,
        detector: Detector | None = None,
    ):
        super().__init__()
        self.automatic_optimization = False
        self.learner, self.announce_shifts, self.detector = learner, announce_shifts, detector
        self.records: list[Record] = []
        self.probed: list[tuple[int, Tensor]] = []
        self.moved: dict[int, float] = {}
        """Regime -> KL(pretrained || model) on its probe when it was probed last, in bits per asked position."""
        self._sound = False
        self._pretrained = [deepcopy(learner.network)]  # a list, so that no checkpoint holds it
        self._before: dict[int, Float[Tensor, "batch asked symbols"]] = {}

    def setup(self, stage: str) -> None:
        """Attach the strategy, once, before any checkpoint is loaded."""
        self.learner.attach()

    def on_train_start(self) -> None:
        """Where several processes share a batch, gradients are those of all."""
        if torch.distributed.is_initialized():
            self.learner.before_backward = self.trainer.strategy.pre_backward

    def configure_optimizers(self) -> torch.optim.Optimizer | None:
        """The optimizer over what the strategy trains; none if it trains nothing."""
        return self.learner.make_optimizer()

    def training_step(self, chunk: list[ScoredBatch], index: int = 0) -> None:
        """Meet every batch of a chunk, in order; what was said is graded together, once all is said."""
        with Unending(lambda: f"within step {self.learner.step}"):
            met = [(*self.prequential_step(each), self._believed()) for each in chunk]
        graded = [i for i, each in enumerate(chunk) if each.predictions.numel()]
        scores = score([chunk[i] for i in graded], [met[i][0] for i in graded])
        for i, value in zip(graded, scores, strict=True):
            step, shift, _, key, predictions = chunk[i]
            answers = predictions.shape[1:3].numel()
            _, alarm, belief = met[i]
            self.records.append(Record(step, shift, alarm, key.live, answers, value, belief))

    def prequential_step(self, item: ScoredBatch) -> tuple[Tensor, bool]:
        """One step: predict, note what was said, learn.

        A detector is given one loss per step, however finely the step is cut into updates: once the last piece is
        predicted, and before it is learned from.

        Returns:
            (logits (batch, asked, symbols), each of before it was learned from; whether the detector raised the alarm).
        """
        learner, batch = self.learner, item.batch
        learner.begin(item.step)
        if item.shift and self.announce_shifts:
            learner.notify_shift()
        said, alarm = list[Tensor](), False
        updates = learner.updates
        episodes = [(each, [*updates.pieces(each)]) for each in updates.episodes(batch)]
        last = episodes[-1][1][-1]
        for episode, pieces in episodes:
            answers = list[Tensor]()
            for piece in pieces:
                prediction = learner.predict(piece)  # the weights have not met this piece
                answers.append(prediction.logits.detach()[:, piece.asked])  # a copy, out of reach
                if piece is last and self.alarmed(batch, [*said, _joined(answers, dim=1)]):
                    alarm = True
                    learner.notify_shift()
                    prediction = learner.predict(piece)  # the weights may have moved
                learner.learn(piece, prediction)
            said.append(_joined(answers, dim=1))
            learner.finish_batch(episode)
        return _joined(said, dim=0), alarm

    def _believed(self) -> Float[Tensor, " owners"] | None:
        belief = self.learner.strategy.beliefs()
        return None if belief is None else belief.detach().clone()  # it goes on moving

    def alarmed(self, batch: Batch, said: Sequence[Float[Tensor, "rows asked symbols"]]) -> bool:
        """Show the detector the mean loss of the step's predictions: does it raise the alarm?"""
        if self.detector is None:
            return False
        asked = batch.asked
        loss = self.learner.nll(torch.cat([*said]), batch.targets[:, asked], asked[asked])
        return self.detector.update(float(loss))

    @torch.no_grad()
    def validation_step(self, chunk: list[ScoredBatch], index: int = 0) -> None:
        """Probe regimes with the weights as they are."""
        for item in chunk:
            with Unending(lambda place=item.step: f"at the probe of regime {place}"):
                logits = self.learner.strategy.predict(self.learner, item.batch)
                if not self._sound:
                    self._assert_causal(item, logits)
            said = logits[:, item.batch.asked]
            self.probed.append((item.step, score([item], [said])[0]))
            self.moved[item.step] = float(scorer.kl(_log_probs(said), self._untouched(item)).mean())

    def on_validation_epoch_end(self) -> None:
        """Every regime was probed: what the network said before any update is known, and its copy is not needed."""
        self._pretrained.clear()

    def _untouched(self, item: ScoredBatch) -> Float[Tensor, "batch asked symbols"]:
        """What the network says on a probe before any update: probabilities, the same at every probe of a regime."""
        if item.step not in self._before:
            (network,), batch = self._pretrained, item.batch
            logits = network.to(batch.inputs.device)(batch.inputs)[:, batch.asked]
            self._before[item.step] = _log_probs(logits).exp()
        return self._before[item.step]

    def _assert_causal(
        self, item: ScoredBatch, logits: Float[Tensor, "batch time symbols"]
    ) -> None:
        """Nothing happens if what is said before the last input stays when that input is another; once in a run.

        Raises:
            ArithmeticError: it moves; the message names the network, the strategy and the regime.
        """
        learner, inputs = self.learner, item.batch.inputs.clone()
        inputs[:, -1] = (inputs[:, -1] + 1) % learner.spec.vocab
        other = learner.strategy.predict(learner, item.batch._replace(inputs=inputs))
        moved = float((other - logits)[:, :-1].abs().max()) if inputs.shape[1] > 1 else 0.0
        if moved > CAUSAL * (1 + float(logits.abs().max())):
            network, strategy = type(learner.network).__name__, type(learner.strategy).__name__
            raise ArithmeticError(
                f"{network}, answering for {strategy}: logits before the last position moved by {moved:.2g} nats when "
                f"only the last input of the probe of regime {item.step} was changed; expected logits[:, t] to depend "
                "on inputs[:, :t+1] only: `plasticity check` tells more"
            )
        self._sound = True


def _log_probs(logits: Float[Tensor, "*any symbols"]) -> Float[Tensor, "*any symbols"]:
    return logits.double().log_softmax(-1)


def _joined(parts: Sequence[Tensor], dim: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim)


def score(
    items: Sequence[ScoredBatch], logits: Sequence[Float[Tensor, "_ _ symbols"]]
) -> list[Float[Tensor, "metric predictor"]]:
    """Scores of each batch, in bits per asked position; those of one shape are scored together.

    Args:
        items: what was predicted; they may ask at different positions.
        logits: of each, (batch, asked, symbols).
    """
    scores: dict[int, Tensor] = {}
    shapes: dict[torch.Size, list[int]] = {}
    for i, item in enumerate(items):
        shapes.setdefault(item.predictions.shape, []).append(i)
    parts = (
        alike[at : at + TOGETHER]
        for alike in shapes.values()
        for at in range(0, len(alike), TOGETHER)
    )
    for alike in parts:
        said, came, predictions = (
            torch.stack(each)
            for each in (
                [logits[i] for i in alike],
                [items[i].batch.targets[:, items[i].batch.asked] for i in alike],
                [items[i].predictions for i in alike],
            )
        )
        values = scorer.score(said, came, predictions).mean(-1)
        scores.update(zip(alike, values, strict=True))
    return [scores[i] for i in range(len(items))]
