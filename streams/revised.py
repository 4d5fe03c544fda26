"""Revised: a causal world of which each visit changes one thing, and which comes back in between."""

from collections.abc import Sequence

from plasticity import Count, Latents, Tunnel
from plasticity.stream import LATENT, SCHEDULE
from streams.causal_tunnel import CausalTunnel
from streams.edits import Kind
from streams.schedules import Recurring


class Revised(Recurring):
    """A first world and its revisions, by turns: 0 1 0 2 0 3 0 1 ..., each visit `period` steps long.

    Regime r >= 1 is regime 0 after one change of the kind changes[r - 1]: one mechanism is drawn anew; an
    arrow of the graph is turned round; or one variable becomes a common cause of two others. The
    mechanisms of variables whose parents change are drawn anew, all else is as it was. So every
    shift makes one change or takes it back, and the rest need not be learned again.
    The continual observer of a revised regime begins with what is known of regime 0 and is told the
    change; from then on it learns from its own episodes.

    Args:
        tunnels: one causal task, SCM or CounterfactualSCM.
        changes: the kind of each revision.
        period: steps per visit.
        steps: length of the stream, in steps; null: without end.
        batch: sequences per step.
        time: symbols per sequence.
        probe: held-out sequences per regime.
        seed: of everything random here.

    Raises:
        ValueError: there are several tunnels, or the one is not causal; there are no changes.
    """

    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        changes: Sequence[Kind] = ("mechanism", "reversal", "confounder"),
        period: Count = 100,
        steps: Count | None = 600,
        batch: Count = 8,
        time: Count = 30,
        probe: Count = 64,
        seed: int = 0,
    ):
        if len(tunnels) != 1 or not isinstance(tunnels[0], CausalTunnel):
            names = ", ".join(type(tunnel).__name__ for tunnel in tunnels)
            raise ValueError(
                f"tunnels: expected one SCM or CounterfactualSCM, got {names or 'none'}"
            )
        if not changes:
            raise ValueError("changes: expected at least one kind of change, got an empty list")
        regimes = 1 + len(changes)
        super().__init__(tunnels, regimes, period, steps, batch, time, "regime", probe, seed)
        self.causal, self.changes = tunnels[0], list(changes)

    def visited(self, visit: int) -> int:
        """Regime 0 at even visits, the revisions in turn at odd ones."""
        return 0 if visit % 2 == 0 else 1 + visit // 2 % len(self.changes)

    def over(self, regime: int, step: int) -> bool:
        """Never, as they are few."""
        return False

    def latent(self, regime: int) -> Latents:
        """Regime 0's, revised."""
        return self._revised(regime)[0] if regime > 0 else self._first()

    def inherits(self, regime: int) -> tuple[int, Sequence[int]] | None:
        """Regime 0, but for the change."""
        return (0, [self._revised(regime)[1]]) if regime > 0 else None

    def _first(self) -> Latents:
        return self.causal.latents(1, self._rng(LATENT, 0))

    def _revised(self, regime: int) -> tuple[Latents, int]:
        kind = self.changes[regime - 1]
        return self.causal.revise(self._first(), kind, self._rng(SCHEDULE, regime))
