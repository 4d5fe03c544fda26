"""Conversations: dialects that come back, and how much of each must be learned again."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from plasticity import Batch, Count, Latents, Tunnel
from plasticity.stream import PROBE, Group
from streams.conversation import Conversation
from streams.lexicon import S
from streams.schedules import Recurring


class Conversations(Recurring):
    """Dialects A B C A B C ..., each spoken for `period` steps; every sequence is a conversation of its own.

    Every dialect is probed as it is, and again by its first asked program alone, number `regimes` + r for dialect
    r: what does the learner know of the dialect before anybody has spoken?

    Args:
        tunnels: one task, Conversation.
        regimes: dialects.
        period: steps per visit.
        steps: length of the stream, in steps; null: without end.
        batch: conversations per step.
        time: symbols per conversation.
        probe: held-out conversations per dialect.
        seed: of everything random here.

    Raises:
        ValueError: there are several tunnels, or the one is not Conversation.
    """

    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        regimes: Count = 2,
        period: Count = 100,
        steps: Count | None = 400,
        batch: Count = 8,
        time: Count = 31,
        probe: Count = 64,
        seed: int = 0,
    ):
        if len(tunnels) != 1 or not isinstance(tunnels[0], Conversation):
            names = ", ".join(type(tunnel).__name__ for tunnel in tunnels)
            raise ValueError(f"tunnels: expected one, Conversation, got {names or 'none'}")
        super().__init__(tunnels, regimes, period, steps, batch, time, "regime", probe, seed)
        self.dialects = regimes

    @property
    def probed(self) -> list[int]:
        """Every dialect, the first program of each, and fresh dialects."""
        return [*range(2 * self.dialects), -1]

    def latent(self, regime: int) -> Latents:
        """That of the dialect."""
        return super().latent(self._dialect(regime))

    def inherits(self, regime: int) -> tuple[int, Sequence[int]] | None:
        """Of its first program is known what is known of the dialect."""
        return (self._dialect(regime), ()) if regime >= self.dialects else None

    def over(self, regime: int, step: int) -> bool:
        """Never, as they are few."""
        return False

    def probe_groups(self, regime: int) -> list[Group]:
        """Those of the dialect."""
        groups = super().probe_groups(self._dialect(regime))
        return [group._replace(regime=regime) for group in groups]

    def probes(self) -> list[Batch]:
        """The first program is asked of the very conversations of the dialect's own probe."""
        found = list[Batch]()
        for number in self.probed:
            rng = self._rng(PROBE, self._nth(self._dialect(number)))
            probe = self._make(self.probe_groups(number), rng)
            if number >= self.dialects:
                first = np.flatnonzero(probe.asked.numpy())[:S]
                asked = probe.asked.new_tensor(np.isin(np.arange(self.time), first))
                probe = probe._replace(asked=asked)
            found.append(probe)
        return found

    def first(self, probes: pl.DataFrame, predictor: str = "model") -> pl.DataFrame:
        """Bits per token of the first program, in the dialect that is spoken: `step`, `bits`.

        Args:
            probes: the probe table of a run of this stream.
            predictor: a name of its columns.
        """
        spoken = [
            self.visited(max(step - 1, 0) // self.period) for step in probes["step"].to_list()
        ]
        mine = pl.Series(spoken) + self.dialects == probes["regime"]
        return probes.filter(mine).sort("step").select("step", bits=f"kl/{predictor}")

    def findings(self, steps: pl.DataFrame, probes: pl.DataFrame) -> dict[str, float | None]:
        """Bits per token of the first program of a conversation, KL(informed || model), in the dialect spoken.

        `first/mean`: over checkpoints; `first/at_shift`: when the dialect changed; `first/at_end`: when its visit
        ended; `first/amnesic`: those of one who learns every conversation anew.
        """
        table, amnesic = (
            self.first(probes, who)["bits"].to_numpy() for who in ("model", "amnesic")
        )
        at = self.first(probes)["step"].to_numpy()
        numbered = probes.filter(pl.col("regime") >= self.dialects)
        begun = [
            numbered.filter(
                (pl.col("step") == v * self.period)
                & (pl.col("regime") == self.dialects + self.visited(v))
            )["kl/model"].to_list()
            for v in range(1, -(-int(at.max()) // self.period))
        ]
        shifts = [bits for visit in begun for bits in visit]
        ends = table[(at > 0) & (at % self.period == 0)]
        return {
            "first/mean": float(table.mean()),
            "first/at_shift": float(np.mean(shifts)) if shifts else None,
            "first/at_end": float(ends.mean()) if len(ends) else None,
            "first/amnesic": float(amnesic.mean()),
        }

    def _dialect(self, regime: int) -> int:
        return regime - self.dialects if regime >= self.dialects else regime
