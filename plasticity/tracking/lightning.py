"""Loggers of Lightning, by name: constructors are read from source, and Lightning is imported by a run only."""

import ast
import importlib
import inspect
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Optional, Union

from plasticity.config.recipe import Recipe
from plasticity.core.logger import Logger

PACKAGE = "pytorch_lightning"
NEEDS = {
    "TensorBoardLogger": ("tensorboard", "tensorboardX"),
    "MLFlowLogger": ("mlflow",),
    "CometLogger": ("comet_ml",),
}
"""Logger -> modules of which it needs one; the first is named where none is installed."""
PIP = {"comet_ml": "comet-ml"}
LEFT_OUT = ("Logger", "WandbLogger", "LitLogger")
"""The contract itself; wandb, which has a key of its own; and one that goes online by itself."""
FOLDER = ("save_dir", "root_dir")
"""What a logger calls the folder that it writes to."""
HIDDEN = {"CometLogger": "offline_directory"}
"""The same, where it is no argument of its own."""
INSIDE = ("name", "version", "sub_dir")
"""Arguments that become folders below that one."""
QUIET: dict[str, dict[str, Any]] = {
    "CometLogger": {"online": False, "mode": "create"},
    "MLFlowLogger": {"tracking_uri": None},
    "TensorBoardLogger": {"default_hp_metric": False},
}
"""Defaults of ours: nothing leaves the machine, and no number is told that nobody measured."""
WORDS: dict[str, Any] = {
    "Any": Any, "Literal": Literal, "Optional": Optional, "Union": Union, "_PATH": str,
    "Mapping": Mapping, "bool": bool, "dict": dict, "float": float, "int": int, "list": list, "str": str,
}  # fmt: skip
"""Names in annotations; an argument of another type cannot stand in a YAML."""


