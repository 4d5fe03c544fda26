"""Ideals: what the exact observers and the baselines come to in the worlds of a suite, computed without a learner."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from plasticity.bench.suite import Suite
from plasticity.config.recipe import Recipe
from plasticity.core.predictors import INFORMED, PREDICTORS
from plasticity.core.stream import Stream
from plasticity.engine.datamodule import Item, StreamDataModule
from plasticity.metrics.skill import closed
from plasticity.metrics.summary import finite


class BenchWorld(NamedTuple):
    """One stream of one seed."""

    name: str
    seed: int
    steps: int
    bits: Mapping[str, float | None]
    """KL(informed || who) of each of PREDICTORS, in bits per asked position; None: it says nothing in this world."""

    def skill(self, model: float | None) -> float | None:
        """Skill of a learner of so many bits; None: undefined."""
        amnesic, continual = self.bits["amnesic"], self.bits["continual"]
        if model is None or amnesic is None or continual is None:
            return None
        return closed(amnesic, model, continual)


def worlds(suite: Suite, tuning: bool = False) -> Iterator[BenchWorld]:
    """Every world of every seed, one after another.

    Args:
        suite: whose.
        tuning: those that are held out, in place of those that count.
    """
    part = suite.tuning if tuning else suite
    for name, recipe in part.streams.items():
        for seed in part.seeds:
            yield BenchWorld(name, seed, *reference_bits(suite, recipe, seed))


def reference_bits(
    suite: Suite, recipe: Recipe[Stream], seed: int
) -> tuple[int, dict[str, float | None]]:
    """(steps, KL(informed || who) of each of PREDICTORS) over a whole stream, in bits per asked position.

    They depend on the world and its seed alone: there is no learner here.
    """
    world = recipe.build(seed=seed)
    data = StreamDataModule(world, suite.stretch)
    data.updates = suite.updates
    sums = np.zeros(len(PREDICTORS))
    for step in range(len(world)):
        item = Item(step, False, *world.keyed(step))
        (scored,) = data.on_before_batch_transfer([item], 0)
        others = scored.predictions.numpy()
        p = others[INFORMED]
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(p > 0, p * np.log2(p / others), 0.0)
        sums += terms.sum(-1).mean((1, 2))
    means = sums / len(world)
    return len(world), finite(dict(zip(PREDICTORS, means.tolist(), strict=True)))
