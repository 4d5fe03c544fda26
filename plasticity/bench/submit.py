"""Submit: is a results file one that two laboratories can compare? Every fault at once, by key."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from plasticity.bench.contest import best
from plasticity.bench.results import BenchResults, Score
from plasticity.bench.suite import Suite
from plasticity.core.errors import ConfigError, Problem
from plasticity.core.predictors import AMNESIC, CONTINUAL, INFORMED
from plasticity.engine.datamodule import Item, StreamDataModule
from plasticity.metrics.visits import UNDEFINED

CLOSE = 1e-9
"""How far numbers may be from those that are computed here, in bits."""
VERSIONED = ("plasticity-testbed", "torch", "pytorch-lightning", "numpy")
IDEALS = ("amnesic", "continual")


def verify(results: BenchResults, suite: Suite, path: Path) -> list[str]:
    """What was verified, in sentences.

    Args:
        results: as they were read.
        suite: which they claim to be of, as it is here.
        path: their file, for complaints.

    Raises:
        ConfigError: with every fault.
    """
    where = partial(_at, str(path))
    faults = [*_identity(results, suite), *_cells(results, suite), *_rates(results, suite)]
    numbers = [*_skills(results), *_alike(results)]
    ideals = list(_ideals(results, suite))
    if found := [*faults, *numbers, *ideals]:
        raise ConfigError([where(key, text) for key, text in found])
    own = len(results.strategies) - len(results.contenders)
    return [
        f"suite {suite.name} {suite.version} ({suite.hash})",
        f"{len(results.cells)} cells: all of {own} strategies and {len(results.contenders)} contenders",
        f"every skill is that of its bits, to {CLOSE:g}; every learning rate is the best of its grid",
        f"the exact observers of {len(suite.streams)} worlds, computed again here, to {CLOSE:g}",
    ]


Fault = tuple[str, str]
"""Key, and what was expected."""


def _at(file: str, key: str, text: str) -> Problem:
    return Problem(f"{file}: {key}", text)


def _identity(results: BenchResults, suite: Suite) -> Iterator[Fault]:
    for key in ("name", "version", "hash"):
        mine, theirs = getattr(suite, key), getattr(results.suite, key)
        if mine != theirs:
            yield f"suite.{key}", f"expected {mine}, got {theirs}: another suite"
    for name in VERSIONED:
        if not results.environment.packages.get(name):
            yield f"environment.packages.{name}", "expected the version that was used, got none"
    own = dict(zip(suite.labels(), suite.strategies, strict=False))
    for label, strategy in own.items():
        if label in results.contenders or label not in results.strategies:
            yield f"strategies.{label}", "expected a strategy of the suite, it is not there"
        elif results.strategies[label] != strategy.resolved():
            yield f"strategies.{label}", f"expected {strategy.resolved()}: the suite's arguments"
    for label in results.strategies.keys() - own.keys() - {*results.contenders}:
        yield f"strategies.{label}", "it is none of the suite's: expected it among the contenders"
    for i, label in enumerate(results.contenders):
        if label not in results.strategies:
            yield f"contenders.{i}", f"expected one of the strategies, got {label!r}"


def _cells(results: BenchResults, suite: Suite) -> Iterator[Fault]:
    """Every cell of every seed is there, once, and no other."""
    networks = dict.fromkeys(network for network, _, _ in suite.entrants())
    left = {
        (stream, network, strategy, seed)
        for stream in suite.streams
        for network in networks
        for strategy in {*results.strategies, *suite.labels()}
        for seed in suite.seeds
    }
    known = set(left)
    for i, cell in enumerate(results.cells):
        place = (cell.stream, cell.network, cell.strategy, cell.seed)
        if place not in known:
            yield f"cells.{i}", f"{_name(place)} is no cell of the suite"
        elif place not in left:
            yield f"cells.{i}", f"{_name(place)} is there twice"
        left.discard(place)
    for place in sorted(left):
        yield "cells", f"{_name(place)} is missing"


def _rates(results: BenchResults, suite: Suite) -> Iterator[Fault]:
    """Each learning rate is the best of the suite's grid, and that of its cells."""
    chosen: dict[tuple[str, str], float | None] = {}
    grid = [f"{lr:g}" for lr in suite.tuning.lrs]
    for i, choice in enumerate(results.rates):
        chosen[choice.network, choice.strategy] = choice.lr
        if choice.how != "tuned":
            wanted = None
        elif list(choice.skills) != grid:
            yield f"rates.{i}.skills", f"expected the grid {', '.join(grid)}"
            continue
        else:
            wanted = best({lr: choice.skills[f"{lr:g}"] for lr in suite.tuning.lrs})
        if choice.lr != wanted:
            yield f"rates.{i}.lr", f"expected {wanted}, the best of its grid, got {choice.lr}"
    for i, cell in enumerate(results.cells):
        who = (cell.network, cell.strategy)
        if who not in chosen:
            yield f"cells.{i}.lr", f"rates has no entry for {' '.join(who)}"
        elif cell.lr != chosen[who]:
            yield f"cells.{i}.lr", f"expected {chosen[who]}, as rates has it, got {cell.lr}"


