"""The numbers of one cell, derived from its stored tables and from nothing else; `glossary` explains each."""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from plasticity.core.errors import reason
from plasticity.metrics import glossary
from plasticity.metrics.formula import Formula, Number
from plasticity.metrics.significance import interval as interval
from plasticity.metrics.significance import spread as spread
from plasticity.metrics.tables import Tables


def summarise(
    steps: pl.DataFrame,
    probes: pl.DataFrame,
    condition: pl.DataFrame | None = None,
    independent: Mapping[int, float] | None = None,
    frozen: Float[np.ndarray, " steps"] | None = None,
    frontier: pl.DataFrame | None = None,
) -> dict[str, Any]:
    """Formula id -> number (bits per asked position unless the glossary says otherwise); None: undefined.

    What is asked of the task matrix goes over the visits to probed regimes only. A number that would have been read
    from where a learner's weights were lost is None; `diverged/step` says since when.

    Args:
        steps: one row per step.
        probes: one row per probe and checkpoint; a regime below 0 is left out of all but `in_context`.
        condition: one row per checkpoint, with any columns beside `step`.
        independent: regime -> bits on its probe of a learner that met no other; None: there is none.
        frozen: KL(informed || the network before any update) at each of the steps, in bits; None: not known.
        frontier: one row per stretch, what the exact mixtures lost; None: it was not recorded.
    """
    tables = Tables(steps, probes, condition, independent, frozen, frontier)
    found = {k: v for each in glossary.own() for k, v in each.numbers(tables).items()}
    for each in glossary.plugged()[0]:
        more = or_undefined(each, tables)
        found |= {key: value for key, value in more.items() if key not in found}
    return finite(found)


def or_undefined(of: Formula[..., object], tables: Tables) -> dict[str, Number]:
    """A stranger's numbers, those that its entries explain; None where it fails, which is told and stops no other."""
    try:
        found = finite(of.numbers(tables))
        return {key: v for key, v in found.items() if any(e.explains(key) for e in of.entries)}
    except Exception as error:
        what = ", ".join(of.keys)
        warnings.warn(f"{what}: undefined, {type(error).__name__}: {reason(error)}", stacklevel=2)
        return dict.fromkeys(key for key in of.keys if "<" not in key)


def finite(numbers: Mapping[str, Number]) -> dict[str, Number]:
    """As JSON has it: what is not finite is None, and numbers are Python's own."""
    return {
        key: None if value is None or not math.isfinite(value) else plain(value)
        for key, value in numbers.items()
    }


def plain(value: float | int) -> float | int:
    """Of NumPy's numbers, Python's."""
    return int(value) if isinstance(value, int | np.integer) else float(value)
