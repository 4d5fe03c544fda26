"""Base of schedules whose regimes are probed as a whole and by parts."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from plasticity import PROBE, AnswerKey, Batch, Group, Latents
from streams.schedules.recurring import Recurring


class Viewed(Recurring):
    """Regimes 0, 1, ... of a schedule, and views of them: probes of the same latent that ask of less.

    View i has the number `regimes` + i, which no schedule makes live. What is known of it is what is known of its
    regime. Subclasses say which views there are, what each asks, and which regime a visit is to. Arguments as of
    Recurring.
    """

    @property
    @abstractmethod
    def views(self) -> Sequence[tuple[int, str]]:
        """(regime, what of it is asked)."""

    @abstractmethod
    def asks(self, view: str, probe: Batch) -> Bool[np.ndarray, " time"]:
        """The positions of a regime's probe at which a view asks."""

    def asking(self, regime: int, view: str) -> bool:
        """Whether a view asks anything; unless overridden, it does."""
        return True

    @property
    def probed(self) -> list[int]:
        """The regimes, those of their views that ask anything, and fresh latents."""
        numbers = [
            self._known + i
            for i, (regime, view) in enumerate(self.views)
            if self.asking(regime, view)
        ]
        return [*range(self._known), *numbers, -1]

    def probe_groups(self, regime: int) -> list[Group]:
        """Those of the regime that is viewed."""
        viewed, _ = self.viewed(regime)
        return [group._replace(regime=regime) for group in super().probe_groups(viewed)]

    def keyed_probes(self) -> list[tuple[Batch, AnswerKey]]:
        """Views of a regime ask of the very episodes of its own probe."""
        return [self._probe(number) for number in self.probed]

    def latent(self, regime: int) -> Latents:
        """That of the regime that is viewed."""
        return super().latent(self.viewed(regime)[0])

    def parent(self, regime: int) -> tuple[int, Sequence[int]] | None:
        """A view: all that is known of its regime."""
        viewed, view = self.viewed(regime)
        return (viewed, ()) if view else None

    def retired(self, regime: int, step: int) -> bool:
        """Never, as they are few."""
        return False

    def viewed(self, number: int) -> tuple[int, str]:
        """The regime that a number stands for, and what of it is asked; empty: all."""
        return self.views[number - self._known] if number >= self._known else (number, "")

    def number(self, regime: int, view: str) -> int:
        """The number of a view."""
        return self._known + [*self.views].index((regime, view))

    def lived(self, step: int) -> int:
        """The regime that was live before the checkpoint after `step` updates; before any, the first."""
        return self.visited(max(step - 1, 0) // self.period)

    def _probe(self, number: int) -> tuple[Batch, AnswerKey]:
        regime, view = self.viewed(number)
        probe, key = self._make(self.probe_groups(number), self.rng(PROBE, self._nth(regime)))
        if view:
            probe = probe.asking(probe.asked.new_tensor(self.asks(view, probe)))
        return probe, key

    @property
    def _known(self) -> int:
        assert self.regimes
        return self.regimes
