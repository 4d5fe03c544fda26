"""Rows of a cell for any logger of Lightning's, each told once: after a resume its files are begun anew."""

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from pytorch_lightning.loggers import Logger as LightningLogger

from plasticity.config.recipe import Recipe
from plasticity.core.logger import Logger
from plasticity.results.store import Cell
from plasticity.tracking.columns import columns
from plasticity.tracking.headlines import STEP, of_row, of_summary
from plasticity.tracking.lightning import folders


class RowLogger(LightningLogger):
    """Between the trainer and a logger of Lightning's: rows under the names of a dashboard, at the stream's steps.

    Args:
        inside: whom it tells.
    """

    def __init__(self, inside: LightningLogger):
        super().__init__()
        self.inside = inside

    @property
    def name(self) -> str | None:
        """Of the logger inside."""
        return self.inside.name

    @property
    def version(self) -> int | str | None:
        """Of the logger inside."""
        return self.inside.version

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Pass on a row, and have it written: rows are few."""
        row = of_row(metrics)
        self.inside.log_metrics(row, step=int(row[STEP]))
        self.inside.save()

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """The cell's configuration was told when it began."""

    def finalize(self, status: str) -> None:
        """Of a loop that ended well, the summary is to come."""
        if status != "success":
            self.inside.finalize(status)


def opened(
    recipes: Sequence[Recipe[Logger]], cell: Cell, config: dict[str, Any]
) -> list["RowLogger"]:
    """A logger for each recipe, told the cell's configuration.

    What an earlier attempt wrote in the cell is removed: the loop tells every row of the record again, from the first.

    Args:
        recipes: which.
        cell: they write in `loggers/` of its folder.
        config: the resolved YAML of the cell.
    """
    shutil.rmtree(cell.path / "loggers", ignore_errors=True)
    found = []
    for recipe, name in zip(recipes, folders(recipes), strict=True):
        folder = cell.path / "loggers" / name
        folder.mkdir(parents=True)
        inside = recipe.build().make(folder)
        inside.log_hyperparams(columns(config | {"label": cell.label}))
        found.append(RowLogger(inside))
    return found


def close(loggers: Sequence[RowLogger], summary: Mapping[str, Any], step: int) -> None:
    """Tell the final metrics, as `final/<headline>` and `all/final/<formula id>`, and end.

    Args:
        loggers: of `opened`.
        summary: the final numbers.
        step: of the stream's end.
    """
    last = of_summary(summary)
    told = {k if k.startswith("all/") else f"final/{k}": v for k, v in last.items()}
    for logger in loggers:
        logger.inside.log_metrics(told, step=step)
        logger.inside.finalize("success")
