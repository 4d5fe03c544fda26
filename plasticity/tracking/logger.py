"""wandb, offline unless told otherwise: the dashboard, never the record of truth."""

import glob
import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, WandbLogger

from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.learner import OnlineLearner
from plasticity.results.store import Cell
from plasticity.tracking import pictures, tables
from plasticity.tracking.columns import columns, tags
from plasticity.tracking.config import Wandb
from plasticity.tracking.headlines import FINAL, OTHERS, STEP, of_row, of_summary

MEGABYTE = 1 << 20


def loggers(plan: Wandb, cell: Cell, run: str, config: dict[str, Any]) -> list[Logger]:
    """What the recorder tells of every stretch; nobody where disabled.

    The x axis is `step`. The headlines are shown, and all other metrics are hidden until they are asked for. Everything
    wandb writes lies in the cell's folder. A cell that is taken up again goes on under the same id.

    Args:
        plan: how wandb is told.
        cell: whose folder; its name is the run's name.
        run: groups the cells of one launch.
        config: the resolved YAML of the cell.

    Raises:
        ConnectionError: wandb does not begin.
    """
    if plan.mode == "disabled":
        return []
    os.environ["WANDB_DATA_DIR"] = str(_folder(cell.path / "wandb" / "data"))
    os.environ["WANDB_CACHE_DIR"] = str(_folder(cell.path / "wandb" / "cache"))
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    logging.raiseExceptions = False  # on a full disk wandb's debug log would fill the screen
    own = hashlib.sha256(f"{run}/{cell.name}".encode()).hexdigest()[:12]
    agent = os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
    identity = agent or own  # in a sweep of wandb's, its agent has decided already
    told = rows_told(cell.path, identity)
    try:
        live = wandb.init(
            mode=plan.mode,
            project=plan.project,
            entity=plan.entity,
            group=run,
            job_type=cell.label[:64],
            name=cell.name,
            tags=tags(config),
            id=identity,
            resume="allow",
            dir=cell.path,
            config=columns(config | {"label": cell.label}),
            settings=wandb.Settings(console="off", x_disable_stats=True),
        )
    except wandb.Error as error:
        raise ConnectionError(f"wandb does not begin: {error}") from error
    live.define_metric(STEP, hidden=True)
    for headline in FINAL.values():
        live.define_metric(headline, step_metric=STEP, summary="none")  # of the whole stream
    live.define_metric(f"{OTHERS}*", step_metric=STEP, hidden=True)
    return [StretchLogger(live, max(told, live.step))]


class StretchLogger(WandbLogger):
    """Tells wandb every stretch once, however often the run was cut off: its number is wandb's own step.

    Args:
        live: the wandb run.
        told: rows that wandb knows already.
    """

    def __init__(self, live: Any, told: int = 0):
        super().__init__(experiment=live)
        self.told = told

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Pass on a row that is new, under the names of a dashboard."""
        if step is None or step >= self.told:
            self.experiment.log(of_row(metrics), step=step)


def finish(
    cell: Cell,
    learner: OnlineLearner,
    data: StreamDataModule,
    summary: Mapping[str, Any],
    loggers: list[Logger],
    checkpoint: float,
) -> None:
    """Give wandb the cell's final numbers, its tables, its pictures and its last checkpoint, and close its run.

    Args:
        cell: its probes are drawn.
        learner: at the end of the stream.
        data: the stream, whose observers say what the truth is.
        summary: the final numbers, headlines and `all/final/<formula id>`.
        loggers: of `loggers`.
        checkpoint: the largest that is kept, in megabytes.
    """
    for logger in loggers:
        if not isinstance(logger, StretchLogger):
            continue
        live, timing = logger.experiment, cell.timing.read()
        if len(timing) + 1 >= logger.told:  # a row of its own, after the stretches
            shown = tables.probe_matrix(cell) | tables.posteriors(learner, data)
            shown |= pictures.drawn(cell, summary)
            live.log({STEP: int(timing["step"][-1])} | shown, step=len(timing) + 1)
        live.summary.update(of_summary(summary))
        file = cell.checkpoint
        if file.exists() and file.stat().st_size <= checkpoint * MEGABYTE:
            live.log_artifact(file, name=f"checkpoint-{live.id}", type="model")
        live.finish()


def rows_told(folder: Path, identity: str) -> int:
    """How many rows earlier offline runs of this id hold: what was lost when they were killed is told again."""
    steps, here = [-1], os.environ | {"WANDB_DIR": str(folder)}  # for its debug log
    for file in folder.glob(f"wandb/offline-run-*-{glob.escape(identity)}/*.wandb"):
        words = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=here
        )
        records = map(json.loads, done.stdout.splitlines())
        steps += [r["history"]["item"]["_step"] for r in records if r["type"] == "history"]
    return max(steps) + 1


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()
