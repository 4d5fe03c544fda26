"""Running an experiment: run an experiment's cells one after the other, and take up a run that was cut off."""

import time
from functools import partial

from rich.console import Console
from rich.progress import Progress

from plasticity.config.recipe import Recipe, plain
from plasticity.core.names import folder_name
from plasticity.core.network import Network
from plasticity.diagnostics.callback import ConditionRecorder
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.frontier import FrontierRecorder
from plasticity.engine.pretrain_key import fresh_network
from plasticity.engine.progress import Bar, bars
from plasticity.engine.trainer import fit
from plasticity.launch import restore
from plasticity.launch.experiment import CellSpec, Experiment
from plasticity.results.load import derived
from plasticity.results.store import Cell, Run, write_json
from plasticity.tracking.logger import finish, loggers


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
            cell = Cell(where.path / "cells" / folder_name(label, f"-seed{seed}"))
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
    tracked = loggers(experiment.wandb, cell, run_id, config)
    bar = Bar(progress, cell.name, stream.steps)
    data = StreamDataModule(stream, experiment.stretch)
    switching = data.reference.switching
    if switching.silent and not switching.sure(0):
        text = f"{cell.name}: no switching observer: {switching.silent}"
        console.print(text, style="dim", highlight=False)
    fresh = partial(fresh_network, contender.network, learner.spec, seed)
    condition = ConditionRecorder(cell, experiment.condition, stream, fresh)
    frontier = FrontierRecorder(cell, data)
    fit(cell, module, data, experiment.hardware, tracked, [condition, frontier, bar])
    learning = cell.timing.read()["seconds"].sum()
    summary = (derived(cell, stream) or {}) | {
        "cost/ms_per_step": 1000 * learning / len(stream),
        "cost/trainable": sum(p.numel() for p in learner.trainable()),
        "cost/memory_bytes": sum(b.nbytes for b in learner.strategy.buffers()),
    }
    finish(cell, learner, data, summary, tracked, experiment.wandb.checkpoint)
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
