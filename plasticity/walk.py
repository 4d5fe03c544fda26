"""Walk: one learner goes through one stream, and its record is on disk after every stretch."""

import io
import logging
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor

from plasticity.bracket import PREDICTORS
from plasticity.forward import Forward
from plasticity.learner import MODEL, Learner
from plasticity.quantities import Count, Natural
from plasticity.store import Cell, write_whole
from plasticity.tracking.stretches import Stretches


class Hardware:
    """Where and how Lightning runs.

    Args:
        accelerator: cpu, gpu or auto.
        precision: of the forward and backward pass; scores are float64 always. Strategies read raw gradients, so
            none that scales losses (16-mixed) is offered.
        threads: of torch on the CPU; null: torch decides.
        workers: processes that make batches ahead; 0: the learner's own. It changes no number.
        devices: that share a pretraining, each a part of every batch (Lightning's DDP): the numbers are those of one,
            but for the order of sums. What is deployed is one process: its steps follow one another.
        compile: torch.compile of the network: off; default: fused kernels; reduce-overhead: CUDA graphs too.
    """

    def __init__(
        self,
        accelerator: Literal["auto", "cpu", "gpu"] = "cpu",
        precision: Literal["32-true", "bf16-mixed"] = "32-true",
        threads: Count | None = None,
        workers: Natural = 0,
        compile: Literal["off", "default", "reduce-overhead"] = "off",
        devices: Count = 1,
    ):
        self.accelerator: Literal["auto", "cpu", "gpu"] = accelerator
        self.precision: Literal["32-true", "bf16-mixed"] = precision
        self.threads, self.workers, self.devices = threads, workers, devices
        self.compile: Literal["off", "default", "reduce-overhead"] = compile

    def lack(self) -> tuple[str, str] | None:
        """What this machine lacks, as (argument, what was expected); None: nothing."""
        gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
        if self.accelerator == "gpu" and not gpu:
            return "accelerator", "expected cpu or auto, got gpu: none is found here"
        if self.accelerator == "gpu" and self.devices > (found := torch.cuda.device_count() or 1):
            return "devices", f"expected at most {found}, the GPUs found here, got {self.devices}"
        return None


class Recorder(pl.Callback):
    """After every stretch: the step and probe rows, then the log, then the checkpoint.

    In that order, so that a kill between any two loses nothing: a resumed run starts at the checkpoint and
    writes the same parts again.

    Args:
        cell: where to.
        columns: metric columns, in the order of the learner's metrics.
    """

    def __init__(self, cell: Cell, columns: Sequence[str]):
        self.cell = cell
        self.columns = [f"{column}/{name}" for column in columns for name in (MODEL, *PREDICTORS)]
        self._began = self._seconds = 0.0
        self._stretches = Stretches(cell)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell what went before: a walk that was killed behind its last checkpoint has no stretch to come."""
        if trainer.is_global_zero:
            self._tell(trainer)

    def on_sanity_check_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The sanity check of a fresh walk is the probe before any update."""
        assert isinstance(pl_module, Learner)
        if trainer.is_global_zero:
            self._write_probes(trainer, pl_module, part=0, step=0)
            self._tell(trainer)
        pl_module.probed.clear()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock: the probes that close a stretch are not what a step costs."""
        self._seconds = time.perf_counter() - self._began

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the stretch, tell the loggers, and checkpoint."""
        assert isinstance(pl_module, Learner)
        if trainer.is_global_zero:
            stretch, step = trainer.current_epoch, pl_module.step + 1
            self._write_steps(pl_module, stretch)
            self._write_probes(trainer, pl_module, stretch + 1, step)
            row = {"step": np.array([step]), "seconds": np.array([self._seconds])}
            self.cell.timing.write(stretch, row)
            self._tell(trainer)
        pl_module.records.clear()
        pl_module.probed.clear()
        trainer.save_checkpoint(self.cell.checkpoint)  # by all, together

    def _tell(self, trainer: pl.Trainer) -> None:
        """Every row of the record that was not told in this process: all that went before, after a resume."""
        if trainer.loggers:
            for number, row in self._stretches.new():
                for logger in trainer.loggers:
                    logger.log_metrics(row, step=number)

    def _write_steps(self, learner: Learner, stretch: int) -> None:
        if not learner.records:
            return
        steps, shifts, alarms, regimes, scores = zip(*learner.records, strict=True)
        table = self._table(scores)
        head = {
            "step": np.array(steps),
            "regime": np.array(regimes, np.int32),
            "shift": np.array(shifts),
            "alarm": np.array(alarms),
        }
        self.cell.steps.write(stretch, head | table)

    def _write_probes(self, trainer: pl.Trainer, learner: Learner, part: int, step: int) -> None:
        """Write them, and let the schedule know."""
        regimes, scores = zip(*learner.probed, strict=True)
        table = self._table(scores)
        head = {"step": np.full(len(regimes), step), "regime": np.array(regimes, np.int32)}
        self.cell.probes.write(part, head | table)
        bits = dict(zip(regimes, table["kl/model"].tolist(), strict=True))
        if isinstance(forward := getattr(trainer, "datamodule", None), Forward):
            forward.stream.told(step, bits)

    def _table(self, scores: Sequence[Tensor]) -> dict[str, np.ndarray]:
        values = torch.stack(list(scores)).flatten(1).cpu().numpy()
        return dict(zip(self.columns, values.T, strict=True))


