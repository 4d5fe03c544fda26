"""Stream: which regime the world is in at each step, and the episodes it makes there."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch.utils.data import Dataset

from plasticity.quantities import Count
from plasticity.tunnel import Batch, Latents, Tunnel

BATCH, LATENT, EPISODE, PROBE = range(4)
"""Namespaces of randomness: what a generator seeded (namespace, seed, index) is for."""
Hold = Literal["episode", "regime"]
"""What a latent is held for."""


class Group(NamedTuple):
    """The sequences of one batch that one regime makes."""

    rows: Int[np.ndarray, " n"]
    """Their places in the batch."""
    regime: int
    tunnel: Tunnel
    latents: Latents
    """One per sequence: leading axis n."""

    def one(self, index: int) -> "Group":
        """Sequence `index` of the group as a batch of its own."""
        one = slice(index, index + 1)
        return Group(np.zeros(1, np.int64), self.regime, self.tunnel, self.latents[one])


class Stream(Dataset[Batch], ABC):
    """A world that shifts: a schedule over regimes, each a tunnel and a latent. Subclasses write `schedule`.

    Law: batch `step` is a pure function of (seed, step), so a stream can be resumed, sharded over
    workers and indexed at random, and two learners on one stream see the same world.
    Regime r lives in tunnels[r % len(tunnels)]. With `hold: regime` its latent is drawn once and held,
    across visits too; with `hold: episode` (the papers' setting) every episode draws its own. A list mixes
    the two: regime r goes by hold[r % len(hold)].

    Args:
        tunnels: the tasks; all have the same alphabets and ask at the same positions.
        regimes: number of regimes.
        steps: length of the stream, in steps.
        batch: sequences per step.
        time: symbols per sequence.
        hold: what a latent is held for, in every regime or in each of a list.
        probe: held-out sequences per regime.
        seed: of everything random here.

    Raises:
        ValueError: the tunnels disagree on an alphabet or on the asked positions; a list is empty.
    """

    given: ClassVar = ("seed",)
    """Constructor arguments that the engine supplies and a YAML may not."""

    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        regimes: Count,
        steps: Count,
        batch: Count = 8,
        time: Count = 32,
        hold: Hold | Sequence[Hold] = "regime",
        probe: Count = 64,
        seed: int = 0,
    ):
        if not tunnels:
            raise ValueError("tunnels: expected at least one tunnel, got an empty list")
        if not hold:
            raise ValueError("hold: expected episode or regime at least once, got an empty list")
        self.tunnels, self.regimes, self.steps = list(tunnels), regimes, steps
        self.batch, self.time, self.hold, self.probe, self.seed = batch, time, hold, probe, seed
        self.vocab, self.symbols = tunnels[0].vocab, tunnels[0].symbols
        self.asked = tunnels[0].asked(time)
        self._amnesic = [tunnel.observer() for tunnel in tunnels]
        for i, tunnel in enumerate(tunnels):
            for what in ("vocab", "symbols"):
                mine, first = getattr(tunnel, what), getattr(self, what)
                if mine != first:
                    raise ValueError(
                        f"tunnels whose alphabets differ: tunnels[{i}] ({type(tunnel).__name__}) has "
                        f"{what} {mine}, tunnels[0] ({type(tunnels[0]).__name__}) has {first}"
                    )
            if not np.array_equal(tunnel.asked(time), self.asked):
                raise ValueError(
                    f"tunnels that ask at different positions: tunnels[{i}] "
                    f"({type(tunnel).__name__}) against tunnels[0] ({type(tunnels[0]).__name__})"
                )
            tunnel.draw(tunnel.latents(1, self._rng(LATENT, 0)), time, self._rng(LATENT, 0))

    @abstractmethod
    def schedule(self, step: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
        """Which regime makes each sequence of batch `step`. The only method a schedule writes."""

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        """Batch `step`, with the amnesic observer's exact predictive."""
        return self._make(self.groups(step), self._rng(BATCH, step))

    def live(self, step: int) -> Int[np.ndarray, " batch"]:
        """The regime of each sequence of batch `step`."""
        return self.schedule(step, self._rng(EPISODE, step))

    def shifts(self, step: int) -> bool:
        """Whether the regimes of `step` differ from those of the step before; the first step is no shift."""
        return step > 0 and set(self.live(step)) != set(self.live(step - 1))

    def holds(self, regime: int) -> bool:
        """Whether one latent makes every episode of this regime."""
        each = [self.hold] if isinstance(self.hold, str) else self.hold
        return each[regime % len(each)] == "regime"

    def groups(self, step: int) -> list[Group]:
        """Who makes batch `step`: its regimes and their latents. Only observers may look."""
        rng = self._rng(EPISODE, step)
        live = self.schedule(step, rng)
        return [self._group(int(r), np.flatnonzero(live == r), rng) for r in np.unique(live)]

    def probe_groups(self, regime: int) -> list[Group]:
        """Who makes the probe of this regime."""
        rng = self._rng(PROBE, self.regimes + regime)
        return [self._group(regime, np.arange(self.probe), rng)]

    def probes(self) -> list[Batch]:
        """One held-out batch per regime: what does the learner still know?"""
        return [self._make(self.probe_groups(r), self._rng(PROBE, r)) for r in range(self.regimes)]

    def _group(self, regime: int, rows: np.ndarray, rng: np.random.Generator) -> Group:
        tunnel = self.tunnels[regime % len(self.tunnels)]
        if self.holds(regime):
            held = tunnel.latents(1, self._rng(LATENT, regime))
            latents = np.repeat(held, len(rows), axis=0)
        else:
            latents = tunnel.latents(len(rows), rng)
        return Group(rows, regime, tunnel, latents)

    def _make(self, groups: list[Group], rng: np.random.Generator) -> Batch:
        n = sum(len(group.rows) for group in groups)
        inputs = np.empty((n, self.time), dtype=np.int64)
        targets = np.empty((n, self.time), dtype=np.int64)
        posterior = np.empty((n, self.time, self.symbols))
        regime = np.empty(n, dtype=np.int64)
        for rows, index, tunnel, latents in groups:
            x, y = tunnel.draw(latents, self.time, rng)
            inputs[rows], targets[rows], regime[rows] = x, y, index
            posterior[rows] = self._amnesic[index % len(self.tunnels)].predict(x, y)
        tensors = map(torch.from_numpy, (inputs, targets, self.asked, posterior, regime))
        return Batch(*tensors)

    def _rng(self, namespace: int, index: int) -> np.random.Generator:
        return np.random.default_rng((namespace, self.seed, index))
