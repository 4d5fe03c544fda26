"""Named: the subject of `plasticity check`, by its dotted name and its constructor's arguments."""

import importlib
import re
from collections.abc import Sequence
from dataclasses import make_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import GenericAlias
from typing import Any

from plasticity.checks.kit import KINDS, WANTED
from plasticity.config.plugins import fault, full_name, known
from plasticity.config.recipe import Recipe
from plasticity.config.schema import parse
from plasticity.config.yaml_source import COMMAND_LINE, read
from plasticity.core.errors import ConfigError, Problem, did_you_mean


def named(dotted: str, options: Sequence[str], contracts: Sequence[type]) -> Any:
    """What `run` takes: the object of that name, or a recipe if it is a class.

    Args:
        dotted: package.Class; or package.name of a metric, a tunnel or a recipe.
        options: `--size=4`: arguments of the class, validated as those of a YAML file are.
        contracts: what an argument may choose among by `type`.

    Raises:
        ConfigError: there is no such thing; or an option does not fit, or one is missing.
    """
    found = _find(dotted, contracts)
    if not isinstance(found, type):
        if options:
            raise _refusal(
                dotted, f"expected no arguments for what is made already, got {options[0]}"
            )
        return found
    base = next((base for base in KINDS if issubclass(found, base)), None)
    if base is None:
        raise _refusal(dotted, f"expected {WANTED}, got another class")
    if missing := [name for name in dir(found) if _abstract(found, name)]:
        text = (
            f"expected a class that can be used, this one is abstract: write {', '.join(missing)}"
        )
        raise _refusal(dotted, text)
    return _recipe(found, base.__name__.lower(), options, contracts)


def _find(dotted: str, contracts: Sequence[type]) -> Any:
    module, _, name = dotted.rpartition(".")
    near = _installed(name, contracts)
    if not module or not name:
        raise _refusal(dotted, f"expected package.Class.{near}".removesuffix("."))
    try:
        inside = importlib.import_module(module)
    except Exception as error:
        why = f"{module} cannot be imported: {fault(error, module)}"
        if isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]:
            hint = "; is its package installed (pip install --editable FOLDER), or in this folder?"
            why += f".{near}" if near else hint
        raise _refusal(dotted, f"expected package.Class, and {why}") from error
    if not hasattr(inside, name):
        text = f"there is no {name!r} in {module}.{did_you_mean(name, vars(inside)) or near}"
        raise _refusal(dotted, text.removesuffix("."))
    return getattr(inside, name)


def _installed(name: str, contracts: Sequence[type]) -> str:
    """` Did you mean 'package.Class'?` of a class of that name in any plugin; empty if there is none."""
    found = [cls for base in KINDS for each in known(base, contracts).values() for cls in each]
    same = [full_name(cls) for cls in found if cls.__name__.lower() == name.lower()]
    return f" Did you mean {same[0]!r}?" if same else ""


def _recipe(cls: type, noun: str, options: Sequence[str], contracts: Sequence[type]) -> Recipe[Any]:
    """The class and its arguments, by way of the YAML that would say the same."""
    for option in options:
        if not option.startswith("--") or "=" not in option:
            raise _refusal(str(COMMAND_LINE), f"expected --argument=value, got {option!r}")
    overrides = [f"--{noun}.{option.removeprefix('--')}" for option in options]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "subject.yaml"
        file.write_text(f"{noun}: {{type: {cls.__name__}}}", encoding="utf-8")
        tree = read(file, overrides)
    tree.values = dict.fromkeys(tree.values, COMMAND_LINE)
    tree.keys = dict.fromkeys(tree.keys, COMMAND_LINE)
    root = make_dataclass("Subject", [(noun, GenericAlias(Recipe, (cls,)))])
    try:
        return getattr(parse(root, tree, contracts), noun)
    except ConfigError as error:
        raise ConfigError([_as_option(problem) for problem in error.problems]) from None


EXAMPLES = {"tunnels": "[{type: Urn, alpha: [1, 1]}]", "tunnel": "{type: Urn, alpha: [1, 1]}"}
"""Argument that is asked for -> what most classes that ask for it can be tried with."""


def _as_option(problem: Problem) -> Problem:
    """A missing argument: how to give it, in quotes that a shell leaves alone."""
    if missing := re.match(r"missing key '(\w+)'", problem.text):
        key = missing[1]
        option = f"'--{key}={EXAMPLES[key]}'" if key in EXAMPLES else f"--{key}=VALUE"
        return problem._replace(text=f"{problem.text}; give it as {option}")
    return problem


def _abstract(cls: type, name: str) -> bool:
    return getattr(getattr(cls, name, None), "__isabstractmethod__", False)


def _refusal(where: str, text: str) -> ConfigError:
    return ConfigError([Problem(where, text)])
