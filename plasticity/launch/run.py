"""Running an experiment: run an experiment's cells one after the other, and take up a run that was cut off."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from rich.console import Console
from rich.progress import Progress

from plasticity.config.recipe import Recipe, plain
from plasticity.config.yaml_source import Located
from plasticity.core.errors import ConfigError, Problem
from plasticity.core.network import Network
from plasticity.diagnostics import ConditionRecorder
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.pretrain import fresh_network
from plasticity.engine.progress import Bar, bars
from plasticity.engine.trainer import fit
from plasticity.launch import restore
from plasticity.launch.experiment import CellSpec, Experiment
from plasticity.launch.validate import build_all
from plasticity.results.load import derived
from plasticity.results.store import Cell, Run, write_json, write_whole
from plasticity.tracking import finish


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
        if chosen.exists() and (not chosen.is_dir() or any(chosen.iterdir())):
            hint = f"; go on with: plasticity resume {chosen}" if _is_run(chosen) else ""
            raise _refusal(chosen, f"expected a new or empty folder, this one is in use{hint}")
        new = [path for path in (chosen, *chosen.parents) if not path.exists()]
        undo = [(chosen / "environment.json").unlink, *(path.rmdir for path in new)]
        chosen.mkdir(parents=True, exist_ok=True)
        write_json(chosen / "environment.json", environment())
        write_whole(chosen / "experiment.yaml", text.encode())
    except (OSError, ValueError) as error:
        for step in undo:
            with suppress(OSError, ValueError):
                step()
        why = getattr(error, "strerror", None) or error
        raise _refusal(chosen, f"expected a folder that can be written, got: {why}") from None
    return Run(chosen)


def run(experiment: Experiment, where: Run, console: Console) -> None:
    """Run every cell that is not done, from its checkpoint if it has one.

    Args:
        experiment: what runs.
        where: a run directory made by `create` for this experiment.
        console: where progress is shown.
    """
    cells = [
        (seed, label, contender)
        for seed in experiment.seeds or [experiment.seed]
        for label, contender in experiment.contenders().items()
    ]
    with bars(console) as progress:
        for index, (seed, label, contender) in enumerate(cells):
            cell = Cell(where.path / "cells" / f"{label}-seed{seed}")
            if cell.done:
                console.print(f"{cell.name}: already done", style="dim", highlight=False)
            else:
                run_cell(experiment, where, cell, index, label, seed, contender, progress, console)


def run_cell(
    experiment: Experiment,
    where: Run,
    cell: Cell,
    index: int,
    label: str,
    seed: int,
    contender: CellSpec,
    progress: Progress,
    console: Console,
) -> None:
    """Run one cell to its end, from its checkpoint if it has one.

    Args:
        experiment: what it is a cell of.
        where: the run, which groups its cells in wandb.
        cell: where the record goes.
        index: its place in the order of the YAML.
        label: what the strategy is called in tables.
        seed: of the world, the strategy and, unless the plan has its own, the pretraining.
        contender: the network and the strategy.
        progress: where its bar is shown.
        console: told when it is done, where no bar moves.
    """
    began = time.perf_counter()
    stream = experiment.stream.build(seed=seed)
    network, bits = _network(experiment, contender.network, seed, progress)
    parts = {name: recipe.resolved() for name, recipe in contender._asdict().items()}
    config = plain(experiment) | parts | {"seed": seed}
    meta = {"label": label, "seed": seed, "index": index, **parts, "pretrained_gap": bits}
    write_json(cell.path / "cell.json", meta)
    module = restore.loop(experiment, stream, network, contender.strategy)
    learner = module.learner
    run_id = f"{experiment.name}-{where.path.name}"
    loggers = experiment.wandb.logger(cell, run_id, config)
    bar = Bar(progress, cell.name, stream.steps)
    data = StreamDataModule(stream, experiment.stretch)
    switching = data.reference.switching
    if switching.silent and not switching.sure(0):
        text = f"{cell.name}: no switching observer: {switching.silent}"
        console.print(text, style="dim", highlight=False)
    fresh = partial(fresh_network, contender.network, learner.spec, seed)
    condition = ConditionRecorder(cell, experiment.condition, stream, fresh)
    fit(cell, module, data, experiment.hardware, loggers, [condition, bar])
    learning = cell.timing.read()["seconds"].sum()
    summary = (derived(cell, stream) or {}) | {
        "cost/ms_per_step": 1000 * learning / len(stream),
        "cost/trainable": sum(p.numel() for p in learner.trainable()),
        "cost/memory_bytes": sum(b.nbytes for b in learner.strategy.buffers()),
    }
    finish(cell, learner, data, summary, loggers, experiment.wandb.checkpoint)
    write_json(cell.path / "summary.json", summary)
    if not experiment.keep:
        cell.checkpoint.unlink(missing_ok=True)
    if not console.is_terminal:  # where no bar moves, a line
        seconds = time.perf_counter() - began
        skill = "undefined" if summary["skill"] is None else f"{summary['skill']:.2f}"
        console.print(f"{cell.name}: done in {seconds:.0f} s, skill {skill}", highlight=False)


def _network(
    experiment: Experiment, recipe: Recipe[Network], seed: int, progress: Progress
) -> tuple[Network, float | None]:
    """The pretrained network, and its distance from the amnesic observer in bits."""
    plan = experiment.pretrain
    bars = [Bar(progress, f"pretrain-seed{seed}", plan.steps)] if plan.steps else []
    found = restore.pretrained_network(experiment, recipe, seed, bars)
    for bar in bars:
        progress.remove_task(bar.task)
    return found


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


def _is_run(folder: Path) -> bool:
    return (folder / "experiment.yaml").exists()


def _refusal(folder: Path, text: str) -> ConfigError:
    return ConfigError([Problem(str(folder), text)])
