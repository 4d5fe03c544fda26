"""wandb, offline unless told otherwise: the dashboard, never the record of truth."""

import hashlib
import logging
import os
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.loggers import Logger, WandbLogger

from plasticity.store import Cell


class Wandb:
    """How a run reports to wandb.

    Args:
        mode: offline (upload later with `wandb sync`), online, or disabled.
        project: wandb project.
        entity: wandb team or user; null: the account's default.
    """

    def __init__(
        self,
        mode: Literal["offline", "online", "disabled"] = "offline",
        project: str = "plasticity",
        entity: str | None = None,
    ):
        self.mode: Literal["offline", "online", "disabled"] = mode
        self.project, self.entity = project, entity

    def lack(self) -> tuple[str, str] | None:
        """What this machine lacks, as (argument, what was expected); None: nothing."""
        if self.mode != "online":
            return None
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        if wandb.login(prompt=False):
            return None
        return "mode", "expected offline, got online: nobody is logged in, see `wandb login`"

    def logger(self, cell: Cell, run: str, config: dict[str, Any]) -> list[Logger]:
        """Lightning's WandbLogger for one cell; none where disabled.

        The x axis is `stream/step`, what is logged are means over a stretch, and everything wandb writes
        lies in the cell's folder, so that a copied run can still be uploaded.

        Args:
            cell: whose folder; its name is the run's name.
            run: groups the cells of one launch.
            config: the resolved YAML of the cell.

        Raises:
            ConnectionError: wandb does not begin.
        """
        if self.mode == "disabled":
            return []
        os.environ["WANDB_DATA_DIR"] = str(_folder(cell.path / "wandb" / "data"))
        os.environ["WANDB_CACHE_DIR"] = str(_folder(cell.path / "wandb" / "cache"))
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        logging.raiseExceptions = False  # on a full disk wandb's debug log would fill the screen
        try:
            live = wandb.init(
                mode=self.mode,
                project=self.project,
                entity=self.entity,
                group=run,
                name=cell.name,
                id=hashlib.sha256(f"{run}/{cell.name}".encode()).hexdigest()[:12],
                resume="allow",
                dir=cell.path,
                config=config,
                settings=wandb.Settings(console="off", x_disable_stats=True),
            )
        except wandb.Error as error:
            raise ConnectionError(f"wandb does not begin: {error}") from error
        for glob in ("window/*", "probe/*", "final/*"):
            live.define_metric(glob, step_metric="stream/step")
        return [WandbLogger(experiment=live)]


def finish(summary: dict[str, Any], loggers: list[Logger]) -> None:
    """Put the cell's final numbers into wandb's summary, and close its run."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            numbers = {f"final/{k}": v for k, v in summary.items() if v is not None}
            logger.experiment.summary.update(numbers)
            logger.experiment.finish()


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()
