"""Compositional schedule: every shift draws one part of the latent anew."""

from collections.abc import Sequence
from typing import Literal

from plasticity import LATENT, SCHEDULE, Count, Latents, Tunnel
from streams.schedules.recurring import Abrupt


class Compositional(Abrupt):
    """Regimes that never come back, but of whose latent every shift leaves all parts but one.

    Of P parts, shift r >= 1 (from regime r - 1 to regime r) draws part(r) anew. In cyclic order
    part(r) = (r - 1) mod P; in random order each round of P shifts has an order of its own. With D_r
    the tunnel's own draw for regime r,

        latent(r)[part p] = D_c[part p],   c = the last shift up to r that drew p, or 0 if none has,

    which is found without walking there. The continual observer of a regime begins with what is
    known of the one before, but for the part that was drawn anew. Of the past it keeps what it knew:
    a regime that is over learns nothing from its heirs.

    Args:
        tunnels: one task, whose latent has parts.
        period: steps per regime.
        order: of the parts that are drawn anew.
        steps: length of the stream, in steps; it has ceil(steps / period) regimes. null: without end.
        batch: sequences per step.
        time: symbols per sequence.
        probe: held-out sequences per regime.
        seed: of everything random here.

    Raises:
        ValueError: there are several tunnels, or the latent of the one has no parts.
    """

    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        period: Count = 100,
        order: Literal["cyclic", "random"] = "cyclic",
        steps: Count | None = 500,
        batch: Count = 8,
        time: Count = 32,
        probe: Count = 64,
        seed: int = 0,
    ):
        names = ", ".join(type(tunnel).__name__ for tunnel in tunnels)
        if len(tunnels) > 1:
            raise ValueError(f"tunnels: expected one, whose latent changes in part, got {names}")
        if tunnels and tunnels[0].parts < 2:
            raise ValueError(
                "tunnels: expected one whose latent has independent parts, as Markov, Binding, Recall "
                f"and BeliefRevision have, got {names}"
            )
        super().__init__(tunnels, period, steps, batch, time, "regime", probe, seed)
        self.order: Literal["cyclic", "random"] = order

    def part(self, shift: int) -> int:
        """Which part this shift, 1 or later, draws anew."""
        parts = self.tunnels[0].parts
        turn, place = divmod(shift - 1, parts)
        if self.order == "cyclic":
            return place
        return int(self.rng(SCHEDULE, turn).permutation(parts)[place])

    def latent(self, regime: int) -> Latents:
        """Each part from the draw for the regime that began with it."""
        tunnel, left, shift = self.tunnels[0], set(range(self.tunnels[0].parts)), regime
        latent = tunnel.latents(1, self.rng(LATENT, 0))
        while left and shift > 0:
            part = self.part(shift)
            if part in left:
                latent[:, part] = tunnel.latents(1, self.rng(LATENT, shift))[:, part]
                left.remove(part)
            shift -= 1
        return latent

    def parent(self, regime: int) -> tuple[int, Sequence[int]] | None:
        """The regime before, but for one part."""
        return (regime - 1, [self.part(regime)]) if regime > 0 else None
