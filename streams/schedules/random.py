"""Random schedules: a hazard of switching, and a growing set of regimes."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from plasticity import SCHEDULE, Belief, Count, Fraction, Hold, Stream, Tunnel

BLOCK = 1024
"""Steps whose restarts are drawn at once."""


class Hazard(Stream):
    """At every step the regime changes with probability h, to any of the others alike.

    Of K regimes one is live, and the first is uniform. At each later step, with probability
    r = h K / (K - 1), it is drawn again, uniformly over all K (a restart); else it stays. The regime
    changes if the draw is another one, so

        p(change) = r (K - 1) / K = h,   p(new regime = j | change) = (r / K) / h = 1 / (K - 1),

    for each j that was not live. The regime of a step is thus the draw of the last restart at or
    before it: restarts come in seeded blocks and are looked up backwards, r * 1,024 to a block, so
    that step 10^6 costs what step 10 costs. The law of the live regime is the fixed share of Herbster
    & Warmuth (1998, Machine Learning 32, section 5), (1 - r) w + r / K for weights w after the step
    before.

    Args:
        tunnels: the tasks; regime r lives in tunnels[r % len(tunnels)].
        regimes: K, number of regimes; at least 2.
        hazard: h, probability of a change at each step; at most (K - 1) / K.
        steps: length of the stream, in steps; null: without end.
        batch: sequences per step.
        time: symbols per sequence.
        hold: what a latent is held for, in every regime or in each of a list.
        probe: held-out sequences per regime.
        seed: of everything random here.

    Raises:
        ValueError: there is one regime only, or the hazard is above (K - 1) / K.
    """

    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        regimes: Count = 3,
        hazard: Fraction = 0.01,
        steps: Count | None = 600,
        batch: Count = 8,
        time: Count = 32,
        hold: Hold | Sequence[Hold] = "regime",
        probe: Count = 64,
        seed: int = 0,
    ):
        if regimes < 2:
            raise ValueError(f"regimes: expected 2 or more to change between, got {regimes}")
        if hazard * regimes > regimes - 1:
            raise ValueError(
                f"hazard: expected at most (regimes - 1) / regimes = {regimes - 1}/{regimes}, "
                f"where every step is a draw of its own, got {hazard}"
            )
        super().__init__(tunnels, regimes, steps, batch, time, hold, probe, seed)
        self.hazard, self.restart = hazard, hazard * regimes / (regimes - 1)
        self.library = range(regimes)
        self._kept: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))

    def schedule(self, step: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
        """The same regime for the whole batch."""
        block, place = divmod(step, BLOCK)
        if self._kept[0] != block:
            self._kept = block, self._block(block)
        return np.full(self.batch, self._kept[1][place])

    def prior(self, step: int, before: Belief | None) -> Belief:
        """Uniform at first; then the fixed share."""
        known, restart = (before, self.restart) if before else ({}, 1.0)
        share = restart / len(self.library)
        return {r: (1 - restart) * known.get(r, 0.0) + share for r in self.library}

    def _block(self, index: int) -> Int[np.ndarray, " block"]:
        """The regimes of a block of steps."""
        found = self._draws(index)
        while found[0] < 0:
            index -= 1
            found[found < 0] = self._draws(index)[-1]
        return found

    def _draws(self, index: int) -> Int[np.ndarray, " block"]:
        """What was drawn at the last restart of this block, of each step; -1 before the first one."""
        rng = self.rng(SCHEDULE, index)
        restarts = rng.random(BLOCK) < self.restart
        restarts[0] |= index == 0
        drawn = rng.integers(len(self.library), size=BLOCK)
        last = np.maximum.accumulate(np.where(restarts, np.arange(BLOCK), -1))
        return np.where(last < 0, -1, drawn[last])


class Growing(Stream):
    """The library of regimes grows: every visit is to one of those that there are by now.

    Visit v begins at step v * visit, when min(1 + floor(v * visit / period), regimes) regimes exist,
    and is to any of them alike. The law of the live regime is uniform over them when a visit begins,
    and what was learned of it within the visit. Tunnels of growing alphabets, each in a `Padded`,
    make an alphabet that grows.

    Args:
        tunnels: the tasks; regime r lives in tunnels[r % len(tunnels)].
        regimes: how many there are in the end; null: ever more.
        period: steps from one regime's arrival to the next one's.
        visit: steps per visit.
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
        regimes: Count | None = 4,
        period: Count = 100,
        visit: Count = 25,
        steps: Count | None = 600,
        batch: Count = 8,
        time: Count = 32,
        hold: Hold | Sequence[Hold] = "regime",
        probe: Count = 64,
        seed: int = 0,
    ):
        stages = steps and -(-steps // period)
        super().__init__(tunnels, regimes or stages, steps, batch, time, hold, probe, seed)
        self.period, self.visit = period, visit

    def schedule(self, step: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
        """The same regime for the whole batch: the draw of its visit."""
        visit = self.rng(SCHEDULE, step // self.visit)
        return np.full(self.batch, visit.integers(self.pool(step)))

    def prior(self, step: int, before: Belief | None) -> Belief:
        """Uniform over the pool; within a visit what it was after the step before."""
        if before is not None and step % self.visit:
            return before
        pool = self.pool(step)
        return dict.fromkeys(range(pool), 1 / pool)

    def pool(self, step: int) -> int:
        """Regimes that existed when the visit of this step began."""
        grown = 1 + (step - step % self.visit) // self.period
        return grown if self.regimes is None else min(grown, self.regimes)