@cache
def load() -> Sequence[type[Logger]]:
    """A class for each logger of the installed Lightning, with the arguments and the docstring of Lightning's."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return ()
    home = Path(spec.origin).parent / "loggers"
    found = [
        _described(node)
        for file in sorted(home.glob("*.py"))
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name in _public(home)
    ]
    return tuple(found)


def __getattr__(name: str) -> type[Logger]:
    """A class of `load` under the name that `plasticity explain` gives it, for `plasticity check`."""
    for cls in load():
        if cls.__name__ == name:
            return cls
    raise AttributeError(f"module {__name__} has no attribute {name!r}")


def folders(loggers: Sequence[Recipe[Logger]]) -> list[str]:
    """The folder of each logger inside `loggers/` of a cell: its own argument, or else its type.

    Raises:
        ValueError: it is not inside the cell, or two are one.
    """
    found = list[str]()
    for recipe in loggers:
        given = next((recipe.args[k] for k in FOLDER if recipe.args.get(k)), recipe.cls.__name__)
        place = PurePosixPath(given)
        if place.is_absolute() or ".." in place.parts or "://" in given or not place.parts:
            raise ValueError(
                f"loggers: expected a save_dir inside the cell's folder, as logs, got {given}"
            )
        for key in INSIDE:
            below = PurePosixPath(str(recipe.args.get(key) or "."))
            if below.is_absolute() or ".." in below.parts:
                raise ValueError(
                    f"loggers: expected a {key} inside the cell's folder, got {recipe.args[key]}"
                )
        if str(place) in found:
            raise ValueError(f"loggers: expected a save_dir of its own for each, got {place} twice")
        found.append(str(place))
    return found


@cache
def _public(home: Path) -> set[str]:
    tree = ast.parse((home / "__init__.py").read_text(encoding="utf-8"))
    names = {a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
    return names - {*LEFT_OUT}


def _described(node: ast.ClassDef) -> type[Logger]:
    """A class that takes what Lightning's takes, and makes one of it."""
    (init,) = (f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__")
    name, takes = node.name, list(_parameters(node.name, init.args))
    defaults = {p.name: p.default for p in takes if p.default is not p.empty}

    def made(self: Any, **given: Any) -> None:
        self.told = defaults | given
        needs = NEEDS.get(name, ())
        if needs and not any(map(find_spec, needs)):
            raise ValueError(
                f"type: {name} needs {needs[0]}: pip install {PIP.get(needs[0], needs[0])}"
            )

    def make(self: Any, folder: Path) -> Any:
        own = {key: str(folder) for key in FOLDER if key in defaults}
        if name in HIDDEN:
            own[HIDDEN[name]] = str(folder)
        return _mended(name)(**{**self.told, **own})

    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    made.__signature__ = inspect.Signature([this, *takes])  # type: ignore[attr-defined] read by inspect
    made.__annotations__ = {p.name: p.annotation for p in takes}
    body = {"__init__": made, "make": make, "__module__": __name__}
    return type(name, (Logger,), body | {"__doc__": _told_of(node)})


def _told_of(node: ast.ClassDef) -> str:
    """The first sentence of Lightning's docstring, without markup, and its arguments: between lies code of others."""
    lead, _, rest = (ast.get_docstring(node) or "").partition("\n\n")
    lead = re.sub(r"`([^`<]+?) *<[^`]*>`_+", r"\1", " ".join(lead.split()))
    args = re.search(r"^Args:\n(?:[ \t].*\n?|\n)*", rest, re.M)
    return f"{lead}\n\n{args[0]}" if args else lead


def _mended(name: str) -> Any:
    """Lightning's class, made to write all that it is told into its folder, without a server."""
    cls = getattr(importlib.import_module(f"{PACKAGE}.loggers"), name)
    if name == "MLFlowLogger":  # version 3 reads and writes files, but not unless it is asked to
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    if name != "CometLogger":
        return cls

    class OwnExperiment(cls):
        """An experiment for each cell, which ends with it, and writes although it is offline."""

        def _create_experiment(self) -> None:
            comet = importlib.import_module("comet_ml")
            # Not the disabled one; and it does not listen to what other loggers are told, which it is told itself.
            quiet = {"auto_metric_logging": False, "auto_param_logging": False}
            self._comet_config = comet.ExperimentConfig(**quiet, **self._kwargs)
            super()._create_experiment()

        def finalize(self, status: str) -> None:
            super().finalize(status)
            self.experiment.end()

    return OwnExperiment


def _hint(node: ast.expr) -> Any:
    """An annotation, of the WORDS that are known; nothing is evaluated.

    Raises:
        LookupError: it is made of anything else.
    """
    if isinstance(node, ast.Name):
        return WORDS[node.id]
    if isinstance(node, ast.Constant) and node.value is None:
        return None
    if isinstance(node, ast.Tuple):
        return tuple(map(_hint, node.elts))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _hint(node.left) | _hint(node.right)
    if isinstance(node, ast.Subscript):
        of = _hint(node.value)
        return of[ast.literal_eval(node.slice) if of is Literal else _hint(node.slice)]
    raise LookupError(ast.unparse(node))


def _parameters(name: str, args: ast.arguments) -> Iterator[inspect.Parameter]:
    """Those that a YAML can give; the folder and what is quiet have defaults of ours."""
    nodes, some = [*args.posonlyargs, *args.args][1:], args.defaults
    none: list[ast.expr | None] = [None] * (len(nodes) - len(some))
    pairs = [*zip(nodes, [*none, *some], strict=True)]
    for arg, node in [*pairs, *zip(args.kwonlyargs, args.kw_defaults, strict=True)]:
        ours = QUIET.get(name, {}) | dict.fromkeys(FOLDER)
        try:
            hint = _hint(arg.annotation or ast.Name("Any"))
        except LookupError:
            continue
        if arg.arg in FOLDER:
            hint = str | None
        try:
            default = inspect.Parameter.empty if node is None else ast.literal_eval(node)
        except ValueError:
            default = None
        kind = inspect.Parameter.KEYWORD_ONLY
        default = ours.get(arg.arg, default)
        default = None if arg.arg in FOLDER else default
        yield inspect.Parameter(arg.arg, kind, default=default, annotation=hint)
