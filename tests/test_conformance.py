"""Every first-party tunnel, strategy and network passes the kit that a stranger's must pass."""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

import pytest

import plasticity.networks
import strategies
import streams
from plasticity import Network, Recipe, Strategy, Tunnel, discover, recipe
from plasticity.checks import parametrize_with_checks

from .sizes import SIZES, subjects

TUNNELS = subjects(discover(streams.__name__), Tunnel)
STRATEGIES = subjects(discover(strategies.__name__), Strategy)
NETWORKS = [
    recipe(found.cls, width=32)
    for found in subjects(discover(plasticity.networks.__name__), Network)
]


@parametrize_with_checks(TUNNELS, STRATEGIES, NETWORKS)
def test_conformance(subject: Any, check: Any) -> None:
    check(subject)


def concrete(package: ModuleType, base: type) -> set[type]:
    """Concrete descendants that any module of the package defines, however they are named."""
    paths = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    modules = [package, *(importlib.import_module(path.name) for path in paths)]
    found = {
        cls
        for module in modules
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, base) and cls.__module__ == module.__name__
    }
    # An nn.Module's abstract methods are invisible to inspect.isabstract.
    return {
        cls
        for cls in found
        if not any(getattr(getattr(cls, n, None), "__isabstractmethod__", False) for n in dir(cls))
    }


@pytest.mark.parametrize(
    ("package", "base", "tried"),
    [
        (streams, Tunnel, TUNNELS),
        (strategies, Strategy, STRATEGIES),
        (plasticity.networks, Network, NETWORKS),
    ],
)
def test_no_first_party_class_is_left_out(
    package: ModuleType, base: type, tried: list[Recipe[Any]]
) -> None:
    assert concrete(package, base) == {subject.cls for subject in tried}


def test_no_size_is_for_nothing() -> None:
    assert {size.cls for size in SIZES} <= {s.cls for s in (*TUNNELS, *STRATEGIES, *NETWORKS)}
