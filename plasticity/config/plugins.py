"""Plugins: packages that bring whatever a YAML or a summary can name, found by their entry points."""

import hashlib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from traceback import walk_tb
from typing import Any, NamedTuple

from plasticity.core.errors import did_you_mean, reason

PREFIX, METRICS = "plasticity.", "plasticity.metrics"
GROUPS = (
    "plasticity.tunnels",
    "plasticity.streams",
    "plasticity.strategies",
    "plasticity.networks",
    "plasticity.optimizers",
    "plasticity.detectors",
    "plasticity.loggers",
    METRICS,
)
"""Entry-point groups; an entry point names a module that defines or imports the classes, of metrics the formulas."""
CONTRACTS = ("Tunnel", "Stream", "Strategy", "Network", "Optimizer", "Detector", "Logger")
"""Names of the base classes, all in `core`, whose subclasses a YAML chooses by `type`."""


FORMAT = 5
"""Of what our own packages compute from the same configuration: raised with every change of a stored number, or of the
files that are kept."""
OURS = ("plasticity", "streams", "strategies")


class Failure(NamedTuple):
    """A plugin that is skipped, or a part of one."""

    distribution: str
    """Name of the installed package."""
    group: str
    module: str
    reason: str

    def __str__(self) -> str:
        return f"{self.distribution}: {self.group} {self.module} was skipped: {self.reason}"


def load(groups: Collection[str] = GROUPS) -> list[Failure]:
    """Import the modules of every installed plugin; those that fail are skipped, and returned.

    Nothing is imported before this is called, and calling it again costs nothing.

    Args:
        groups: whose; where these are all, an entry point of a group that is none of them is a failure too.
    """
    failures: list[Failure] = []
    for group, point in points(groups):
        try:
            importlib.import_module(point.module)
        except (Exception, SystemExit) as error:
            name, why = distribution(point), fault(error, point.module)
            if isinstance(error, ModuleNotFoundError) and point.module == error.name:
                why += f"; is it gone (pip uninstall {name}), or misnamed in its pyproject.toml?"
            failures.append(Failure(name, group, point.module, why))
    strange = entry_points().groups - set(GROUPS) if groups == GROUPS else ()
    for group, point in points([each for each in strange if each.startswith(PREFIX)]):
        near = did_you_mean(group, GROUPS) or f" Known: {', '.join(GROUPS)}"
        text = f"there is no such group of entry points.{near}"
        failures.append(Failure(distribution(point), group, point.module, text))
    return failures


def points(groups: Iterable[str]) -> Iterator[tuple[str, EntryPoint]]:
    """(group, entry point) of every installed plugin; those of a group in the order of their names."""
    found = entry_points()
    for group in groups:
        own = sorted(set(found.select(group=group)), key=lambda p: (p.name, p.value))
        yield from ((group, point) for point in own)


def distribution(point: EntryPoint) -> str:
    """Name of the installed package that an entry point is of."""
    return point.dist.name if point.dist else point.name


def discover(package: str) -> dict[str, Any]:
    """Import every module below a package: name -> class, of those there that a YAML may name.

    What an `__init__` exports by two lines, so that a new file is a new plugin and no list is kept by hand:

        globals().update(discover(__name__))

    Args:
        package: its name; it is being imported.
    """
    root = sys.modules[package]
    names = [m.name for m in pkgutil.walk_packages(root.__path__, f"{package}.")]
    found = {
        name: value
        for module in map(importlib.import_module, names)
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and _plugin(value)
    }
    return dict(sorted(found.items()))


def code_identity(classes: Iterable[type]) -> dict[str, Any]:
    """What numbers depend on of the code that makes them: FORMAT of our own, the source of every class that is not.

    Args:
        classes: tunnels, schedules, networks, strategies; their ancestors count too.
    """
    family = {base for cls in classes for base in cls.__mro__}
    foreign = [
        cls
        for cls in family
        if cls.__module__.partition(".")[0] not in (*OURS, "abc", "builtins", "torch", "typing")
    ]
    sources = {full_name(cls): _source(cls) for cls in sorted(foreign, key=full_name)}
    return {"format": FORMAT, "sources": sources}


def fault(error: BaseException, module: str) -> str:
    """Why a module could not be imported, and the last line of its own package on the way there."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({error.filename}:{error.lineno})"
    package = module.partition(".")[0]
    frames = walk_tb(error.__traceback__)
    own = [
        f" ({frame.f_code.co_filename}:{line})"
        for frame, line in frames
        if str(frame.f_globals.get("__name__")).partition(".")[0] == package
    ]
    return f"{type(error).__name__}: {reason(error)}{''.join(own[-1:])}"


def known(base: type, contracts: Collection[type] = ()) -> dict[str, list[type]]:
    """Concrete descendants of a class by name, of all imported by now; itself too if no contract.

    Left out: abstract classes, those named _like_this, and those of a module or package whose import failed.
    """
    found: dict[str, dict[str, type]] = {}
    for cls in _family(base):
        homes = {cls.__module__, cls.__module__.partition(".")[0]}
        hidden = cls.__name__.startswith("_") or not homes <= sys.modules.keys()
        if cls not in contracts and not hidden and not _abstract(cls):
            found.setdefault(cls.__name__, {})[full_name(cls)] = cls
    return {name: list(found[name].values()) for name in sorted(found)}


def full_name(cls: type) -> str:
    """module.Class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _family(base: type) -> Iterator[type]:
    yield base
    for child in type.__subclasses__(base):
        yield from _family(child)


def _abstract(cls: type) -> bool:
    """Whether an abstract method is left; `inspect.isabstract` is blind to an nn.Module's."""
    attributes = (getattr(cls, name, None) for name in dir(cls))
    return any(getattr(attribute, "__isabstractmethod__", False) for attribute in attributes)


def _plugin(value: Any) -> bool:
    """Whether it is a public class that a YAML may name."""
    return (
        isinstance(value, type)
        and not value.__name__.startswith("_")
        and not _abstract(value)
        and any(
            b.__name__ in CONTRACTS and b.__module__.startswith("plasticity.core.")
            for b in value.__mro__
        )
    )


@cache  # what runs is what was imported, whatever the files say later
def _source(cls: type) -> str:
    try:
        text = inspect.getsource(cls)
    except (
        OSError,
        TypeError,
    ):  # made in a notebook's cell or by hand: its own name is all there is
        text = full_name(cls)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
