"""Schedules: which regime is live when."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from plasticity import Count, Stream, Tunnel
from plasticity.stream import Hold


class Recurring(Stream):
    """Regimes that come back: A B C A B C, each visit `period` steps long.

    regime(step) = floor(step / period) mod regimes

    Args:
        tunnels: the tasks; regime r lives in tunnels[r % len(tunnels)].
        regimes: number of regimes.
        period: steps per visit.
        steps: length of the stream, in steps.
        batch: sequences per step.
        time: symbols per sequence.
        hold: what a latent is held for, in every regime or in each of a list.
        probe: held-out sequences per regime.
        seed: of everything random here.
    """

    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        regimes: Count = 3,
        period: Count = 100,
        steps: Count = 600,
        batch: Count = 8,
        time: Count = 32,
        hold: Hold | Sequence[Hold] = "regime",
        probe: Count = 64,
        seed: int = 0,
    ):
        super().__init__(tunnels, regimes, steps, batch, time, hold, probe, seed)
        self.period = period

    def schedule(self, step: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
        """The same regime for the whole batch."""
        return np.full(self.batch, step // self.period % self.regimes)


class Abrupt(Recurring):
    """Regimes that never come back: A B C D ..., each `period` steps long.

    Args:
        tunnels: the tasks; regime r lives in tunnels[r % len(tunnels)].
        period: steps per regime.
        steps: length of the stream, in steps; it has ceil(steps / period) regimes.
        batch: sequences per step.
        time: symbols per sequence.
        hold: what a latent is held for, in every regime or in each of a list.
        probe: held-out sequences per regime.
        seed: of everything random here.
    """

    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        period: Count = 100,
        steps: Count = 500,
        batch: Count = 8,
        time: Count = 32,
        hold: Hold | Sequence[Hold] = "regime",
        probe: Count = 64,
        seed: int = 0,
    ):
        regimes = -(-steps // period)
        super().__init__(tunnels, regimes, period, steps, batch, time, hold, probe, seed)
