"""Explain: what a YAML can name, its arguments, and a snippet to begin with; all from signatures and docstrings."""

import re
from collections.abc import Sequence
from inspect import cleandoc
from types import NoneType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from plasticity.config.json_schema import told
from plasticity.config.plugins import full_name, known
from plasticity.config.recipe import describe, form, parameters, plain, show
from plasticity.config.schema import Schema
from plasticity.config.yaml_source import Located
from plasticity.core.errors import ConfigError, Problem, did_you_mean
from plasticity.core.stream import Stream
from plasticity.core.tunnel import Tunnel
from plasticity.launch.experiment import Experiment

NUMBERS = (1, 0.5, 0, 2, -1)
"""Tried in this order where a number must be given."""
MOST_NAMED = 40
"""Names that a message lists at most."""


class Argument(NamedTuple):
    """One key of a mapping in the YAML."""

    name: str
    takes: str
    """Type and bounds, in words."""
    default: str
    """In YAML; empty: it must be given."""
    told: str
    """What the docstring says of it."""


class Explanation(NamedTuple):
    """All that there is to know of one class before it is used."""

    title: str
    text: str
    """The docstring without its list of arguments: claim, law, source."""
    arguments: list[Argument]
    snippet: str
    """YAML that can be put over any experiment; empty: an experiment is one."""


def objects(contracts: Sequence[type], root: type = Experiment) -> dict[str, type]:
    """Key of a file -> the class whose arguments stand there: pretrain, pretrain.meta, hardware ...

    Args:
        contracts: the base classes whose subclasses are chosen by `type`.
        root: the class of the whole file.
    """
    found: dict[str, type] = {}
    for name, hint in get_type_hints(root.__init__, include_extras=True).items():
        kind, base, args, _ = form(hint, tuple(contracts))
        members = args if kind == "union" else [hint]
        for member in (form(each, tuple(contracts)) for each in members):
            if member.kind == "dict" and member.args[1:]:
                member = form(member.args[1], tuple(contracts))
            if member.kind == "object" and name != "return":
                inside = objects(contracts, member.base)
                found |= {name: member.base} | {f"{name}.{k}": cls for k, cls in inside.items()}
    return found


def shelves(contracts: Sequence[type]) -> dict[str, dict[str, list[type]]]:
    """Kind -> name -> classes: of the experiment, of what it can choose, and of what else has arguments."""
    found: dict[str, dict[str, list[type]]] = {"experiment": {"Experiment": [Experiment]}}
    schema = Schema(contracts, Located(None))
    for base in contracts:
        fit = {k: [c for c in v if schema.fits(c)] for k, v in known(base, contracts).items()}
        found[base.__name__.lower()] = {name: some for name, some in fit.items() if some}
    return found | {key: {cls.__name__: [cls]} for key, cls in objects(contracts).items()}


def explain(cls: type, key: str, contracts: Sequence[type]) -> Explanation:
    """What a class is, what it takes, and how it stands in a YAML.

    Args:
        cls: a class of a contract, of a key of an experiment, or the experiment.
        key: where it stands: strategy, pretrain; empty: at the top.
        contracts: the base classes whose subclasses are chosen by `type`.
    """
    hints, words = get_type_hints(cls.__init__, include_extras=True), told(cls)
    arguments = [
        Argument(
            name,
            _takes(hints.get(name, Any), tuple(contracts)),
            "" if p.default is p.empty else _flow(plain(p.default)),
            words.get(name, ""),
        )
        for name, p in parameters(cls).items()
    ]
    text = re.split(r"^(?:Args|Raises):$", cleandoc(cls.__doc__ or ""), flags=re.M)[0].strip()
    title = f"{key} {cls.__name__} ({full_name(cls)})" if key else cls.__name__
    return Explanation(title, text, arguments, _snippet(cls, key, contracts) if key else "")


