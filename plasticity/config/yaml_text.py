"""YAML's syntax: from text to nodes, as YAML 1.2 has it, and what is wrong with the text in human words."""

import re
from typing import Any, NamedTuple

import yaml

from plasticity.core.errors import ConfigError, Problem

Keys = tuple[str | int, ...]
"""Path to a value: keys of mappings and indices of lists."""
TAG = "tag:yaml.org,2002:"


class Spot(NamedTuple):
    """A place in a file, 1-based; line 0: no place in it."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


COMMAND_LINE = Spot("command line")


def problem_at(spot: Spot, path: Keys, text: str) -> Problem:
    """A problem whose place is written `file:line:column: path`."""
    words = [k if (k := str(key)).isprintable() else repr(k) for key in path]
    where = ": ".join(part for part in (str(spot), ".".join(words)) if part)
    return Problem(where, text, spot.line, spot.column)


def refusal(spot: Spot, text: str) -> ConfigError:
    """One problem, as an exception."""
    return ConfigError([problem_at(spot, (), text)])


class _Loader(yaml.SafeLoader):
    """Plain scalars as in YAML 1.2's core schema (yaml.org/spec/1.2.2, section 10.3.2)."""

    yaml_implicit_resolvers: dict[str, Any] = {}


for _name, _pattern in {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(?i:inf)|\.(?i:nan)",
    "merge": r"<<",
}.items():
    _Loader.add_implicit_resolver(TAG + _name, re.compile(rf"(?:{_pattern})\Z"), None)
RESOLVER = _Loader("")
"""Says what an unquoted scalar is."""
_IN_WORDS = {
    "are not allowed here": "a ':' or '-' does not fit here: indent, or quote it",
    "expected the node content": "a value is missing here",
    "expected alphabetic or numeric": "expected a name after & or *, or quote it",
    "'\\t' that cannot start any token": "a tab cannot stand here: indent by spaces",
    "cannot start any token": "this character cannot begin a value: quote the text",
    "could not find expected ':'": "expected 'key: value'",
    "expected <block end>": "this line is indented differently from its neighbours",
    "undefined alias": "there is no anchor of this name above",
    "unexpected end of stream": "a quote is opened and never closed",
    "expected ',' or ']'": "a list that is not closed: expected ',' or ']'",
    "expected ',' or '}'": "a mapping that is not closed: expected ',' or '}'",
    "another document": "a second document begins ('---'): expected one",
}

_GLUED = re.compile(r"\s*(?:- )?\w+:(?=\w)")
"""A key and its value without a space between them, which YAML takes for one word that goes on in the next line."""


def compose(text: str, file: Spot) -> yaml.Node | None:
    """The node graph of the one document; an override's has no lines.

    Raises:
        ConfigError: it is not YAML; in human words, where it was noticed.
    """
    at: tuple[int, int] | None = None
    try:
        return _Loader(text).get_single_node()
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        at = (before.count("\n") + 1, error.position - before.rfind("\n"))
        why = f"character {ord(text[error.position]):#04x} is not allowed"
    except yaml.MarkedYAMLError as error:
        problem = error.problem or str(error)
        why = next((words for known, words in _IN_WORDS.items() if known in problem), problem)
        opened = problem.startswith(("could not find", "found unexpected end", "expected ','"))
        if mark := (error.context_mark if opened else None) or error.problem_mark:
            at = (mark.line + 1, mark.column + 1)
            above = text.splitlines()[mark.line - 1] if mark.line else ""
            if problem.startswith("mapping values") and (glued := _GLUED.match(above)):
                at, why = (mark.line, glued.end()), "expected a space after ':'"
    except RecursionError:
        why = "nested too deeply"
    except (ValueError, OverflowError):
        why = "a number or an escape is out of range"
    spot = Spot(file.file, *at) if at and file is not COMMAND_LINE else file
    raise refusal(spot, f"not valid YAML: {why}")
