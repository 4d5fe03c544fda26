"""Space of a search: which values a key may take, and how trials are chosen among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from plasticity.core.bounded import Count, Natural
from plasticity.core.errors import did_you_mean
from plasticity.metrics.glossary import explain, glossary


@dataclass
class Dimension:
    """Values of one key: numbers between two, or a list.

    Numbers are whole where low, high and step are written without a point: 1 and 8 are whole, 1.0 and 8.0 real.

    Args:
        low: the least, and
        high: the greatest.
        log: whether equal factors, not equal distances, are equally likely.
        step: distance of neighbours; null: every number between, or every whole one.
        choices: values of any kind, in place of low and high.
    """

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    step: int | float | None = None
    choices: Sequence[Any] = ()

    def __post_init__(self) -> None:
        if self.choices:
            if self.low is not None or self.high is not None or self.log or self.step is not None:
                raise ValueError("choices: expected them alone, or `low` and `high` without them")
            return
        if self.low is None or self.high is None:
            raise ValueError("expected `low` and `high`, or `choices` (a list of at least one)")
        if not self.low < self.high:
            raise ValueError(f"high: expected more than low ({self.low}), got {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low: expected a number above 0 where log is true, got {self.low}")
        if self.step is not None:
            self._check_step(self.low, self.high, self.step)

    @property
    def whole(self) -> bool:
        """Whether all numbers are whole."""
        return all(isinstance(v, int) for v in (self.low, self.high, self.step) if v is not None)

    @property
    def ends(self) -> list[Any]:
        """The values from which all others can be told to be of the right kind."""
        return list(self.choices) or [self.low, self.high]

    def _check_step(self, low: int | float, high: int | float, step: int | float) -> None:
        if self.log:
            raise ValueError("step: expected none where log is true")
        if step <= 0:
            raise ValueError(f"step: expected a number above 0, got {step}")
        if (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(step)):
            raise ValueError(f"step: expected whole steps from {low} to {high}, got {step}")


@dataclass
class TrialSampler:
    """How the variations of a search are chosen, by Optuna. The same arguments choose the same trials.

    Args:
        type: random: each independently of the others; tpe: by a tree-structured Parzen estimator, from the trials
            that are done.
        trials: how many; more can be asked for later.
        objective: formula id, whose mean over the seeds decides. Diverged or undefined under one of them: the worst.
        direction: which objective is better.
        seed: of the choices.
        batch: how many are chosen, and done, before their numbers are looked at. It decides what is chosen.
    """

    type: Literal["random", "tpe"]
    trials: Count
    objective: str = "skill"
    direction: Literal["maximize", "minimize"] = "maximize"
    seed: Natural = 0
    batch: Count = 4

    def __post_init__(self) -> None:
        try:
            explain(self.objective)
        except KeyError:
            near = did_you_mean(self.objective, [each.id for each in glossary()])
            listed = "a formula id (plasticity explain metric lists them)"
            text = f"objective: expected {listed}, got {self.objective!r}.{near}"
            raise ValueError(text.removesuffix(".")) from None
        if self.seed > MOST:
            raise ValueError(f"seed: expected at most {MOST}, got {self.seed}")

    @property
    def worst(self) -> float:
        """What counts for a trial that has no number."""
        return float("-inf" if self.direction == "maximize" else "inf")

    def lack(self) -> str | None:
        """What must be installed first; None: nothing."""
        try:
            import optuna  # noqa: F401  # at need: it takes a second
        except ImportError:
            return "sampler: expected its package: pip install 'plasticity-testbed[optuna]'"
        return None


MOST = 2**32 - 1
"""Seed of NumPy's generators, at most."""
