"""Every first-party part passes the kit that a stranger's must pass."""

import importlib
import inspect
import pkgutil
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest

import plasticity.core
import plasticity.networks
import strategies
import streams
from plasticity import Network, Recipe, Strategy, Stream, Tunnel, discover, recipe
from plasticity.checks import parametrize_with_checks
from plasticity.core.detector import Detector
from plasticity.core.optimizer import Optimizer
from plasticity.metrics.glossary import own
from plasticity.tracking import lightning
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
OPTIMIZERS = subjects(discover(plasticity.core.__name__), Optimizer)
DETECTORS = subjects(discover(plasticity.core.__name__), Detector)
SERVICES = ("MLFlowLogger", "CometLogger")
"""Loggers that change the process that they are imported in: tests/plasticity/tracking tries them in others."""
LOGGERS = [
    recipe(cls)
    for cls in lightning.load()
    if cls.__name__ not in SERVICES
    and any(map(find_spec, lightning.NEEDS.get(cls.__name__, ["pytorch_lightning"])))
]
"""Those whose packages are installed."""


@parametrize_with_checks(
    TUNNELS,
    STRATEGIES,
    NETWORKS,
    streams=STREAMS,
    optimizers=OPTIMIZERS,
    detectors=DETECTORS,
    loggers=LOGGERS,
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
        (plasticity.core, Optimizer, OPTIMIZERS),
        (plasticity.core, Detector, DETECTORS),
    ],
)
def test_no_first_party_class_is_left_out(
    package: ModuleType, base: type, tried: list[Recipe[Any]]
) -> None:
    assert concrete(package, base) == {subject.cls for subject in tried}


def test_no_logger_of_lightnings_is_left_out() -> None:
    """Those that Lightning exports, but for wandb, which has a key of its own, and what is always online."""
    from pytorch_lightning import loggers

    named = {cls.__name__ for cls in lightning.load()}
    assert named == {*loggers.__all__} - {"Logger", "WandbLogger", "LitLogger"}
    assert {subject.cls.__name__ for subject in LOGGERS} >= named - {*SERVICES, "TensorBoardLogger"}


def test_no_size_is_for_nothing() -> None:
    assert {size.cls for size in SIZES} <= {
        s.cls for s in (*TUNNELS, *STRATEGIES, *NETWORKS, *STREAMS, *OPTIMIZERS)
    }
