"""Recipe: how to make something, as data; what its constructor takes; what is wrong with it."""

import inspect
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import PurePath
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import annotated_types as at

from plasticity.core.errors import ConfigError, Problem, did_you_mean, reason

T_co = TypeVar("T_co", covariant=True)
LISTS = (list, tuple, Sequence, Collection, Iterable)
DICTS = (dict, Mapping)
NOUNS = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}
BOUNDS: dict[type, tuple[str, str]] = {
    at.Ge: ("ge", "of {} or more"),
    at.Gt: ("gt", "above {}"),
    at.Le: ("le", "up to {}"),
    at.Lt: ("lt", "below {}"),
    at.MultipleOf: ("multiple_of", "divisible by {}"),
    at.MinLen: ("min_length", "of length {} or more"),
    at.MaxLen: ("max_length", "of length {} or less"),
}
annotated: Any = Annotated
"""Annotated, for annotations that are made while the program runs."""


@dataclass(frozen=True)
class Recipe(Generic[T_co]):
    """How to make a T: a class and constructor arguments, which may hold further recipes.

    Args:
        cls: what to make.
        args: constructor arguments by name: plain, or recipes, or lists, tuples, mappings of them.
        places: of its arguments in the YAML, and at "" its own; problems without a text.
    """

    cls: type[T_co]
    args: dict[str, Any] = field(default_factory=dict)
    places: Mapping[str, Problem] | None = field(default=None, compare=False, repr=False)

    def build(self, **given: Any) -> T_co:
        """A new T; the recipes inside are built first.

        Args:
            given: what the engine supplies; a recipe inside gets what its class declares.

        Raises:
            ConfigError: a constructor refused, or asked for too much memory; only if `places` are known.
        """
        args = {name: _build(value, given) for name, value in self.args.items()}
        try:
            return self.cls(**args, **given)
        except (ValueError, TypeError, ArithmeticError, MemoryError, RuntimeError) as error:
            if self.places is None:
                raise
            raise ConfigError([self.problem(reason(error))]) from error

    def problem(self, text: str, otherwise: str = "") -> Problem:
        """A problem here; of the argument k, where that is in the YAML and the text begins with `k: `.

        Args:
            text: what was expected, and what was got.
            otherwise: where it is, if it came from no YAML.
        """
        places = self.places or {"": Problem(otherwise, "")}
        key, colon, rest = text.partition(": ")
        if colon and key in places:
            return places[key]._replace(text=rest)
        return places[""]._replace(text=text)

    def resolved(self) -> dict[str, Any]:
        """{"type": class, argument: value ...} in YAML's values, defaults filled in.

        Arguments that the engine supplies are left out.
        """
        values = {k: self.args.get(k, p.default) for k, p in parameters(self.cls).items()}
        known = {k: plain(v) for k, v in values.items() if v is not inspect.Parameter.empty}
        return {"type": self.cls.__name__, **known}


def recipe(cls: type[T_co], /, **args: Any) -> Recipe[T_co]:
    """A recipe whose argument names are those of the constructor: `recipe(EWC, strength=50)`.

    Raises:
        TypeError: the constructor takes no such argument; the message names the nearest one.
    """
    for name in args.keys() - parameters(cls).keys():
        raise TypeError(unknown_key(name, cls))
    return Recipe(cls, args)


def given_to(cls: type) -> tuple[str, ...]:
    """Constructor arguments that the engine supplies and a YAML may not."""
    return tuple(getattr(cls, "given", ()))


def parameters(cls: type) -> dict[str, inspect.Parameter]:
    """The constructor arguments that a YAML may give, in order; default factories are called."""
    _, *found = inspect.signature(cls.__init__).parameters.values()
    factories = {f.name: f.default_factory for f in fields(cls)} if is_dataclass(cls) else {}
    made: dict[str, inspect.Parameter] = {}
    for p in found:
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name not in given_to(cls):
            factory = factories.get(p.name)
            made[p.name] = p.replace(default=factory()) if callable(factory) else p
    return made