class Whole(TorchCheckpointIO):
    """Checkpoints that are there whole or not at all; Lightning's own come over a temporary folder elsewhere."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Make it in memory, then write it."""
        save_weights(Path(path), checkpoint)


def walk(
    cell: Cell,
    learner: Learner,
    forward: Forward,
    hardware: Hardware,
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[pl.Callback] = (),
    devices: int = 1,
) -> None:
    """Walk the stream to its end, from the cell's checkpoint if it has one.

    Args:
        cell: where the record goes.
        learner: who learns; its weights have moved afterwards.
        forward: the stream, stretch by stretch.
        hardware: where.
        loggers: told the means of every stretch.
        callbacks: of Lightning, beside the recorder.
        devices: processes, each of which learns from a part of every batch.
    """
    if hardware.threads:
        torch.set_num_threads(hardware.threads)
    if hardware.compile != "off":
        learner.network.compile(mode=hardware.compile, dynamic=False)
    forward.workers = hardware.workers
    resume = cell.checkpoint if cell.checkpoint.exists() else None
    columns = [metric.column for metric in learner.scorers()]
    with warnings.catch_warnings():
        for pattern in _EXPECTED:
            warnings.filterwarnings("ignore", pattern)
        for name in ("pytorch_lightning", "lightning_fabric"):
            logging.getLogger(name).setLevel(logging.WARNING)
        trainer = pl.Trainer(
            max_epochs=forward.stretches or -1,
            accelerator=hardware.accelerator,
            devices=devices,
            strategy="ddp_fork" if devices > 1 else "auto",
            precision=hardware.precision,
            logger=list(loggers),
            plugins=[Whole()],
            callbacks=[*callbacks, Recorder(cell, columns)],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0 if resume else -1,
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
        )
        # weights_only=False: the checkpoint is this run's own, and holds the observers' states.
        trainer.fit(learner, datamodule=forward, ckpt_path=resume, weights_only=False)


_EXPECTED = (
    ".*does not have many workers.*",  # batches are drawn in 0.1 ms; a worker would cost more
    ".*returned `None`, this fit will run with no optimizer.*",  # a strategy that trains nothing
    ".*isinstance.treespec, LeafSpec.*",  # Lightning 2.6 against torch 2.11
    ".*smaller than the logging interval.*",
    ".*GPU available but not used.*",  # the experiment says where it runs
)


def save_weights(path: Path, state: dict[str, Any]) -> None:
    """A state dict as a file, whole."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_whole(path, buffer.getvalue())