def _takes(hint: Any, contracts: tuple[type, ...]) -> str:
    """Type and bounds in words; of what has arguments of its own, where to read on."""
    kind, base, args, _ = form(hint, contracts)
    words = describe(hint, contracts)
    if kind == "list" and args:
        return f"{words} of: {_takes(args[0], contracts)}"
    if kind == "dict" and args:
        return f"{words} of names to: {_takes(args[1], contracts)}"
    if kind == "contract":
        return f"{words}, see: plasticity explain {base.__name__.lower()}"
    if kind == "union":
        members = sorted(args, key=lambda member: member is NoneType)
        return " or ".join(_takes(member, contracts) for member in members)
    return words


def pick(kind: str, name: str, choices: Sequence[str], also: Sequence[str] = ()) -> str:
    """The name, if it is among the choices.

    Args:
        kind: what is chosen.
        name: as it was typed.
        choices: those there are.
        also: what else may have been meant.

    Raises:
        ConfigError: it is not; with the nearest one.
    """
    if name in choices:
        return name
    near = did_you_mean(name, [*also, *choices])
    many = len(choices) > MOST_NAMED
    some = f"All: plasticity explain {kind}" if many else f"Known: {', '.join(choices)}"
    text = f"unknown {kind} {show(name)}.{near} {some}"
    raise ConfigError([Problem("command line", text)])


SEVERAL = {"strategy": "strategies", "logger": "loggers"}
"""Kind -> the key under which a list of such stands."""


def _snippet(cls: type, key: str, contracts: Sequence[type]) -> str:
    """A YAML that names the class with its defaults; what must be given is made up, and marked."""
    made, schema = Sampler(contracts), Schema(contracts, Located(None))
    value = made.arguments(cls)
    for name, p in parameters(cls).items():
        if p.default is not p.empty and p.default is not None:
            value.setdefault(name, plain(p.default))
    if issubclass(cls, tuple(contracts)):
        value = {"type": cls.__name__, **value}
    whole: Any = [value] if key in SEVERAL else value
    for part in reversed(key.split(".")):
        whole = {SEVERAL.get(key, part): whole}
    if issubclass(cls, Tunnel):
        streams = [s for each in known(Stream, contracts).values() for s in each if schema.fits(s)]
        whole = {"stream": {"type": streams[0].__name__, "tunnels": [value]}}
    note = f"# to be filled in: {', '.join(made.blanks)}\n" if made.blanks else ""
    return note + yaml.safe_dump(whole, sort_keys=False, default_flow_style=None, width=100)


class Sampler:
    """Makes values that annotations allow, for what has no default."""

    def __init__(self, contracts: Sequence[type]):
        self.contracts, self.schema = tuple(contracts), Schema(contracts, Located(None))
        self.blanks: list[str] = []
        """Arguments whose value says nothing."""

    def arguments(self, cls: type) -> dict[str, Any]:
        """A value for each argument that must be given."""
        hints = get_type_hints(cls.__init__, include_extras=True)
        needed = [name for name, p in parameters(cls).items() if p.default is p.empty]
        return {name: self.value(hints.get(name, Any), name) for name in needed}

    def value(self, hint: Any, name: str) -> Any:
        """One that the annotation allows."""
        kind, base, args, _ = form(hint, self.contracts)
        if kind == "contract":
            found = [c for each in known(base, self.contracts).values() for c in each]
            bare = [c for c in found if self.schema.fits(c) and not self._needs(c)]
            return {"type": bare[0].__name__} if bare else {}
        if kind == "object":
            return self.arguments(base)
        if kind == "list":
            return [self.value(args[0], name)] if args else []
        if kind == "union":
            return self.value(args[0], name)
        if get_origin(base) is not None and get_args(base) and kind == "leaf":
            return get_args(base)[0]
        self.blanks.append(name)
        adapter = TypeAdapter(self.schema.annotation(hint))
        for value in (*NUMBERS, True, name, {}):
            try:
                adapter.validate_python(value, strict=True)
            except ValidationError:
                continue
            return value
        return None

    def _needs(self, cls: type) -> bool:
        """Whether anything must be given."""
        return any(p.default is p.empty for p in parameters(cls).values())


def _flow(value: Any) -> str:
    """The value in one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")
