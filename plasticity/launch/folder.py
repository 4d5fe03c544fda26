"""Run folder: a new one, with the resolved YAML and the environment in it. No Lightning."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml

from plasticity.config.recipe import plain
from plasticity.config.yaml_source import Located
from plasticity.core.errors import ConfigError, Problem
from plasticity.launch.experiment import Experiment
from plasticity.launch.validate import build_all
from plasticity.results.lock import alone
from plasticity.results.store import Run

BEFORE = {".lock", "environment.json"}
"""What a kill may leave of a run that had not begun: it begins with its YAML."""


def resolved(experiment: Experiment) -> str:
    """The experiment as YAML, with every default filled in; reads back as the same experiment."""
    return yaml.safe_dump(plain(experiment), sort_keys=False)


def create(
    experiment: Experiment,
    folder: Path | None = None,
    tree: Located | None = None,
    warn: Callable[[Problem], None] = lambda _: None,
) -> Run:
    """A new run directory, with the resolved YAML and the environment in it.

    Args:
        experiment: what will run.
        folder: where; null: <out>/<name>/<time>.
        tree: the file that it was read from, so that every problem has its line.
        warn: is told of what cannot act.

    Raises:
        ConfigError: the folder is in use, or cannot be written; or some part cannot be built.
    """
    for each in build_all(experiment, tree).warnings:
        warn(each)
    text = resolved(experiment)
    chosen = folder or Path(experiment.out) / experiment.name / datetime.now().strftime(
        "%Y%m%d-%H%M%S-%f"
    )
    undo: list[Callable[[], None]] = []
    try:
        _expect_empty(chosen)
        new = [path for path in (chosen, *chosen.parents) if not path.exists()]
        with alone(chosen, wait=False):
            _expect_empty(chosen)  # still, now that nobody else writes here
            undo = [chosen.joinpath(name).unlink for name in ("environment.json", ".lock")]
            undo += [path.rmdir for path in new]
            Run(chosen).begin(text, environment())
    except (OSError, ValueError) as error:
        for step in undo:
            with suppress(OSError, ValueError):
                step()
        why = getattr(error, "strerror", None) or error
        raise _refusal(chosen, f"expected a folder that can be written, got: {why}") from None
    return Run(chosen)


def environment() -> dict[str, Any]:
    """What the numbers may depend on besides the YAML."""
    packages = (
        "plasticity-testbed",
        "torch",
        "pytorch-lightning",
        "numpy",
        "wandb",
    )
    return {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "commit": _git("rev-parse", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def _git(*words: str) -> str | None:
    """What git says about the source of this package; None outside a checkout."""
    here = Path(__file__).parent.parent
    try:
        done = subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _expect_empty(folder: Path) -> None:
    """Nothing happens if no run has begun there, nor anything else is.

    Raises:
        ConfigError: something is.
    """
    if folder.exists() and not (folder.is_dir() and {p.name for p in folder.iterdir()} <= BEFORE):
        begun = (folder / "experiment.yaml").exists()
        hint = f"; go on with: plasticity resume {folder}" if begun else ""
        raise _refusal(folder, f"expected a new or empty folder, this one is in use{hint}")


def _refusal(folder: Path, text: str) -> ConfigError:
    return ConfigError([Problem(str(folder), text)])
