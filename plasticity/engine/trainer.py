"""Training: one learner meets one stream, by Lightning; its record is on disk after every stretch."""

import logging
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor

from plasticity.core.predictors import BELIEF, MODEL, MOVED, PREDICTORS
from plasticity.engine import archive
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.passes import Passes
from plasticity.engine.prequential import Prequential
from plasticity.engine.scorer import COLUMNS
from plasticity.engine.stopping import Unending
from plasticity.results.shapes import CHECKPOINT, MISFITS, expect, fitting
from plasticity.results.store import KINDS, Cell
from plasticity.results.stretches import Stretches

SCORES = [f"{column}/{name}" for column in COLUMNS for name in (MODEL, *PREDICTORS)]
"""Columns of the step and probe tables, in the order of the scores."""
PASSES = "forward", "backward"
"""Of the timing table: symbols that went through the learner's networks in a stretch."""


class NotifyStream(pl.Callback):
    """Tells the schedule of the learner's probes, at the beginning and after every stretch."""

    def __init__(self, data: StreamDataModule):
        self.stream = data.stream

    def on_sanity_check_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Before any update."""
        self._notify(pl_module, 0)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After a stretch."""
        assert isinstance(pl_module, Prequential)
        self._notify(pl_module, pl_module.learner.step + 1)

    def _notify(self, module: pl.LightningModule, step: int) -> None:
        assert isinstance(module, Prequential)
        row = SCORES.index(f"kl/{MODEL}")
        bits = {regime: float(scores.flatten()[row]) for regime, scores in module.probed}
        with Unending(lambda: f"where the stream is told of its probes at step {step}"):
            self.stream.on_probe(step, bits)


class Recorder(pl.Callback):
    """After every stretch: the step and probe rows, then the checkpoint.

    In that order, so that a kill between the two loses nothing: a resumed run starts at the checkpoint and
    writes the same parts again.

    Args:
        cell: where to.
        counts: whether the passes through networks are counted.
    """

    def __init__(self, cell: Cell, counts: bool = True):
        self.cell, self.counts = cell, counts
        self._began = self._seconds = 0.0
        self._passes: Passes | None = None

    def on_sanity_check_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The sanity check of a fresh run is the probe before any update."""
        assert isinstance(pl_module, Prequential)
        if trainer.is_global_zero:
            self._write_probes(pl_module, part=0, step=0)
        pl_module.probed.clear()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock, and count passes."""
        assert isinstance(pl_module, Prequential)
        self._passes = Passes(pl_module.learner) if self.counts else None
        self._began = time.perf_counter()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock: the probes that close a stretch are not what a step costs."""
        self._seconds = time.perf_counter() - self._began
        if self._passes is not None:
            self._passes.stop()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the stretch, and checkpoint."""
        assert isinstance(pl_module, Prequential)
        if trainer.is_global_zero:
            stretch, step = trainer.current_epoch, pl_module.learner.step + 1
            self._write_steps(pl_module, stretch)
            self._write_probes(pl_module, stretch + 1, step)
            row = {"step": np.array([step]), "seconds": np.array([self._seconds])}
            if self._passes is not None:
                row |= dict(zip(PASSES, map(np.atleast_1d, self._passes.stop()), strict=True))
            self.cell.timing.write(stretch, row)
        pl_module.records.clear()
        pl_module.probed.clear()
        trainer.save_checkpoint(self.cell.checkpoint)  # by all, together
        if trainer.is_global_zero:
            for kind in KINDS:
                self.cell.table(kind).merge(upto=trainer.current_epoch)

    def _write_steps(self, module: Prequential, stretch: int) -> None:
        if not module.records:
            return
        steps, shifts, alarms, regimes, answers, scores, beliefs = zip(*module.records, strict=True)
        head = {
            "step": np.array(steps),
            "regime": np.array(regimes, np.int32),
            "shift": np.array(shifts),
            "alarm": np.array(alarms),
            "answers": np.array(answers, np.int32),
        }
        if all(belief is not None for belief in beliefs):
            head |= {f"{BELIEF}{i}": p for i, p in enumerate(torch.stack(beliefs).T.cpu().numpy())}
        self.cell.steps.write(stretch, head | _table(scores))

    def _write_probes(self, module: Prequential, part: int, step: int) -> None:
        regimes, scores = zip(*module.probed, strict=True)
        head = {"step": np.full(len(regimes), step), "regime": np.array(regimes, np.int32)}
        head |= {MOVED: np.array([module.moved[regime] for regime in regimes])}
        self.cell.probes.write(part, head | _table(scores))


