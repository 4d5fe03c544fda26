"""Logger: who is told the numbers of a run beside its record."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any


class Logger(ABC):
    """A logger of Lightning's, as a YAML names it; it is made where the run needs it, once for each cell.

    What it writes lies in the folder of its cell: after a crash that folder is emptied, and every row is told again.
    """

    @abstractmethod
    def make(self, folder: Path) -> Any:
        """A `pytorch_lightning.loggers.Logger` that writes below a folder, which is there and empty.

        It is told the configuration (`log_hyperparams`), a row of numbers per stretch (`log_metrics`, at the step of
        the stream, each followed by `save`), the final numbers, and that all has ended (`finalize`). Import Lightning
        inside: `plasticity list` must not wait for it.
        """
