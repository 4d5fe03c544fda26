"""Callback that writes the diagnostics of a network beside its steps and probes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytorch_lightning as pl
from torch import Tensor

from plasticity.core.network import Network
from plasticity.core.stream import Stream
from plasticity.core.tunnel import Batch
from plasticity.diagnostics.config import Condition
from plasticity.diagnostics.diagnostics import Start, begin, measure, weights
from plasticity.diagnostics.trainability import COLUMNS, trainability
from plasticity.engine.prequential import Prequential, ScoredBatch
from plasticity.engine.stopping import Unending
from plasticity.results.store import Cell


class ConditionRecorder(pl.Callback):
    """A row before the first step, at the end of every few stretches, and at the end of the stream.

    Give it to `fit` as a callback: those run before the recorder that writes the checkpoint, so that a row is on
    disk before the stretch it belongs to is done. The weights and features of the start are in the checkpoint, and
    a run that is taken up again writes the same numbers, to the bit.

    Args:
        cell: where to.
        condition: what is measured.
        stream: the world of the run.
        fresh: a network of the learner's kind with its initial weights; asked for where trainability is tried.
        batch: held out; None: the stream's first probe.
    """

    def __init__(
        self,
        cell: Cell,
        condition: Condition,
        stream: Stream,
        fresh: Callable[[], Network],
        batch: Batch | None = None,
    ):
        self.cell, self.condition, self.stream, self.fresh = cell, condition, stream, fresh
        self.batch = batch or stream.probes()[0]
        self._start: Start | None = None
        self._before: Tensor | None = None
        self._last: ScoredBatch | None = None

    def on_sanity_check_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The sanity check of a fresh run is before any update."""
        assert isinstance(pl_module, Prequential)
        if self.condition.every:
            self._start = begin(self.condition, pl_module.learner, self.batch)
            self._write(pl_module, part=0, step=0, final=False)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember where the weights were."""
        assert isinstance(pl_module, Prequential)
        self._before = weights(pl_module.learner) if self._due(trainer) else None

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: list[ScoredBatch],
        batch_idx: int,
    ) -> None:
        """Remember what was met last."""
        self._last = batch[-1]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure."""
        assert isinstance(pl_module, Prequential)
        if self._due(trainer):
            final = self._final(trainer)
            self._write(pl_module, trainer.current_epoch + 1, pl_module.learner.step + 1, final)

    def state_dict(self) -> dict[str, Any]:
        """The network before deployment."""
        return self._start._asdict() if self._start else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Compare with the same again."""
        self._start = Start(**state_dict)

    def _due(self, trainer: pl.Trainer) -> bool:
        every, done = self.condition.every, trainer.current_epoch + 1
        return bool(every) and (done % every == 0 or self._final(trainer))

    def _final(self, trainer: pl.Trainer) -> bool:
        return trainer.current_epoch + 1 == trainer.max_epochs

    def _write(self, module: Prequential, part: int, step: int, final: bool) -> None:
        with Unending(lambda: f"where the network is measured at step {step}"):
            values = self._measured(module, final)
        self.cell.condition.write(part, {"step": np.array([step])} | values)

    def _measured(self, module: Prequential, final: bool) -> dict[str, np.ndarray]:
        plan, start = self.condition, self._start
        row = measure(plan, module, self.batch, start, self._before, self._last)
        if plan.trainability:
            row |= dict.fromkeys(COLUMNS, math.nan)
        if plan.trainability and final:
            theta = start and start.weights
            row |= trainability(
                module.learner, self.stream, self.fresh, theta, plan.trainability, plan.lr
            )
        return {name: np.array([value]) for name, value in row.items()}
