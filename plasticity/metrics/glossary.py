"""Glossary: what every number of a summary is, in one table; each is declared beside its function."""

import sys
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from plasticity import metrics
from plasticity.config import plugins
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
    """Every formula: of the modules of this folder, in the order of their texts, and then those of plugins."""
    return (*own(), *plugged()[0])


@cache
def own() -> tuple[Formula[..., object], ...]:
    """Those that a module of this folder declares."""
    names = [f"{metrics.__name__}.{m.name}" for m in iter_modules(metrics.__path__)]
    found = [each for name in names for each in declared(import_module(name))]
    return tuple(dict.fromkeys(found))  # one that a neighbour imports is still one


def declared(module: ModuleType) -> list[Formula[..., object]]:
    """The formulas that a module defines or imports."""
    return [value for value in vars(module).values() if isinstance(value, Formula)]


def refused() -> list[plugins.Failure]:
    """Formulas of plugins that are left out, because what they call a number is another one already."""
    return plugged()[1]


@cache
def plugged() -> tuple[list[Formula[..., object]], list[plugins.Failure]]:
    """What plugins bring by the entry points of their metrics; and what of it is refused."""
    plugins.load([plugins.METRICS])  # whose failures the command line tells
    found, failures = list[Formula[..., object]](), list[plugins.Failure]()
    for group, point in plugins.points([plugins.METRICS]):
        module = sys.modules.get(point.module)
        for each in declared(module) if module else ():
            if each in (*own(), *found):
                continue
            if taken := [e.id for e in each.entries if clash(e, (*own(), *found))]:
                text = f"expected metrics with ids of their own, there is {taken[0]!r} already"
                dist = plugins.distribution(point)
                failures.append(plugins.Failure(dist, group, point.module, text))
            else:
                found.append(each)
    return found, failures


def clash(entry: Entry, others: Iterable[Formula[..., object]]) -> bool:
    """Whether an id of one of these formulas may be this one's too; <column> gives way to any id."""
    theirs = [each for other in others for each in other.entries] + [WORLDS, NETWORKS]
    return any(
        each.id == entry.id
        or not any(e.id.startswith("<column>") for e in (each, entry))
        and (each.explains(entry.id) or entry.explains(each.id))
        for each in theirs
    )


@cache
def glossary() -> tuple[Entry, ...]:
    """One entry per number; those that stand for any column of a table come last.

    KL(x) is KL(informed || x) in bits per asked position, and KL(p, q) stands for KL(p || q). e[i, j] is KL(model)
    on task j's probe after task i = 1..T. Bits: lower is better, but for bwt and fwt.
    """
    entries = [*(entry for each in formulas() for entry in each.entries), WORLDS, NETWORKS]
    return tuple(sorted(entries, key=lambda entry: entry.id.startswith("<column>")))


def explain(key: str) -> Entry:
    """The entry of a key of a summary.

    Raises:
        KeyError: nothing explains it.
    """
    for entry in glossary():
        if entry.explains(key):
            return entry
    raise KeyError(f"{key}: expected an id of the glossary")
