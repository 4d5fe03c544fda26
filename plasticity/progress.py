"""Progress: a bar for the walk under way, with the bits and the skill so far."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from plasticity.bracket import PREDICTORS
from plasticity.learner import MODEL, Learner
from plasticity.metrics.retention import UNDEFINED

_ROWS = {name: row for row, name in enumerate((MODEL, *PREDICTORS))}


class Bar(pl.Callback):
    """One line of progress for one walk; `note` says how it goes."""

    def __init__(self, progress: Progress, title: str, total: int):
        self.progress, self.title = progress, title
        self.task = progress.add_task(title, total=total, note="")

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """After a chunk of steps: how far, how many bits over the window, and the skill there."""
        assert isinstance(pl_module, Learner)
        self.progress.update(self.task, completed=pl_module.step + 1, note=self._note(pl_module))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The end of a stretch."""
        assert isinstance(pl_module, Learner)
        self.progress.update(self.task, completed=pl_module.step + 1)

    def _note(self, learner: Learner) -> str:
        recent = [scores[0] for *_, scores in learner.records[-20:]]
        if not recent:
            return ""
        kl = torch.stack(recent).mean(0)
        model, amnesic, continual = (float(kl[_ROWS[n]]) for n in (MODEL, "amnesic", "continual"))
        text = f"{model:.3f} bits (amnesic {amnesic:.3f})"
        defined = amnesic - continual >= UNDEFINED
        return (
            f"{text}, skill {(amnesic - model) / (amnesic - continual):+.2f}" if defined else text
        )


@contextmanager
def bars(console: Console) -> Iterator[Progress]:
    """A live display, one line per walk; on anything but a terminal, nothing moves."""
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield progress