def _skills(results: BenchResults) -> Iterator[Fault]:
    """Each skill is that of the bits beside it."""
    for i, cell in enumerate(results.cells):
        model, amnesic, continual = (cell.kl.get(who) for who in ("model", *IDEALS))
        if amnesic is None or continual is None:
            missing = "amnesic" if amnesic is None else "continual"
            yield f"cells.{i}.kl.{missing}", "expected a number of bits, got none"
            continue
        gap = amnesic - continual
        wanted = None if model is None or gap < UNDEFINED else (amnesic - model) / gap
        if (wanted is None) != (cell.skill is None) or _far(wanted, cell.skill):
            yield f"cells.{i}.skill", f"expected {wanted}, which its bits come to, got {cell.skill}"


def _alike(results: BenchResults) -> Iterator[Fault]:
    """All who faced one world faced the same observers."""
    first: dict[tuple[str, int], Score] = {}
    for i, cell in enumerate(results.cells):
        one = first.setdefault((cell.stream, cell.seed), cell)
        for who in IDEALS:
            if _far(one.kl.get(who), cell.kl.get(who)):
                text = f"expected {one.kl[who]}, as other cells of {cell.stream} seed {cell.seed} have it"
                yield f"cells.{i}.kl.{who}", f"{text}, got {cell.kl[who]}"


def _ideals(results: BenchResults, suite: Suite) -> Iterator[Fault]:
    """The observers' bits of the first seed of each world, computed again."""
    seed = suite.seeds[0]
    for stream in suite.streams:
        mine = dict(zip(IDEALS, ideals(suite, stream, seed), strict=True))
        for i, cell in enumerate(results.cells):
            if (cell.stream, cell.seed) == (stream, seed):
                for who, bits in mine.items():
                    if _far(bits, cell.kl.get(who)):
                        text = f"expected {bits}, computed here, got {cell.kl.get(who)}"
                        yield f"cells.{i}.kl.{who}", text


def ideals(suite: Suite, stream: str, seed: int) -> tuple[float, float]:
    """KL of the amnesic and of the continual observer, in bits per asked position, over a whole stream.

    They depend on the world and its seed alone: there is no learner here.
    """
    world = suite.streams[stream].build(seed=seed)
    data = StreamDataModule(world, suite.stretch)
    data.updates = suite.updates
    sums = np.zeros(2)
    for step in range(len(world)):
        item = Item(step, False, *world.keyed(step))
        (scored,) = data.on_before_batch_transfer([item], 0)
        truth = scored.predictions.numpy()
        p, others = truth[INFORMED], truth[[AMNESIC, CONTINUAL]]
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(p > 0, p * np.log2(p / others), 0.0)
        sums += terms.sum(-1).mean((1, 2))
    amnesic, continual = (sums / len(world)).tolist()
    return amnesic, continual


def _far(one: float | None, other: float | None) -> bool:
    """Whether two numbers differ; a missing one is another fault's business."""
    return one is not None and other is not None and abs(one - other) > CLOSE


def _name(place: Sequence[object]) -> str:
    *words, seed = place
    return f"{' '.join(map(str, words))} seed {seed}"
