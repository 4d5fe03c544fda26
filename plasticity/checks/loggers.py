"""Checks of a logger: it is Lightning's, and takes what a run tells it."""

import os
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plasticity.config.recipe import Recipe
from plasticity.core.logger import Logger

Subject = Recipe[Logger]
"""How to make the logger."""
CONFIG = {"stream/type": "Recurring", "stream/regimes": 3, "hold": None, "keep": True, "lr": 1e-3}
"""As a run flattens its YAML."""
ROWS = [{"skill": 0.25 * step, "all/kl/model": float("nan"), "step": step} for step in range(3)]
"""As a run tells them: a number that is undefined is none, or no finite one."""
LAST = {"final/skill": 0.5, "all/final/diverged/step": None}


def told(made: Any) -> None:
    """All that a run tells a logger, in its order."""
    made.log_hyperparams(CONFIG)
    for row in ROWS:
        made.log_metrics({k: v for k, v in row.items() if v == v}, step=int(row["step"]))
        made.save()
    made.log_metrics({k: v for k, v in LAST.items() if v is not None}, step=len(ROWS))
    made.finalize("success")


def inside(subject: Subject, use: Callable[[Any], None]) -> list[str]:
    """Use the logger in a folder of its own, within an empty one that is the current one.

    Returns:
        files outside that folder.
    """
    with TemporaryDirectory() as place, chdir(place):
        folder = Path(place) / "loggers" / "own"
        folder.mkdir(parents=True)
        use(subject.build().make(folder))
        files = [Path(at) / name for at, _, names in os.walk(place) for name in names]
        return [str(f.relative_to(place)) for f in files if not f.is_relative_to(folder)]


def check_makes_a_logger_of_lightnings(subject: Subject) -> None:
    """Make returns a logger that Lightning knows."""
    from pytorch_lightning.loggers import Logger as LightningLogger

    def use(made: Any) -> None:
        assert isinstance(made, LightningLogger), (
            f"make() returned {type(made).__name__}; expected a pytorch_lightning.loggers.Logger"
        )

    inside(subject, use)


def check_takes_what_a_run_tells(subject: Subject) -> None:
    """Configuration, rows, final numbers and the end are taken without a complaint."""

    def use(made: Any) -> None:
        try:
            told(made)
        except Exception as error:
            raise AssertionError(
                f"it refused what a run tells: {type(error).__name__}: {error}; expected log_hyperparams, log_metrics, "
                "save and finalize to take any names, and whole, real and missing numbers"
            ) from error

    inside(subject, use)


def check_writes_in_its_folder(subject: Subject) -> None:
    """Nothing is written outside the folder that it was given."""
    strays = inside(subject, told)
    assert not strays, (
        f"it wrote {', '.join(strays[:3])} outside the folder that make() was given; expected all files there, because "
        "that folder is emptied when a run is taken up again"
    )


LOGGER_CHECKS = [
    check_makes_a_logger_of_lightnings,
    check_takes_what_a_run_tells,
    check_writes_in_its_folder,
]
"""Cheap ones first."""
