"""Running an experiment: run an experiment's cells one after the other, and take up a run that was cut off."""

import errno
import time
import traceback
from functools import partial

from rich.console import Console
from rich.progress import Progress

from plasticity.config.recipe import plain
from plasticity.core.errors import reason
from plasticity.core.names import folder_name
from plasticity.core.network import Network
from plasticity.diagnostics.callback import ConditionRecorder
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.frontier import FrontierRecorder
from plasticity.engine.pretrain_key import WEIGHTS, fresh_network
from plasticity.engine.progress import Bar, bars
from plasticity.engine.trainer import PASSES, fit
from plasticity.launch import restore
from plasticity.launch.experiment import CellSpec, Experiment, deciding, single
from plasticity.metrics.summary import finite
from plasticity.results.lock import InUse, alone
from plasticity.results.numbers import derived
from plasticity.results.sealed import digest
from plasticity.results.store import KINDS, OVER, Cell, Run
from plasticity.tracking.logger import finish, loggers
from plasticity.tracking.rows import close, opened

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Of an OSError: nothing more can be written, by no cell."""


def run(experiment: Experiment, where: Run, console: Console) -> list[str]:
    """Run every cell that is not done, from its checkpoint if it has one. A cell that fails stops no other.

    Args:
        experiment: what runs.
        where: a run directory made by `create` for this experiment.
        console: where progress is shown.

    Returns:
        Names of the cells that failed; error.txt in the folder of each tells why.

    Raises:
        InUse: another process is at it.
        Damaged: a cell there was begun under another experiment.yaml.
    """
    jobs = [
        (seed, label, contender)
        for seed in experiment.seeds or [experiment.seed]
        for label, contender in experiment.contenders().items()
    ]
    failed: list[str] = []
    with alone(where.path, wait=False), bars(console) as progress:
        where.cells()  # they, and the YAML, are as they were written
        for index, (seed, label, contender) in enumerate(jobs):
            cell = Cell(where.path / "cells" / folder_name(label, f"-seed{seed}"))
            if cell.done:
                console.print(f"{cell.name}: already done", style="dim", highlight=False)
                if not experiment.keep:  # a kill came between the summary and this
                    cell.checkpoint.unlink(missing_ok=True)
                continue
            try:
                with alone(cell.path, wait=False):
                    run_cell(
                        experiment, where, cell, index, label, seed, contender, progress, console
                    )
                cell.error.unlink(missing_ok=True)
            except (Exception, GeneratorExit) as error:
                if isinstance(error, InUse) or getattr(error, "errno", None) in FULL:
                    raise
                failed.append(cell.name)
                cell.fail(traceback.format_exc())
                text = f"{cell.name}: failed: {reason(error)}; see {cell.error}"
                console.print(text, style="red", highlight=False, markup=False, soft_wrap=True)
    return failed


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

    Raises:
        Damaged: what lies there is of another cell, or is not as it was written.
        RuntimeError: the loop ended before the stream.
    """
    stream = experiment.stream.build(seed=seed)
    network, bits = _network(experiment, contender, seed, progress, console)
    began = time.perf_counter()
    parts = {name: recipe.resolved() for name, recipe in contender._asdict().items()}
    config = plain(experiment) | parts | {"seed": seed}
    meta = {"label": label, "seed": seed, "index": index, **parts, "pretrained_gap": bits}
    key = experiment.pretraining(contender.network, seed)
    decided = deciding(single(experiment, contender, seed)) | {"pretrained": key.settings()}
    cell.begin(meta, digest(decided), where.digest)
    module = restore.loop(experiment, stream, network, contender.strategy)
    learner = module.learner
    if not learner.strategy.resumable and cell.checkpoint.exists():
        who = type(learner.strategy).__name__
        console.print(f"{cell.name}: starts over, for {who} cannot be resumed", style="dim")
    checkpoints = restore.check(cell, experiment.stretch, stream.steps, learner.strategy.resumable)
    run_id = f"{experiment.name}-{where.path.name}"
    tracked = loggers(experiment.wandb, cell, run_id, config)
    others = opened(experiment.loggers, cell, config)
    bar = Bar(progress, cell.name, stream.steps)
    data = StreamDataModule(stream, experiment.stretch)
    switching = data.reference.switching
    if switching.silent and not switching.sure(0):
        text = f"{cell.name}: no switching observer: {switching.silent}"
        console.print(text, style="dim", highlight=False)
    fresh = partial(fresh_network, contender.network, learner.spec, seed)
    condition = ConditionRecorder(cell, experiment.condition, stream, fresh)
    frontier = FrontierRecorder(cell, data)
    fit(
        cell,
        module,
        data,
        experiment.hardware,
        [*tracked, *others],
        [condition, frontier, bar],
        checkpoints=checkpoints,
    )
    steps = cell.recorded()
    if steps != list(range(len(stream))):
        raise RuntimeError(
            f"the loop ended before the stream: {len(steps)} of {len(stream)} steps are recorded; a StopIteration in a "
            f"plugin does that; {OVER.format(cell.path)}"
        )
    timing = cell.timing.read()
    brought = len(stream) * stream.batch * stream.time
    summary = (derived(cell, stream) or {}) | {
        "cost/ms_per_step": 1000 * timing["seconds"].sum() / len(stream),
        **{f"cost/{k}": timing[k].sum() / brought for k in PASSES if k in timing.columns},
        "cost/trainable": sum(p.numel() for p in learner.trainable()),
        "cost/memory_bytes": sum(b.nbytes for b in learner.strategy.buffers()),
    }
    own = learner.network.summary(stream.probes()[0].inputs.to(learner.device))
    summary |= finite({f"network/{name}": value for name, value in own.items()})
    finish(cell, learner, data, summary, tracked, experiment.wandb.checkpoint)
    close(others, summary, len(stream))
    for kind in KINDS:
        cell.table(kind).merge(upto=len(steps), whole=True)
    cell.end(summary)
    if not experiment.keep:
        cell.checkpoint.unlink(missing_ok=True)
    if not console.is_terminal:  # where no bar moves, a line
        seconds = time.perf_counter() - began
        skill = "undefined" if summary["skill"] is None else f"{summary['skill']:.2f}"
        console.print(f"{cell.name}: done in {seconds:.0f} s, skill {skill}", highlight=False)


def _network(
    experiment: Experiment, contender: CellSpec, seed: int, progress: Progress, console: Console
) -> tuple[Network, float | None]:
    """The pretrained network, and its distance from the amnesic observer in bits; told once of each network."""
    plan, recipe = experiment.pretrain, contender.network
    if not plan.steps:
        return restore.pretrained_network(experiment, recipe, seed)
    place = experiment.pretraining(recipe, seed).cell(experiment.pretrained).path
    names = [name for name, each in experiment.labelled_networks().items() if each == recipe]
    name = "-".join(["pretrain", *names[: len(experiment.networks[1:])], f"seed{seed}"])
    kept, began = (place / WEIGHTS).exists(), time.perf_counter()
    bar = Bar(progress, name, plan.steps)
    try:
        network, bits = restore.pretrained_network(experiment, recipe, seed, [bar])
    finally:
        progress.remove_task(bar.task)
    first = next(each for each in experiment.contenders().values() if each.network == recipe)
    if not kept or contender == first:
        how = "from the cache" if kept else f"pretrained in {time.perf_counter() - began:.0f} s"
        text = f"{name}: {how}, {bits:.3f} bits from the amnesic observer"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    return network, bits
