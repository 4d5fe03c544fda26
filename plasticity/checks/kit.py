"""Kit: run every check that applies to a subject, from pytest or from anywhere."""

import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from unittest import SkipTest

import torch
from torch import nn

from plasticity.checks.detectors import DETECTOR_CHECKS
from plasticity.checks.loggers import LOGGER_CHECKS
from plasticity.checks.metrics import METRIC_CHECKS
from plasticity.checks.networks import NETWORK_CHECKS
from plasticity.checks.optimizers import OPTIMIZER_CHECKS
from plasticity.checks.schedules import STREAM_CHECKS
from plasticity.checks.strategies import STRATEGY_CHECKS
from plasticity.checks.tunnels import TUNNEL_CHECKS
from plasticity.config.recipe import Recipe, given_to
from plasticity.core.detector import Detector
from plasticity.core.errors import did_you_mean, reason
from plasticity.core.logger import Logger
from plasticity.core.network import Network
from plasticity.core.optimizer import Optimizer
from plasticity.core.strategy import Strategy
from plasticity.core.stream import Stream
from plasticity.core.tunnel import Tunnel
from plasticity.metrics.formula import Formula

if TYPE_CHECKING:
    import pytest

Check = Callable[[Any], None]
"""Raises AssertionError, with what was measured and what was expected; SkipTest where it does not apply."""
CHECKS: dict[type, Sequence[Check]] = {
    Tunnel: TUNNEL_CHECKS,
    Stream: STREAM_CHECKS,
    Strategy: STRATEGY_CHECKS,
    Network: NETWORK_CHECKS,
    Optimizer: OPTIMIZER_CHECKS,
    Detector: DETECTOR_CHECKS,
    Logger: LOGGER_CHECKS,
    Formula: METRIC_CHECKS,
}
KINDS = tuple(base for base in CHECKS if base is not Formula)
"""Whose classes are checked; a metric is a formula, which is what it is."""
WANTED = f"a {', '.join(base.__name__.lower() for base in KINDS)} or metric"
GIVEN = {"vocab": 3, "symbols": 3, "seed": 0}
"""What the engine supplies, to see whether a constructor takes it."""
HERE = Path(__file__).parent.parent
"""All of this package."""


class Result(NamedTuple):
    """What came of one check."""

    title: str
    verdict: Literal["passed", "skipped", "FAILED"]
    why: str = ""


def prepared(subject: Any) -> Tunnel | Formula[..., Any] | Recipe[Any]:
    """What checks take: a tunnel, a metric, or how to make anything else.

    Args:
        subject: a tunnel or a metric; or a class, or a recipe, of anything that a YAML names by `type`.

    Raises:
        TypeError: it is something else; or its constructor refuses: it needs arguments.
    """
    if isinstance(subject, Tunnel | Formula):
        return subject
    made = Recipe(subject) if isinstance(subject, type) else subject
    if not isinstance(made, Recipe) or not issubclass(made.cls, KINDS):
        raise TypeError(f"expected {WANTED}, or a class or recipe of one; got {subject!r}")
    if issubclass(made.cls, Tunnel):
        return made.build()
    given = {name: GIVEN[name] for name in given_to(made.cls)}
    built = made.build(**given)
    if isinstance(built, nn.Module) and "_modules" not in vars(built):
        raise TypeError("expected its __init__ to call super().__init__(...) first; it does not")
    return made


def checks(subject: Any) -> Sequence[Check]:
    """The checks of what `prepared` returned."""
    found = next(found for base, found in CHECKS.items() if issubclass(_class(subject), base))
    return [_in_one_thread(check) for check in found]


def title(check: Check) -> str:
    """`check_posterior_is_causal` -> `posterior is causal`."""
    return check.__name__.removeprefix("check_").replace("_", " ")


def run(subject: Any) -> Iterator[Result]:
    """Run every check that applies, one by one.

    Args:
        subject: a tunnel or a metric; or a class, or a recipe, of anything that a YAML names by `type`.

    Raises:
        TypeError: it is something else; or its constructor refuses: it needs arguments.
    """
    made = prepared(subject)
    return (_result(check, made) for check in checks(made))


