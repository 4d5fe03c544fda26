"""Deterministic schedules: abrupt and recurring regimes."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from plasticity import Belief, Count, Hold, Stream, Tunnel


class Recurring(Stream):
    """Regimes that come back: A B C A B C, each visit `period` steps long.

    regime(step) = floor(step / period) mod regimes

    Args:
        tunnels: the tasks; regime r lives in tunnels[r % len(tunnels)].
        regimes: number of regimes; null: none comes back.
        period: steps per visit.
        steps: length of the stream, in steps; null: without end.
        batch: sequences per step.
        time: symbols per sequence.
        hold: what a latent is held for, in every regime or in each of a list.
        probe: held-out sequences per regime.
        seed: of everything random here.
    """

    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        regimes: Count | None = 3,
        period: Count = 100,
        steps: Count | None = 600,
        batch: Count = 8,
        time: Count = 32,
        hold: Hold | Sequence[Hold] = "regime",
        probe: Count = 64,
        seed: int = 0,
    ):
        visits = steps and -(-steps // period)
        super().__init__(tunnels, regimes or visits, steps, batch, time, hold, probe, seed)
        self.period = period
        self.returns = self.regimes is not None and (visits is None or visits > self.regimes)

    def schedule(self, step: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
        """The same regime for the whole batch."""
        return np.full(self.batch, self.visited(step // self.period))

    def prior(self, step: int, before: Belief | None) -> Belief | None:
        """The schedule is known, so there is no doubt."""
        return {self.visited(step // self.period): 1.0}

    def retired(self, regime: int, step: int) -> bool:
        """Where none comes back, as soon as its visit is."""
        return not self.returns and step + 1 >= (regime + 1) * self.period

    def visited(self, visit: int) -> int:
        """The regime of a visit, the first of which is 0."""
        return visit if self.regimes is None else visit % self.regimes


class Abrupt(Recurring):
    """Regimes that never come back: A B C D ..., each `period` steps long.

    Args:
        tunnels: the tasks; regime r lives in tunnels[r % len(tunnels)].
        period: steps per regime.
        steps: length of the stream, in steps; it has ceil(steps / period) regimes. null: without end.
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
        steps: Count | None = 500,
        batch: Count = 8,
        time: Count = 32,
        hold: Hold | Sequence[Hold] = "regime",
        probe: Count = 64,
        seed: int = 0,
    ):
        super().__init__(tunnels, None, period, steps, batch, time, hold, probe, seed)
