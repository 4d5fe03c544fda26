"""Cells of benchmarks and sweeps: each named by a hash of all that decides its numbers, run once, and kept.

That hash is `CellJob.inputs`: settings (`deciding`), pretraining, machine and code. `plasticity run` names a cell by
its label and seed, and seals it to its settings alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rich.console import Console

from plasticity.config.plugins import code_identity
from plasticity.config.recipe import Recipe
from plasticity.core.learner import Spec
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.pretrain_key import WEIGHTS, Key, fresh_network
from plasticity.launch.executors import Engine, share
from plasticity.launch.experiment import Experiment, deciding
from plasticity.launch.validate import attached
from plasticity.results.lock import alone
from plasticity.results.sealed import digest
from plasticity.results.store import Cell, Run

How = Literal["tuned", "own", "none"]
"""Whose a learning rate is: chosen by the tuning, the strategy's own, or nobody's (it moves nothing by gradients)."""


class CellJob(NamedTuple):
    """One cell, not yet run."""

    experiment: Experiment
    """Of one network, one strategy and one seed; it decides every number."""
    stream: str
    network: str
    strategy: str
    lr: float | None
    """Of the optimizer; None: it moves nothing, or the strategy brings its own."""

    @property
    def seed(self) -> int:
        """Of the world, the network and the strategy."""
        return self.experiment.seed

    @property
    def name(self) -> str:
        """For people."""
        rate = "" if self.lr is None else f" lr {self.lr:g}"
        return f"{self.stream} {self.network} {self.strategy}{rate} seed {self.seed}"

    @property
    def key(self) -> Key:
        """What its network is pretrained from."""
        return self.experiment.pretraining(_only(self.experiment.network), self.seed)

    def inputs(self) -> dict[str, Any]:
        """All that decides its numbers: stream, network, strategy, rate, seed, pretraining, machine, and the code."""
        e = self.experiment
        recipes = [e.stream, e.network, e.strategy, e.optimizer, e.detector]
        classes = [cls for each in recipes if each for cls in _classes(each)]
        return deciding(e) | {"pretrained": self.key.inputs(), "code": code_identity(classes)}

    def cell(self, folder: Path) -> Cell:
        """Where it lies."""
        return Cell(folder / digest(self.inputs())[:16])


def case(
    experiment: Experiment, stream: str, network: str, strategy: str, lr: float | None
) -> CellJob:
    """The cell of an experiment with one network, one strategy and one seed, at this learning rate."""
    rule = experiment.optimizer
    if lr is not None:
        rule = replace(rule, args=rule.args | {"lr": lr})
    return CellJob(replace(experiment, optimizer=rule), stream, network, strategy, lr)


def rate(experiment: Experiment) -> How:
    """Whose the learning rate of the one strategy is: to be tuned, given by its arguments, or nobody's.

    `none` is a strategy that leaves nothing to the optimizer.
    """
    learner = begun(experiment)
    if not learner.trainable():
        return "none"
    return "tuned" if learner.strategy.lr is None else "own"


def begun(experiment: Experiment) -> OnlineLearner:
    """The learner of the one strategy before its first step, its network not pretrained."""
    stream = experiment.stream.build(seed=experiment.seed)
    network = fresh_network(_only(experiment.network), Spec.of(stream), 0)
    return attached(_only(experiment.strategy), network, stream, experiment)


class Done(NamedTuple):
    """A cell or a pretraining that is there now."""

    name: str
    """For people."""
    kept: bool
    """Whether it was there before."""


def networks(cases: Iterable[CellJob]) -> dict[Path, tuple[str, Key]]:
    """Place -> (name, key) of every pretraining that the cases need."""
    found: dict[Path, tuple[str, Key]] = {}
    for each in cases:
        if (key := each.key).plan.steps:
            name = f"pretraining: {each.stream} {each.network} seed {key.seed}"
            place = key.cell(each.experiment.pretrained).path
            found.setdefault(place, (name, key))
    return found


def pretrain(wanted: Mapping[Path, tuple[str, Key]], engine: Engine) -> Iterator[Done]:
    """Do every pretraining that is not there, each once; those that are come first."""
    left = []
    for path, (name, key) in wanted.items():
        if (path / WEIGHTS).exists():
            yield Done(name, True)
        else:
            left.append((name, key, path))
    yield from share(pretrain_one, left, engine)


def run(cases: Iterable[CellJob], folder: Path, engine: Engine) -> Iterator[Done]:
    """Run every case that is not done, from its checkpoint if it has one; those that are done come first.

    Args:
        cases: their networks are pretrained.
        folder: of all cells.
        engine: where.
    """
    left = []
    for each in cases:
        if (cell := each.cell(folder)).done:
            yield Done(each.name, True)
        else:
            left.append((each, cell))
    yield from share(_run, left, engine)


def pretrain_one(name: str, key: Key, path: Path) -> Done:
    """One pretraining, by whoever comes first."""
    from plasticity.engine.pretrain import pretrained  # Lightning, for those who run

    pretrained(key, path.parent)
    return Done(name, False)


def _run(each: CellJob, cell: Cell) -> Done:
    try:
        carry_out(each, Run(cell.path.parent), cell)
    except Exception as error:
        error.add_note(f"in the cell {each.name}")
        raise
    return Done(each.name, False)


def carry_out(each: CellJob, where: Run, cell: Cell, index: int = 0) -> None:
    """One cell, in silence, by whoever comes first.

    Args:
        each: what is run.
        where: the run that it belongs to.
        cell: where the record goes.
        index: its place in tables.
    """
    from plasticity.engine.progress import bars  # Lightning, for those who run
    from plasticity.launch import run as launch

    (contender,) = each.experiment.contenders().values()
    quiet = Console(quiet=True)
    with alone(cell.path), bars(quiet) as progress:
        if not cell.done:
            launch.run_cell(
                each.experiment,
                where,
                cell,
                index,
                each.strategy,
                each.seed,
                contender,
                progress,
                quiet,
            )


def _classes(value: Any) -> Iterator[type]:
    """Every class that a recipe makes, those inside it included."""
    if isinstance(value, Recipe):
        yield value.cls
        value = value.args
    if isinstance(value, dict):
        value = list(value.values())
    for inside in value if isinstance(value, list | tuple) else ():
        yield from _classes(inside)


def _only(recipe: Recipe[Any] | None) -> Recipe[Any]:
    assert recipe is not None, "an experiment of one network and one strategy"
    return recipe