def _in_one_thread(check: Check) -> Check:
    """What is checked is tiny: more threads wait for each other, for minutes where the machine is busy."""

    @wraps(check)
    def alone(subject: Any) -> None:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            check(subject)
        finally:
            torch.set_num_threads(threads)

    return alone


def _result(check: Check, subject: Any) -> Result:
    try:
        check(subject)
    except AssertionError as error:
        return Result(title(check), "FAILED", str(error))
    except SkipTest as error:
        return Result(title(check), "skipped", str(error))
    except Exception as error:
        home = subject.call if isinstance(subject, Formula) else _class(subject)
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename == inspect.getsourcefile(home)]
        ours = [frame for frame in frames if Path(frame.filename).is_relative_to(HERE)]
        place = (own or ours)[-1]
        what = f"{type(error).__name__}: {reason(error)} ({place.filename}:{place.lineno})"
        return Result(title(check), "FAILED", what)
    return Result(title(check), "passed")


def parametrize_with_checks(
    tunnels: Sequence[Tunnel | type[Tunnel] | Recipe[Tunnel]] = (),
    strategies: Sequence[type[Strategy] | Recipe[Strategy]] = (),
    networks: Sequence[type[Network] | Recipe[Network]] = (),
    expected_failures: Mapping[str, str] | None = None,
    *,
    streams: Sequence[Recipe[Stream]] = (),
    optimizers: Sequence[type[Optimizer] | Recipe[Optimizer]] = (),
    detectors: Sequence[type[Detector] | Recipe[Detector]] = (),
    loggers: Sequence[type[Logger] | Recipe[Logger]] = (),
    metrics: Sequence[Formula[..., Any]] = (),
) -> "pytest.MarkDecorator":
    """Parametrise a pytest function of (subject, check) over every check of every subject.

        @parametrize_with_checks(strategies=[MyStrategy, recipe(MyStrategy, strength=0.5)])
        def test_conformance(subject, check):
            check(subject)

    Args:
        tunnels: small instances find more: histories repeat.
        strategies: classes, or recipes where arguments matter.
        networks: likewise.
        expected_failures: name of a check -> why it fails; it must then fail (xfail, strict).
        streams: recipes, with their tunnels; a small period and few steps find more.
        optimizers: classes or recipes.
        detectors: likewise.
        loggers: likewise.
        metrics: what `@formula` makes of a function.

    Raises:
        ValueError: an expected failure names no check of these subjects.
    """
    import pytest

    reasons = dict(expected_failures or {})
    several = (tunnels, strategies, networks, streams, optimizers, detectors, loggers, metrics)
    subjects = [prepared(subject) for some in several for subject in some]
    names = {check.__name__ for subject in subjects for check in checks(subject)}
    for name in reasons.keys() - names:
        raise ValueError(f"expected_failures: unknown check {name!r}.{did_you_mean(name, names)}")
    cases = [
        pytest.param(
            subject,
            check,
            id=f"{_label(subject)}-{check.__name__}",
            marks=[pytest.mark.xfail(reason=reasons[check.__name__], strict=True)]
            if check.__name__ in reasons
            else [],
        )
        for subject in subjects
        for check in checks(subject)
    ]
    return pytest.mark.parametrize(("subject", "check"), cases)


def _class(subject: Any) -> type:
    return subject.cls if isinstance(subject, Recipe) else type(subject)


def _label(subject: Any) -> str:
    """The call that makes the subject."""
    if isinstance(subject, Formula):
        return subject.call.__name__
    if isinstance(subject, Recipe):
        args = ", ".join(f"{name}={value!r}" for name, value in subject.args.items())
        return f"{subject.cls.__name__}({args})" if args else subject.cls.__name__
    try:
        return repr(subject)
    except AttributeError:  # it does not keep its arguments, as a check will say
        return type(subject).__name__
