"""Gradual and cyclic drift: batches mix regimes in proportions that move slowly."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Int

from plasticity import Belief, Count, Hold, Stream, Tunnel
from streams.schedules.recurring import Recurring


class Gradual(Recurring):
    """One regime slides into the next: around each boundary its weight falls linearly to nothing.

    Every sequence draws its regime by itself. Near the boundary at step b, a multiple of `period`,
    the new regime has weight

        u(step) = clip((step + 1/2 - b) / slide + 1/2, 0, 1)

    and the old one 1 - u; where the larger weight changes, at b, is a shift. A slide of 1 is no
    slide: A B C A B C. (A gradual drift from one concept to the next: Gama et al. 2014, ACM
    Computing Surveys 46(4), section 2.)

    Args:
        tunnels: the tasks; regime r lives in tunnels[r % len(tunnels)].
        regimes: number of regimes; null: none comes back.
        period: steps from one boundary to the next.
        slide: steps for which two regimes are mixed, half of them before the boundary.
        steps: length of the stream, in steps, whose end is no boundary; null: without end.
        batch: sequences per step.
        time: symbols per sequence.
        hold: what a latent is held for, in every regime or in each of a list.
        probe: held-out sequences per regime.
        seed: of everything random here.

    Raises:
        ValueError: the slide is longer than the period, so that three regimes would be mixed.
    """

    mixes: ClassVar[bool] = True

    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        regimes: Count | None = 3,
        period: Count = 100,
        slide: Count = 50,
        steps: Count | None = 600,
        batch: Count = 8,
        time: Count = 32,
        hold: Hold | Sequence[Hold] = "regime",
        probe: Count = 64,
        seed: int = 0,
    ):
        if slide > period:
            raise ValueError(f"slide: expected at most the period, {period} steps, got {slide}")
        super().__init__(tunnels, regimes, period, steps, batch, time, hold, probe, seed)
        self.slide = slide

    def schedule(self, step: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
        """A regime for each sequence, by the weights."""
        return _drawn(self.prior(step, None), self.batch, rng)

    def prior(self, step: int, before: Belief | None) -> Belief:
        """The weights, which are known."""
        visit = (2 * step + 1 + self.period) // (2 * self.period)  # begins at the nearest boundary
        boundary = visit * self.period
        if visit == 0 or (self.steps is not None and boundary >= self.steps):
            return {self.visited(step // self.period): 1.0}
        weight = (self.slide + 2 * (step - boundary) + 1) / (2 * self.slide)
        return _mixture(self.visited(visit - 1), self.visited(visit), min(max(weight, 0.0), 1.0))

    def retired(self, regime: int, step: int) -> bool:
        """Where none comes back, as soon as it has slid out."""
        return super().retired(regime, step - self.slide // 2)

    def shifts(self, step: int) -> bool:
        """Whether the larger weight is another regime's than at the step before."""
        now, before = ((s // self.period) for s in (step, step - 1))
        return step > 0 and self.visited(now) != self.visited(before)


class Cyclic(Stream):
    """Proportions go round a circle of regimes, and nowhere is a boundary.

    Every sequence draws its regime by itself. With the phase f = step / period mod regimes,

        p(regime floor(f)) = 1 - (f - floor(f)),   p(the next one round) = f - floor(f).

    No shift is ever announced, and the whole stream is one visit.

    Args:
        tunnels: the tasks; regime r lives in tunnels[r % len(tunnels)].
        regimes: number of regimes.
        period: steps from one regime, alone, to the next one, alone; regimes times as many go round.
        steps: length of the stream, in steps; null: without end.
        batch: sequences per step.
        time: symbols per sequence.
        hold: what a latent is held for, in every regime or in each of a list.
        probe: held-out sequences per regime.
        seed: of everything random here.
    """

    mixes: ClassVar[bool] = True

    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        regimes: Count = 3,
        period: Count = 100,
        steps: Count | None = 600,
        batch: Count = 8,
        time: Count = 32,
        hold: Hold | Sequence[Hold] = "regime",
        probe: Count = 64,
        seed: int = 0,
    ):
        super().__init__(tunnels, regimes, steps, batch, time, hold, probe, seed)
        self.circle, self.period = regimes, period

    def schedule(self, step: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
        """A regime for each sequence, by the proportions."""
        return _drawn(self.prior(step, None), self.batch, rng)

    def prior(self, step: int, before: Belief | None) -> Belief:
        """The proportions, which are known."""
        whole, rest = divmod(step, self.period)
        return _mixture(whole % self.circle, (whole + 1) % self.circle, rest / self.period)

    def shifts(self, step: int) -> bool:
        """Never."""
        return False


def _mixture(one: int, other: int, weight: float) -> Belief:
    """The other regime has this weight, the one the rest."""
    return {one: 1 - weight, other: weight} if one != other else {one: 1.0}


def _drawn(law: Belief, batch: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
    """Independent draws from the law."""
    return rng.choice(list(law), batch, p=list(law.values()))
