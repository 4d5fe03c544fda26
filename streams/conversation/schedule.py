"""Schedule of dialects that recur and share parts of their lexicon."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from plasticity import Batch, Count, Tunnel
from streams.conversation.conversation import Conversation
from streams.conversation.lexicon import S
from streams.schedules.with_views import Viewed

if TYPE_CHECKING:
    import polars

FIRST = "first"
"""The first program that is asked."""


class Conversations(Viewed):
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
    def views(self) -> list[tuple[int, str]]:
        """The first program of each dialect."""
        return [(dialect, FIRST) for dialect in range(self.dialects)]

    def asks(self, view: str, probe: Batch) -> Bool[np.ndarray, " time"]:
        """The tokens of the first program that is asked."""
        return np.isin(np.arange(self.time), np.flatnonzero(probe.asked.numpy())[:S])

    def first(self, probes: "polars.DataFrame", predictor: str = "model") -> "polars.DataFrame":
        """Bits per token of the first program, in the dialect that is spoken: `step`, `bits`.

        Args:
            probes: the probe table of a run of this stream.
            predictor: a name of its columns.
        """
        spoken = [self.number(self.lived(step), FIRST) for step in probes["step"].to_list()]
        mine = np.array(spoken) == probes["regime"].to_numpy()
        return probes.filter(mine).sort("step").select("step", bits=f"kl/{predictor}")

    def summary(
        self, steps: "polars.DataFrame", probes: "polars.DataFrame"
    ) -> dict[str, float | None]:
        """Bits per token of the first program of a conversation, KL(informed || model), in the dialect spoken.

        `first/mean`: over checkpoints; `first/at_shift`: when the dialect changed; `first/at_end`: when its visit
        ended; `first/amnesic`: those of one who learns every conversation anew.
        """
        table, amnesic = (
            self.first(probes, who)["bits"].to_numpy() for who in ("model", "amnesic")
        )
        at = self.first(probes)["step"].to_numpy()
        shifted = range(1, -(-int(at.max()) // self.period))  # visits after the first
        begun = {(v * self.period, self.number(self.visited(v), FIRST)) for v in shifted}
        each = probes.select("step", "regime", "kl/model").rows()
        shifts = [bits for step, regime, bits in each if (step, regime) in begun]
        ends = table[(at > 0) & (at % self.period == 0)]
        return {
            "first/mean": float(table.mean()),
            "first/at_shift": float(np.mean(shifts)) if shifts else None,
            "first/at_end": float(ends.mean()) if len(ends) else None,
            "first/amnesic": float(amnesic.mean()),
        }
