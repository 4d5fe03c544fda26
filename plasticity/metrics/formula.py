"""Formulas: each number of a summary is a function, with its id, unit, equation and source right above it.

    @formula(Entry("la/mer2019", "bits", "mean_i e[i,i]", "arXiv 1810.11910"))
    def la_mer2019(e: Tasks) -> float | None: ...

That is all that adding one takes: `summary` and `glossary` collect what the modules of this folder declare, and those
that the entry points `plasticity.metrics` of other packages name.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

from plasticity.core.predictors import PREDICTORS

WHO = ("model", *PREDICTORS)
"""The learner and every predictor that faced its batches."""
IDEALS = ("informed", "continual", "amnesic")
"""The observers over whom an excess is taken."""
PLACEHOLDERS = {"<who>": "|".join(WHO), "<over>": "|".join(IDEALS), "<column>": ".+"}
"""What stands in an id for a part of it, and what may stand in its place."""
Number = float | int | None
"""None: undefined."""
P = ParamSpec("P")
R = TypeVar("R")


class Entry(NamedTuple):
    """One line of the glossary. In an id, <who> is the learner or any predictor, <column> a column of a table."""

    id: str
    unit: str
    formula: str
    source: str = ""
    """None: ours, or the definition itself."""

    def explains(self, key: str) -> bool:
        """Whether this is the entry of a key of the summary."""
        pattern = re.escape(self.id)
        for name, values in PLACEHOLDERS.items():
            pattern = pattern.replace(name, f"({values})")
        return re.fullmatch(pattern, key) is not None


@dataclass(frozen=True)
class Formula(Generic[P, R]):
    """A function of the tables, and what the glossary says of each number that it gives.

    Args:
        call: its parameters without a default are what it is told of a cell: attributes of `tables.Tables`.
        entries: of its numbers, in order.
        family: parameter -> values, each of which gives numbers of its own.
    """

    call: Callable[P, R]
    entries: tuple[Entry, ...]
    family: tuple[str, Sequence[str]] | None = field(default=None)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function, as it was written."""
        return self.call(*args, **kwargs)

    @property
    def keys(self) -> list[str]:
        """Of the summary, one for each number; <column> stands for whatever a table has."""
        name, values = self.family or ("", ("",))
        return [entry.id.replace(f"<{name}>", v) for v in values for entry in self.entries]

    @property
    def needs(self) -> list[str]:
        """What it is told of a cell: its parameters without a default, but for the one that varies."""
        varies = self.family[0] if self.family else ""
        given = inspect.signature(self.call).parameters.values()
        return [p.name for p in given if p.default is p.empty and p.name != varies]

    def numbers(self, tables: object) -> dict[str, Number]:
        """Key of the summary -> number, of one cell."""
        name, values = self.family or ("", ("",))
        given: dict[str, Any] = {each: getattr(tables, each) for each in self.needs}
        found: dict[str, Number] = {}
        for value in values:
            call: Callable[..., Any] = self.call
            result = call(**given, **({name: value} if name else {}))
            if isinstance(result, dict):  # its keys are those of a table
                found |= result
                continue
            each = result if len(self.entries) > 1 else (result,)
            keys = (entry.id.replace(f"<{name}>", value) for entry in self.entries)
            found |= dict(zip(keys, each, strict=True))
        return found


def formula(*entries: Entry, **family: Sequence[str]) -> Callable[[Callable[P, R]], Formula[P, R]]:
    """Declare a function as the formula of these numbers; of one, it gives a number, of several, a tuple of them.

    Args:
        entries: of its numbers, in order.
        family: at most one parameter of the function with its values; `<parameter>` in an id is each in turn.
    """
    ((one,), rest) = (tuple(family.items())[:1] or (None,), tuple(family.items())[1:])
    assert not rest, "expected at most one parameter that varies"
    return lambda call: Formula(call, entries, one)
