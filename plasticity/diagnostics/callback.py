"""Callback that writes the diagnostics of a network beside its steps and probes."""

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import pytorch_lightning as pl
from torch import Tensor

from plasticity.core.network import Network
from plasticity.core.stream import Stream
from plasticity.core.tunnel import Batch
from plasticity.diagnostics.config import Condition
from plasticity.diagnostics.diagnostics import Start, begin, columns, measure, weights
from plasticity.diagnostics.forward_probe import evaluation_mode
from plasticity.diagnostics.geometry.episodes import KnownEpisodes
from plasticity.diagnostics.geometry.online import INSIDE, fresh_probe, inside_row
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
        plan = self.condition
        if plan.every or plan.inside:
            self._start = begin(plan, pl_module.learner, self.batch)
            self._write(pl_module, 0, 0, bool(plan.every), bool(plan.inside), final=False)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember where the weights were."""
        assert isinstance(pl_module, Prequential)
        due = self._due(trainer, self.condition.every)
        self._before = weights(pl_module.learner) if due else None

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
        plan, step = self.condition, pl_module.learner.step + 1
        due, inside = self._due(trainer, plan.every), self._due(trainer, plan.inside)
        if due or inside:
            final = self._final(trainer)
            self._write(pl_module, trainer.current_epoch + 1, step, due, inside, final)

    def state_dict(self) -> dict[str, Any]:
        """The network before deployment."""
        return self._start._asdict() if self._start else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Compare with the same again."""
        self._start = Start(**state_dict)

    def _due(self, trainer: pl.Trainer, every: int) -> bool:
        done = trainer.current_epoch + 1
        return bool(every) and (done % every == 0 or self._final(trainer))

    def _final(self, trainer: pl.Trainer) -> bool:
        return trainer.current_epoch + 1 == trainer.max_epochs

    def _write(
        self, module: Prequential, part: int, step: int, due: bool, inside: bool, final: bool
    ) -> None:
        """A row: of what is measured at all, what is not due is NaN."""
        plan, row = self.condition, dict[str, float]()
        with Unending(lambda: f"where the network is measured at step {step}"):
            if plan.every:
                row |= self._measured(module, final) if due else dict.fromkeys(self._all, math.nan)
            if plan.inside:
                row |= self._inside(module) if inside else dict.fromkeys(INSIDE, math.nan)
        values = {name: np.array([value]) for name, value in row.items()}
        self.cell.condition.write(part, {"step": np.array([step])} | values)

    @property
    def _all(self) -> list[str]:
        return [*columns(self.condition), *(COLUMNS if self.condition.trainability else ())]

    def _measured(self, module: Prequential, final: bool) -> dict[str, float]:
        plan, start = self.condition, self._start
        row = measure(plan, module, self.batch, start, self._before, self._last)
        if plan.trainability:
            row |= dict.fromkeys(COLUMNS, math.nan)
        if plan.trainability and final:
            theta = start and start.weights
            row |= trainability(
                module.learner, self.stream, self.fresh, theta, plan.trainability, plan.lr
            )
        return row

    @cached_property
    def _known(self) -> KnownEpisodes:
        return fresh_probe(self.stream)

    def _inside(self, module: Prequential) -> dict[str, float]:
        assert self._start is not None
        known = self._known._replace(inputs=self._known.inputs.to(module.learner.device))
        with evaluation_mode(module.learner.network) as bare:
            return inside_row(bare, self._start.weights, known)
