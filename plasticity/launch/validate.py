"""Validation: build every part of an experiment once, so that what cannot be built is refused before anything runs."""

import os
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from typing import NamedTuple, TypeVar

import torch

from plasticity.config.recipe import Recipe
from plasticity.config.yaml_source import Located
from plasticity.core.errors import ConfigError, Problem, reason
from plasticity.core.learner import Spec
from plasticity.core.network import Network
from plasticity.core.strategy import Strategy
from plasticity.core.stream import Stream
from plasticity.engine.config import TrainerConfig
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.pretrain_key import fresh_network
from plasticity.launch.experiment import Experiment
from plasticity.observers.switching import SwitchingObserver

T = TypeVar("T")
FAULTS = (ValueError, TypeError, ArithmeticError, MemoryError, RuntimeError)
"""What is raised by parts that do not go together, or ask for too much."""
GIB = 2**30
LOOKED = 10_000
"""Steps of a stream that are looked through for a shift, at most."""


class Built(NamedTuple):
    """An experiment whose every part could be built."""

    stream: Stream
    """Of seed 0."""
    warnings: Sequence[Problem]
    """Strategies that cannot act in it."""


def build_all(experiment: Experiment, tree: Located | None = None) -> Built:
    """Build every part once, and go on where one cannot be built.

    Args:
        experiment: what is to run.
        tree: the file that it was read from, so that every problem has its line.

    Raises:
        ConfigError: some parts cannot be built, or do not go together, or this machine lacks what they ask for;
            with every problem.
    """
    problems, warnings, networks = list[Problem](), list[Problem](), list[Network]()
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
    for recipe in experiment.loggers:
        tried(recipe.build)
    stream = tried(lambda: experiment.stream.build(seed=0))
    cells = len(experiment.contenders()) * len(experiment.seeds or [0])
    if stream is not None and stream.steps is None and cells > 1:
        text = f"steps: null has no end, and {cells} cells would wait for one: expected one cell"
        problems.append(experiment.stream.problem(text, "stream"))
    tried(experiment.optimizer.build)
    if experiment.detector is not None:
        tried(experiment.detector.build)
    if stream is not None:
        try:
            SwitchingObserver(stream)
        except ValueError as error:
            problems.append(experiment.stream.problem(reason(error), "stream"))
        spec = Spec.of(stream)
        tried(partial(drawn, experiment.stream, stream))
        built = [
            tried(partial(passed, recipe, spec, experiment))
            for recipe in experiment.labelled_networks().values()
        ]
        networks = [network for network in built if network is not None] if not problems else []
    told = experiment.announce_shifts or experiment.detector is not None
    for recipe in [experiment.strategy] if experiment.strategy else experiment.strategies:
        strategy = tried(recipe.build)
        if strategy is not None and strategy.needs_shifts and not told:
            problems.append(never_notified(recipe))
        elif strategy is not None and stream is not None:
            for network in networks:
                if found := tried(partial(attached, recipe, network, stream, experiment)):
                    warnings += idle(recipe, found.strategy, stream, experiment)
    if problems or stream is None:
        raise ConfigError(problems)
    return Built(stream, list(dict.fromkeys(warnings)))


def drawn(recipe: Recipe[Stream], stream: Stream) -> None:
    """Draw the first batch.

    Raises:
        ConfigError: it cannot be drawn.
    """
    try:
        stream[0]
    except FAULTS as error:
        raise ConfigError([recipe.problem(reason(error), "stream")]) from error


def passed(recipe: Recipe[Network], spec: Spec, experiment: Experiment) -> Network:
    """A fresh network, of which a copy has been through one forward and backward pass where the experiment runs.

    Raises:
        ConfigError: it cannot be built, or such a pass fails under the experiment's precision.
    """
    network, hardware = fresh_network(recipe, spec, 0), experiment.hardware
    device = "cuda" if hardware.accelerator != "cpu" and torch.cuda.is_available() else "cpu"
    mixed = hardware.precision == "bf16-mixed"
    try:
        with torch.random.fork_rng(), torch.autocast(device, torch.bfloat16, enabled=mixed):
            episode = torch.zeros(1, spec.time, dtype=torch.int64, device=device)
            logits = deepcopy(network).to(device)(episode)
        if logits.requires_grad:
            logits.float().sum().backward()
    except FAULTS as error:
        text = f"a pass on {device} with hardware.precision: {hardware.precision} fails: {reason(error)}"
        raise ConfigError([recipe.problem(text, "network")]) from error
    return network


def attached(
    recipe: Recipe[Strategy], network: Network, stream: Stream, experiment: Experiment
) -> OnlineLearner:
    """The learner before its first step, in which the strategy is attached to a copy of the network.

    Raises:
        ConfigError: it refuses, cannot be built, or would take more memory than this machine has.
    """
    learner = OnlineLearner(
        deepcopy(network),
        recipe.build(),
        experiment.optimizer.build(),
        Spec.of(stream),
        0,
        experiment.updates,
        torch.from_numpy(stream.asked),
    )
    try:
        learner.attach()
    except FAULTS as error:
        raise ConfigError([recipe.problem(reason(error), "strategy")]) from error
    if (need := needed(learner)) > (there := memory(experiment.hardware)):
        text = (
            f"{recipe.cls.__name__} needs {need / GIB:.1f} GiB beside this network, and this machine has "
            f"{there / GIB:.1f}: expected a strategy or network that remembers or trains less (adapters; fewer layers)"
        )
        raise ConfigError([recipe.problem(text, "strategy")])
    return learner


def needed(learner: OnlineLearner) -> int:
    """Bytes that learning takes: what the strategy holds, and of what is trained, gradients and Adam's two moments."""
    held = sum(each.nbytes for each in learner.strategy.buffers())
    return held + 3 * sum(p.nbytes for p in learner.trainable())


def memory(hardware: TrainerConfig) -> int:
    """Bytes of memory where the experiment runs, all of them."""
    if hardware.accelerator != "cpu" and torch.cuda.is_available():
        return torch.cuda.mem_get_info()[1]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def idle(
    recipe: Recipe[Strategy], strategy: Strategy, stream: Stream, experiment: Experiment
) -> list[Problem]:
    """That the strategy cannot act in the stream, if so."""
    heard = experiment.detector is not None or shifts(stream)
    why = strategy.idle(stream.steps, heard, experiment.updates.number(stream[0]))
    text = f"{why}: {recipe.cls.__name__} cannot act in this stream"
    return [recipe.problem(text, "strategy")] if why else []


def shifts(stream: Stream) -> bool:
    """Whether a shift comes within the stream; of a longer one than is looked through, that it may."""
    if stream.steps is None or stream.steps > LOOKED:
        return True
    return any(map(stream.shifts, range(1, stream.steps)))


def never_notified(recipe: Recipe[Strategy]) -> Problem:
    """What to say of a strategy that would never hear of a shift."""
    return recipe.problem(
        f"{recipe.cls.__name__} works at shifts: expected announce_shifts: true, or a detector; "
        "as it is it would do nothing",
        "announce_shifts",
    )
