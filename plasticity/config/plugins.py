"""Plugins: packages that bring tunnels, strategies and networks, found by their entry points."""

import hashlib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from importlib.metadata import entry_points
from traceback import walk_tb
from typing import Any, NamedTuple

from plasticity.core.errors import reason

GROUPS = ("plasticity.tunnels", "plasticity.strategies", "plasticity.networks")
"""Entry-point groups; an entry point names a module that defines or imports the classes."""


FORMAT = 5
"""Of what our own packages compute from the same configuration: raised with every change of a stored number, or of the
files that are kept."""
OURS = ("plasticity", "streams", "strategies")


class Failure(NamedTuple):
    """A plugin that could not be imported."""

    distribution: str
    """Name of the installed package."""
    group: str
    module: str
    reason: str

    def __str__(self) -> str:
        return f"{self.distribution}: {self.group} {self.module} cannot be imported: {self.reason}"


def load() -> list[Failure]:
    """Import the modules of every installed plugin; those that fail are skipped, and returned.

    Nothing is imported before this is called, and calling it again costs nothing.
    """
    failures: list[Failure] = []
    for group in GROUPS:
        for point in sorted(set(entry_points(group=group)), key=lambda p: (p.name, p.value)):
            try:
                importlib.import_module(point.module)
            except (Exception, SystemExit) as error:
                name = point.dist.name if point.dist else point.name
                why = fault(error, point.module)
                if isinstance(error, ModuleNotFoundError) and point.module == error.name:
                    why += (
                        f"; is it gone (pip uninstall {name}), or misnamed in its pyproject.toml?"
                    )
                failures.append(Failure(name, group, point.module, why))
    return failures


def discover(package: str) -> dict[str, Any]:
    """Import every module below a package: name -> class, of the tunnels, streams, strategies and networks there.

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
    bases = {"Tunnel", "Stream", "Strategy", "Network"}
    return (
        isinstance(value, type)
        and not value.__name__.startswith("_")
        and not _abstract(value)
        and any(
            b.__name__ in bases and b.__module__.startswith("plasticity.core.")
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
