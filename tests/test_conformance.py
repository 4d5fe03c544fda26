"""Every first-party part passes the kit that a stranger's must pass."""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

import pytest

import plasticity.networks
import strategies
import streams
from plasticity import Network, Recipe, Strategy, Stream, Tunnel, discover, recipe
from plasticity.checks import parametrize_with_checks
from plasticity.core.detector import ADWIN, PageHinkley
from plasticity.core.optimizer import SGD, AdamW
from plasticity.metrics.glossary import own
from streams import Conversations, FromFile, Revised, Revolution

from .sizes import COIN, SIZES, subjects

TUNNELS = subjects(discover(streams.__name__), Tunnel)
STRATEGIES = subjects(discover(strategies.__name__), Strategy)
NETWORKS = [
    recipe(found.cls, width=32)
    for found in subjects(discover(plasticity.networks.__name__), Network)
]
UNTRIED = (Conversations, Revised, Revolution, FromFile)
"""They want tunnels of one kind, or a file: their own tests try them."""
STREAMS = [
    Recipe(size.cls, {"tunnels": [COIN], "batch": 4, "time": 3, "probe": 3, **size.args})
    for size in SIZES
    if issubclass(size.cls, Stream)
]
OPTIMIZERS, DETECTORS = [AdamW, recipe(SGD, momentum=0.9)], [PageHinkley, ADWIN]


@parametrize_with_checks(
    TUNNELS,
    STRATEGIES,
    NETWORKS,
    streams=STREAMS,
    optimizers=OPTIMIZERS,
    detectors=DETECTORS,
    metrics=own(),
)
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
        (streams, Stream, [*STREAMS, *map(recipe, UNTRIED)]),
    ],
)
def test_no_first_party_class_is_left_out(
    package: ModuleType, base: type, tried: list[Recipe[Any]]
) -> None:
    assert concrete(package, base) == {subject.cls for subject in tried}


def test_no_size_is_for_nothing() -> None:
    assert {size.cls for size in SIZES} <= {
        s.cls for s in (*TUNNELS, *STRATEGIES, *NETWORKS, *STREAMS)
    }
