"""Progress: a bar for the cell under way, with the bits and the skill so far; a line per minute where none can move."""

import threading
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
    TimeRemainingColumn,
)

from plasticity.core.predictors import MODEL, PREDICTORS
from plasticity.engine.prequential import Prequential
from plasticity.engine.scorer import COLUMNS
from plasticity.metrics.visits import UNDEFINED

PAUSE = 60.0
"""Seconds between two lines of progress where no bar moves."""
_ROWS = {name: row for row, name in enumerate((MODEL, *PREDICTORS))}


class Bar(pl.Callback):
    """One line of progress for one cell; `note` says how it goes."""

    def __init__(self, progress: Progress, title: str, total: int | None):
        self.progress, self.note = progress, ""
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
        assert isinstance(pl_module, Prequential)
        self._show(pl_module, self._window(pl_module))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The end of a stretch; where steps are not scored, how far the probes are from the amnesic observer."""
        assert isinstance(pl_module, Prequential)
        self._show(pl_module, self._window(pl_module) or self._probed(pl_module))

    def _show(self, module: Prequential, note: str) -> None:
        self.note = note or self.note
        self.progress.update(self.task, completed=module.learner.step + 1, note=self.note)

    def _probed(self, module: Prequential) -> str:
        column = COLUMNS.index("kl_amnesic")
        bits = torch.stack([scores[column, 0] for _, scores in module.probed]).mean()
        return f"{float(bits):.3f} bits from amnesic"

    def _window(self, module: Prequential) -> str:
        recent = [each.scores[0] for each in module.records[-20:]]
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
    """A live display, one line per cell; on anything but a terminal, a printed line per minute."""
    columns = (
        TextColumn("{task.description:<18}", markup=False),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        over = threading.Event()
        if progress.disable and not console.quiet:
            threading.Thread(target=_tell, args=(progress, over), daemon=True).start()
        try:
            yield progress
        finally:
            over.set()


def _tell(progress: Progress, over: threading.Event) -> None:
    """Print how far the latest task is, every PAUSE seconds until it is over."""
    while not over.wait(PAUSE):
        going = [task for task in progress.tasks if not task.finished]
        for task in going[-1:]:
            whole = "" if task.total is None else f"/{task.total:g}"
            said = f"{task.description}: {task.completed:g}{whole}"
            parts = said, task.fields["note"], _left(task.time_remaining)
            text = ", ".join(filter(None, parts))
            progress.console.print(text, highlight=False, markup=False, soft_wrap=True)


def _left(seconds: float | None) -> str:
    """How long it still takes, in words; "" where nobody knows."""
    if not seconds:
        return ""
    return f"about {seconds / 60:.0f} min left" if seconds > 90 else "about a minute left"
