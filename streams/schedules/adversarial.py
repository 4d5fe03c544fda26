"""Adversarial schedule: the regime on which the learner is worst comes next."""

from collections.abc import Sequence
from math import inf, isnan

from plasticity import PROBED, Belief, Count, Hold, Tunnel
from streams.schedules.recurring import Recurring


class Adversarial(Recurring):
    """Every visit is to the regime of which the learner knew least when it was last probed.

    With e_r the bits on the probe of regime r, by the last probes before visit v begins,

        regime(v) = argmax over r != regime(v - 1) of e_r,

    so that no regime is visited twice in a row; of two alike it is the lower one, and a score that is
    no number is the worst of all. Visits that begin between two probes take turns between the two
    worst, whatever the period and however often there are probes. What was chosen is in `notes`: batch
    `step` is a function of (seed, step, notes), and no two learners need see the same world. The
    tightest exact bound is the informed observer's: there is no law of the live regime without one of
    the learner.

    Args:
        tunnels: the tasks; regime r lives in tunnels[r % len(tunnels)].
        regimes: number of regimes; at most 16, all of which are probed.
        period: steps per visit.
        steps: length of the stream, in steps; null: without end.
        batch: sequences per step.
        time: symbols per sequence.
        hold: what a latent is held for, in every regime or in each of a list.
        probe: held-out sequences per regime.
        seed: of everything random here.

    Raises:
        ValueError: more regimes than are probed; or a step is asked for before any probe was told.
    """

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
        if regimes > PROBED:
            raise ValueError(
                f"regimes: expected at most {PROBED}, since no more are probed, got {regimes}"
            )
        super().__init__(tunnels, regimes, period, steps, batch, time, hold, probe, seed)
        self.choices = range(regimes)

    def prior(self, step: int, before: Belief | None) -> None:
        """There is none: what comes next depends on the learner, of whom the observer knows nothing."""

    def retired(self, regime: int, step: int) -> bool:
        """Never for sure."""
        return False

    def on_probe(self, step: int, bits: dict[int, float]) -> None:
        """Choose the regimes of the two next visits, and of all that may follow before the next probes."""
        begun = -(-step // self.period)  # visits, each of which stays as it is
        self.notes = [self.visited(visit) for visit in range(begun)]
        last = self.notes[-1] if self.notes else None

        known = [inf if isnan(bits[regime]) else bits[regime] for regime in self.choices]
        ranked = sorted(self.choices, key=lambda regime: -known[regime])
        worst = (ranked * 2)[:2]  # twice the same where there is only one
        self.notes += worst if worst[0] != last else worst[::-1]

    def visited(self, visit: int) -> int:
        """As noted; the last two notes take turns from then on."""
        if not self.notes:
            raise ValueError(
                f"visit {visit} has no regime yet: Adversarial goes by the learner's probes, and none was "
                "told (Stream.on_probe) before; only a run can go through this stream, step by step"
            )
        beyond = visit - len(self.notes)
        return self.notes[visit if beyond < 0 else beyond % 2 - 2]
