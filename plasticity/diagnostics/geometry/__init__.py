"""Geometry: where the posterior lives inside a learner, and what a shift moves there; each number with its controls.

Eight families (Agarwal, Misra et al., arXiv 2512.22471, 2512.22473 and 2512.23752, their definitions made exact): keys,
values, belief read-outs, alignment, focus, heads, cuts and swaps, routing and precision. Formulas are NumPy functions
of what a network says of itself; `measure` says them of a network, `online` says the cheap ones over a stream.
"""

from functools import cache
from importlib import import_module

from plasticity.metrics.formula import Entry, Formula

FORMULAS = ("keys", "values", "belief", "routing", "effects")
"""Modules that hold formulas; none of them needs torch."""


@cache
def glossary() -> tuple[Entry, ...]:
    """One entry per number that is told of the inside of a network."""
    modules = [import_module(f"{__name__}.{name}") for name in FORMULAS]
    found = [f for module in modules for f in vars(module).values() if isinstance(f, Formula)]
    return tuple(entry for each in dict.fromkeys(found) for entry in each.entries)