class Started(pl.Callback):
    """Whether the first step is about to be made, and a checkpoint, if there is one, was taken up."""

    yes = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """It is."""
        self.yes = True


class LogStretches(pl.Callback):
    """Tells the loggers every row of the record that they were not told in this process.

    After a resume that is all that went before; so it also fills in what was lost when a run was killed.

    Args:
        cell: whose record is read.
    """

    def __init__(self, cell: Cell):
        self._stretches = Stretches(cell)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """What went before: a run that was killed behind its last checkpoint has no stretch to come."""
        self._log(trainer)

    def on_sanity_check_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The probe before any update."""
        self._log(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A stretch."""
        self._log(trainer)

    def _log(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero and trainer.loggers:
            for number, row in self._stretches.new():
                for logger in trainer.loggers:
                    logger.log_metrics(row, step=number)


def _table(scores: Sequence[Tensor]) -> dict[str, np.ndarray]:
    values = torch.stack(list(scores)).flatten(1).cpu().numpy()
    return dict(zip(SCORES, values.T, strict=True))


class SealedCheckpoints(TorchCheckpointIO):
    """Checkpoints that are data: sealed archives, there whole or not at all.

    Args:
        cell: whose.
        saved: what its checkpoint holds, where it was read before; it is handed out once.
    """

    def __init__(self, cell: Cell, saved: dict[str, Any] | None = None):
        self.cell, self.saved = cell, saved

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write it whole."""
        archive.save(Path(path), checkpoint, self.cell.place("checkpoint"))

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """What was saved.

        Raises:
            Damaged: it is not as it was written.
        """
        if Path(path) != self.cell.checkpoint:  # weights that one process hands to another
            with self.cell.remedied():
                return archive.load(Path(path), self.cell.place("checkpoint"))
        found, self.saved = self.saved, None
        return found or read_checkpoint(self.cell)


def read_checkpoint(cell: Cell) -> dict[str, Any]:
    """What the checkpoint of a cell holds, as Lightning made it.

    Raises:
        Damaged: it is not as it was written, or somebody else wrote it.
    """
    with cell.remedied():
        found = archive.load(cell.checkpoint, cell.place("checkpoint"))
        expect(cell.checkpoint, found, CHECKPOINT)
    return found


def fit(
    cell: Cell,
    module: Prequential,
    data: StreamDataModule,
    config: TrainerConfig,
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[pl.Callback] = (),
    devices: int = 1,
    checkpoints: SealedCheckpoints | None = None,
) -> None:
    """Go through the stream to its end, from the cell's checkpoint if it has one.

    Args:
        cell: where the record goes.
        module: the loop, with the learner in it; the weights have moved afterwards.
        data: the stream, stretch by stretch.
        config: where it runs.
        loggers: told the means of every stretch.
        callbacks: of Lightning, in front of those that record.
        devices: processes, each of which learns from a part of every batch.
        checkpoints: what reads and writes the cell's, where it has read one already.

    Raises:
        Damaged: the checkpoint is not as it was written, or is that of another learner.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    if config.compile != "off":
        module.learner.network.compile(mode=config.compile, dynamic=False)
    data.updates, data.workers = module.learner.updates, config.workers
    resume = cell.checkpoint if cell.checkpoint.exists() else None
    started = Started()
    recording = NotifyStream(data), Recorder(cell, config.compile == "off"), LogStretches(cell)
    with warnings.catch_warnings():
        for pattern in _EXPECTED:
            warnings.filterwarnings("ignore", pattern)
        for name in ("pytorch_lightning", "lightning_fabric"):
            logging.getLogger(name).setLevel(logging.WARNING)
        trainer = pl.Trainer(
            max_epochs=data.stretches or -1,
            accelerator=config.accelerator,
            devices=devices,
            strategy="ddp_fork" if devices > 1 else "auto",
            precision=config.precision,
            logger=list(loggers),
            plugins=[checkpoints or SealedCheckpoints(cell)],
            callbacks=[started, *callbacks, *recording],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0 if resume else -1,
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
        )
        try:
            trainer.fit(module, datamodule=data, ckpt_path=resume)
        except MISFITS as error:
            if resume is None or started.yes:
                raise
            with cell.remedied(), fitting(cell.checkpoint, "the state of this learner"):
                raise error


_EXPECTED = (
    ".*does not have many workers.*",  # batches are drawn in 0.1 ms; a worker would cost more
    ".*returned `None`, this fit will run with no optimizer.*",  # a strategy that trains nothing
    ".*isinstance.treespec, LeafSpec.*",  # Lightning 2.6 against torch 2.11
    ".*smaller than the logging interval.*",
    ".*GPU available but not used.*",  # the experiment says where it runs
)
