"""Nested schedule: fast shifts inside slow ones."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from plasticity import Belief, Count, Hold, Stream, Tunnel


class Nested(Stream):
    """Fast shifts between the members of a group, inside slow shifts between groups.

    group(step) = floor(step / slow) mod groups
    regime(step) = group(step) * members + floor(step / fast) mod members

    With as many tunnels as members, fast shifts change the tunnel, and slow ones the latents too.

    Args:
        tunnels: the tasks; regime r lives in tunnels[r % len(tunnels)].
        groups: number of groups.
        members: regimes of each group.
        slow: steps per visit to a group: whole visits to its members; at least one to each, if none
            is to be left out.
        fast: steps per visit to a member.
        steps: length of the stream, in steps; null: without end.
        batch: sequences per step.
        time: symbols per sequence.
        hold: what a latent is held for, in every regime or in each of a list.
        probe: held-out sequences per regime.
        seed: of everything random here.

    Raises:
        ValueError: slow is not a multiple of fast, so that groups would change within a visit.
    """

    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        groups: Count = 2,
        members: Count = 2,
        slow: Count = 200,
        fast: Count = 50,
        steps: Count | None = 800,
        batch: Count = 8,
        time: Count = 32,
        hold: Hold | Sequence[Hold] = "regime",
        probe: Count = 64,
        seed: int = 0,
    ):
        if slow % fast:
            raise ValueError(f"slow: expected a multiple of fast, {fast} steps, got {slow}")
        super().__init__(tunnels, groups * members, steps, batch, time, hold, probe, seed)
        self.members, self.slow, self.fast = members, slow, fast
        self._groups = groups

    def schedule(self, step: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
        """The same regime for the whole batch."""
        return np.full(self.batch, self._regime(step))

    def prior(self, step: int, before: Belief | None) -> Belief:
        """The schedule is known, so there is no doubt."""
        return {self._regime(step): 1.0}

    def _regime(self, step: int) -> int:
        group = step // self.slow % self._groups
        return group * self.members + step // self.fast % self.members
