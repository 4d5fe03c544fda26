"""The tables of one cell, and what formulas are told of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from plasticity.metrics import visits
from plasticity.metrics.levels import diverged
from plasticity.metrics.visits import Probed, Visit


@dataclass(frozen=True)
class Tables:
    """What is stored of a cell. A formula asks for any attribute by its name.

    Args:
        steps: one row per step.
        probes: one row per probe and checkpoint; a regime below 0 is fresh latents.
        condition: one row per look at the network, with any columns beside `step`.
        independent: regime -> bits on its probe of a learner that met no other; None: there is none.
        frozen: KL(informed || frozen network) at each of the steps, in bits; None: none ran beside.
        frontier: one row per stretch, what the exact mixtures lose; None: it was not recorded.
    """

    steps: pl.DataFrame
    probes: pl.DataFrame
    condition: pl.DataFrame | None = None
    independent: Mapping[int, float] | None = None
    frozen: Float[np.ndarray, " steps"] | None = None
    frontier: pl.DataFrame | None = None

    @cached_property
    def found(self) -> list[Visit]:
        """Visits, in order."""
        return visits.visits(self.steps)

    @cached_property
    def bits(self) -> Float[np.ndarray, " steps"]:
        """KL(informed || model), per asked position."""
        return self.steps["kl/model"].to_numpy()

    @cached_property
    def loss(self) -> Float[np.ndarray, " steps"]:
        """-log2 q(what came), per asked position."""
        return self.steps["kl_realised/model"].to_numpy()

    @cached_property
    def answers(self) -> Int[np.ndarray, " steps"] | None:
        """How many answers each step asked for, of all its sequences; None: stored before that was."""
        return self.steps["answers"].to_numpy() if "answers" in self.steps.columns else None

    @cached_property
    def lost(self) -> int | None:
        """The first step at which the learner's bits are not finite; None: never."""
        return diverged(self.steps, self.probes)

    @cached_property
    def held(self) -> Probed:
        """KL(informed || model) on the probes of regimes. Infinite where the learner's weights are lost."""
        lost = ~pl.col("kl/model").is_finite()
        kept = pl.when(lost).then(np.inf).otherwise(pl.col("kl/model")).alias("kl/model")
        return visits.probed(self.probes.with_columns(kept))

    @cached_property
    def e(self) -> Float[np.ndarray, "tasks tasks"]:
        """The task matrix: e[i, j] is the bits on task j's probe after task i."""
        return visits.task_matrix(self.held, self.found)

    @cached_property
    def b(self) -> Float[np.ndarray, " tasks"]:
        """Bits on each task's probe before any update."""
        return visits.untouched(self.held, self.found)

    @cached_property
    def joint(self) -> Float[np.ndarray, " tasks"]:
        """Bits on each task's probe of the continual observer, at the end."""
        return visits.final(self._other("kl/continual"), self.found)

    @cached_property
    def met(self) -> Float[np.ndarray, " tasks"]:
        """The same right after each task."""
        return visits.learned(self._other("kl/continual"), self.found)

    @cached_property
    def random(self) -> Float[np.ndarray, " tasks"]:
        """Bits on each task's probe of the uniform predictor."""
        return visits.final(self._other("kl/uniform"), self.found)

    @cached_property
    def alone(self) -> Float[np.ndarray, " tasks"] | None:
        """Bits on each task's probe of a learner of that task alone; None: there is none."""
        if self.independent is None:
            return None
        counted: Sequence[Visit] = visits.tasks(self.held, self.found)
        return np.array([self.independent.get(v.regime, np.nan) for v in counted], float)

    def _other(self, column: str) -> Probed:
        """Another predictor on the same probes; NaN where it was not scored."""
        if column in self.probes.columns:
            return visits.probed(self.probes, column)
        return self.held._replace(bits=np.full_like(self.held.bits, np.nan))