def plain(value: Any) -> Any:
    """The value in what YAML can hold: mappings, lists, strings, numbers, true, false and null.

    Raises:
        TypeError: an object does not store its constructor arguments under their own names.
    """
    if value is None or type(value) in NOUNS:
        return value
    if isinstance(value, Recipe):
        return value.resolved()
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, Sequence | AbstractSet) and not isinstance(value, str):
        return [plain(v) for v in (value if isinstance(value, Sequence) else sorted(value))]
    if isinstance(value, str | PurePath):
        return str(value)
    if callable(numbers := getattr(value, "tolist", None)):  # NumPy, torch
        return plain(numbers())
    cls = type(value)
    if missing := [name for name in parameters(cls) if not hasattr(value, name)]:
        raise TypeError(f"{cls.__name__} has no {missing[0]!r}, so it cannot be written as YAML")
    tag = {"type": cls.__name__} if any(map(inspect.isabstract, cls.__mro__)) else {}
    return tag | {name: plain(getattr(value, name)) for name in parameters(cls)}


class Form(NamedTuple):
    """What an annotation asks of a YAML."""

    kind: Literal["contract", "object", "list", "dict", "union", "leaf"]
    """A mapping with a `type`, or of arguments; a list; a mapping; one of several; a scalar."""
    base: Any
    args: tuple[Any, ...] = ()
    bounds: tuple[Any, ...] = ()


def form(hint: Any, contracts: tuple[type, ...]) -> Form:
    """Take an annotation apart."""
    hint, *bounds = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    base, args = get_origin(hint) or hint, get_args(hint)
    if base is Recipe:
        return Form("contract", args[0])
    if base in (Union, UnionType):
        inside = [a if a is NoneType or not bounds else annotated[(a, *bounds)] for a in args]
        return Form("union", hint, tuple(inside))
    if base in LISTS and not (base is tuple and args[1:] not in ((), (...,))):
        return Form("list", base, args, tuple(bounds))
    if base in DICTS:
        return Form("dict", base, args, tuple(bounds))
    if isinstance(base, type) and issubclass(base, contracts):
        return Form("contract", base)
    if inspect.isclass(base) and inspect.isfunction(base.__init__) and not inspect.isabstract(base):
        kinds = {p.kind for p in inspect.signature(base.__init__).parameters.values()}
        if not issubclass(base, PurePath) and inspect.Parameter.VAR_POSITIONAL not in kinds:
            return Form("object", base)
    return Form("leaf", hint, args, tuple(bounds))


def describe(hint: Any, contracts: tuple[type, ...]) -> str:
    """What an annotation asks for, in human words: `an integer of 1 or more`."""
    kind, base, args, bounds = form(hint, contracts)
    if kind == "union":
        members = sorted(args, key=lambda member: member is NoneType)
        return " or ".join(describe(member, contracts) for member in members)
    nouns = {
        "contract": "a mapping with a 'type' key",
        "list": "a list",
        "leaf": NOUNS.get(base, ""),
    }
    noun = nouns.get(kind, "a mapping")
    if get_origin(base) is Literal:
        noun = ("one of " if args[1:] else "") + ", ".join(map(show, args))
    elif get_origin(base) is tuple:
        noun = "a list: " + ", ".join(describe(arg, contracts) for arg in args)
    elif inspect.isclass(base) and issubclass(base, PurePath | NoneType):
        noun = "null" if base is NoneType else "a path"
    grouped = [list(b) if isinstance(b, at.GroupedMetadata) else [b] for b in bounds]
    known = [(b, *BOUNDS[type(b)]) for group in grouped for b in group if type(b) in BOUNDS]
    limits = " and ".join(words.format(show(getattr(b, name))) for b, name, words in known)
    return f"{noun or show(hint)} {limits}".strip()


def show(value: Any) -> str:
    """A value, briefly, in YAML's words."""
    if isinstance(value, dict | list):
        kind = "list" if isinstance(value, list) else "mapping"
        return f"a {kind}" if value else f"an empty {kind}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = getattr(value, "__name__", repr(value))
    return text if len(text) <= 60 else f"{text[:56]} ..."


def unknown_key(name: str, cls: type) -> str:
    """What to say of an argument that a class does not take."""
    if name in given_to(cls):
        return f"key {name!r} is filled in by the engine: leave it out"
    takes = ", ".join(parameters(cls)) or "nothing"
    near = did_you_mean(name, parameters(cls))
    return f"unknown key {name!r}.{near} {cls.__name__} takes: {takes}"


def _build(value: Any, given: dict[str, Any]) -> Any:
    if isinstance(value, Recipe):
        return value.build(**{k: v for k, v in given.items() if k in given_to(value.cls)})
    if isinstance(value, dict):
        return {k: _build(v, given) for k, v in value.items()}
    if isinstance(value, list | tuple):
        built = [_build(v, given) for v in value]
        return tuple(built) if isinstance(value, tuple) else built
    return value
