"""Glossary: what every number of a summary is, in one table; each is declared beside its function."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from plasticity import metrics
from plasticity.metrics.formula import Entry, Formula

WORLDS = Entry(
    "world/<column>",
    "its own",
    "what only this world can tell: `plasticity explain stream` of its type",
)
"""Of `Stream.summary`."""
NETWORKS = Entry(
    "network/<column>",
    "its own",
    "what only this network can tell, at the end and of held-out sequences: `plasticity explain network` of its type",
)
"""Of `Network.summary`."""
FIRST = ("levels", "skill")
"""Modules whose numbers stand first."""


@cache
def formulas() -> tuple[Formula[..., object], ...]:
    """Every formula that a module of this folder declares, module by module, in the order of its text."""
    modules = [
        import_module(f"{metrics.__name__}.{m.name}") for m in iter_modules(metrics.__path__)
    ]
    found = [value for m in modules for value in vars(m).values() if isinstance(value, Formula)]
    own = dict.fromkeys(found)  # one that a neighbour imports is still one
    return tuple(own)


def glossary() -> tuple[Entry, ...]:
    """One entry per number; those that stand for any column of a table come last.

    KL(x) is KL(informed || x) in bits per asked position, and KL(p, q) stands for KL(p || q). e[i, j] is KL(model)
    on task j's probe after task i = 1..T. Bits: lower is better, but for bwt and fwt.
    """
    entries = [*(entry for each in formulas() for entry in each.entries), WORLDS, NETWORKS]
    return tuple(sorted(entries, key=lambda entry: entry.id.startswith("<column>")))


GLOSSARY = glossary()


def explain(key: str) -> Entry:
    """The entry of a key of a summary.

    Raises:
        KeyError: nothing explains it.
    """
    for entry in GLOSSARY:
        if entry.explains(key):
            return entry
    raise KeyError(f"{key}: expected an id of the glossary")
