"""Validation: build every part of an experiment once, so that what cannot be built is refused before anything runs."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from plasticity.config.recipe import Recipe
from plasticity.config.yaml_source import Located
from plasticity.core.errors import ConfigError, Problem
from plasticity.core.learner import Spec
from plasticity.core.strategy import Strategy
from plasticity.core.stream import Stream
from plasticity.engine.pretrain_key import fresh_network
from plasticity.launch.experiment import Experiment

T = TypeVar("T")


def build_all(experiment: Experiment, tree: Located | None = None) -> Stream:
    """Build every part once, and go on where one cannot be built.

    Args:
        experiment: what is to run.
        tree: the file that it was read from, so that every problem has its line.

    Returns:
        The stream, of seed 0.

    Raises:
        ConfigError: some parts cannot be built, or do not go together, or this machine lacks what they ask for;
            with every problem.
    """
    problems: list[Problem] = []
    place = (tree or Located(None)).problem

    def tried(make: Callable[[], T]) -> T | None:
        try:
            return make()
        except ConfigError as error:
            problems.extend(error.problems)
            return None

    for name, part in {"hardware": experiment.hardware, "wandb": experiment.wandb}.items():
        if lack := part.lack():
            problems.append(place((name, lack[0]), lack[1]))
    stream = tried(lambda: experiment.stream.build(seed=0))
    cells = len(experiment.contenders()) * len(experiment.seeds or [0])
    if stream is not None and stream.steps is None and cells > 1:
        text = f"steps: null has no end, and {cells} cells would wait for one: expected one cell"
        problems.append(experiment.stream.problem(text, "stream"))
    tried(experiment.optimizer.build)
    if experiment.detector is not None:
        tried(experiment.detector.build)
    if stream is not None:
        spec = Spec.of(stream)
        for network in experiment.labelled_networks().values():
            tried(partial(fresh_network, network, spec, 0))
    told = experiment.announce_shifts or experiment.detector is not None
    for recipe in [experiment.strategy] if experiment.strategy else experiment.strategies:
        strategy = tried(recipe.build)
        if strategy is not None and strategy.needs_shifts and not told:
            problems.append(never_notified(recipe))
    if problems or stream is None:
        raise ConfigError(problems)
    return stream


def never_notified(recipe: Recipe[Strategy]) -> Problem:
    """What to say of a strategy that would never hear of a shift."""
    return recipe.problem(
        f"{recipe.cls.__name__} works at shifts: expected announce_shifts: true, or a detector; "
        "as it is it would do nothing",
        "announce_shifts",
    )
