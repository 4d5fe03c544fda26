"""YAML with positions: plain values, and where each stands, so that a complaint can point at it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from plasticity.config.recipe import show
from plasticity.config.yaml_text import (
    COMMAND_LINE,
    RESOLVER,
    TAG,
    Keys,
    Spot,
    compose,
    problem_at,
    refusal,
)
from plasticity.core.errors import ConfigError, Problem, did_you_mean, reason

MOST_VALUES = 10_000
"""Anchors that make anchors that make anchors ... are refused beyond this many values."""
LARGEST = 2**63 - 1
"""Integer that seeds, sizes and tables hold."""
DEEPEST = 50
"""Levels of nesting beyond which a file is refused."""
Entries = dict[str, tuple[yaml.Node, yaml.Node]]


@dataclass
class Located:
    """A plain value and the places of its parts.

    Args:
        value: mappings, lists, strings, numbers, booleans and None.
        values: place of each value.
        keys: place of each key of a mapping.
        problems: what is wrong already, to be told together with the rest.
    """

    value: Any
    values: dict[Keys, Spot] = field(default_factory=dict)
    keys: dict[Keys, Spot] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: Keys, text: str, key: bool = False) -> Problem:
        """A problem with the value here, or with its key; at the nearest thing that has a place."""
        spot = self.keys.get(path) if key else None
        known = (self.values[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.values)
        return problem_at(spot or next(known, Spot("")), path, text)


def read(
    path: str | Path, overrides: Sequence[str] = (), configs: Sequence[str | Path] = ()
) -> Located:
    """What a YAML file says, with the files that are put over it, and overrides.

    Scalars are those of YAML 1.2: 1e-3 is a number, `no` is a word. A repeated key, an unknown tag
    or an override that fits nowhere goes to `problems`, for `schema.parse` to tell with the others.

    Args:
        path: the file; its top level is a mapping.
        overrides: `--stream.tunnels.0.symbols=4`, in order; values are YAML; mappings are created.
        configs: further files, in order. A later value replaces an earlier one; two mappings become one, key by
            key, unless each has a `type` and these differ; a list replaces a list.

    Raises:
        ConfigError: there is no such file, it is no YAML, or its top level is no mapping; of every file.
    """
    trees: list[Located] = []
    wrong: list[Problem] = []
    for each in (path, *configs):
        try:
            trees.append(_document(Path(each), Spot(str(each))))
        except ConfigError as error:
            wrong += error.problems
    if wrong:
        raise ConfigError(wrong)
    tree, *over = trees
    for upper in over:
        _put_over(tree, upper, tree.value, upper.value, ())
        tree.problems += upper.problems
    words = list(overrides)
    while words:
        word = words.pop(0)
        if "=" in word:
            _override(tree, word)
            continue
        near = ""
        if Path(word).suffix in (".yaml", ".yml"):
            near = f" To put its keys over those of {path}: --config {word}"
        elif word.startswith("--") and words and "=" not in words[0]:
            near = f" Did you mean '{word}={words.pop(0)}'?"
        text = f"expected --path.to.key=value, got {word!r}.{near}".removesuffix(".")
        tree.problems.append(problem_at(COMMAND_LINE, (), text))
    return tree


def _document(path: Path, file: Spot) -> Located:
    """The one document of a file.

    Raises:
        ConfigError: there is no such file, it is not YAML, or its top level is not a mapping.
    """
    tree = Located(None)
    node = compose(_text(path, file), file)
    if node is None:
        raise refusal(file, "the file is empty: expected a mapping")
    tree.value = _Reader(tree, file).value(node, ())
    if not isinstance(tree.value, dict):
        wrong = f"expected a mapping (key: value) at the top level, got {show(tree.value)}"
        raise ConfigError([*tree.problems, tree.problem((), wrong)])
    return tree


def _put_over(
    tree: Located, upper: Located, mine: dict[str, Any], its: dict[str, Any], path: Keys
) -> None:
    """Put the mapping of another file, and the places of what it says, over the mapping here."""
    for key, value in its.items():
        here, old = (*path, key), mine.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            if "type" not in old or value.get("type", old["type"]) == old["type"]:
                _put_over(tree, upper, old, value, here)
                continue
        mine[key] = value
        for spots, others in ((tree.values, upper.values), (tree.keys, upper.keys)):
            for stale in [each for each in spots if each[: len(here)] == here]:
                del spots[stale]
            spots |= {each: spot for each, spot in others.items() if each[: len(here)] == here}


def _text(path: Path, file: Spot) -> str:
    """The file's text.

    Raises:
        ConfigError: there is none; a sibling with a similar name is suggested.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        near = did_you_mean(path.name, (p.name for p in path.parent.glob("*.y*ml")))
        raise refusal(file, f"no such file.{near}".removesuffix(".")) from None
    except IsADirectoryError:
        raise refusal(file, "this is a directory: expected a YAML file") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or reason(error)
        raise refusal(file, f"cannot be read: {why}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        spot = Spot(str(path), before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        raise refusal(spot, "not a text file: it is not UTF-8 here") from error


class _Reader:
    """Turns nodes into plain values and writes down the places."""

    def __init__(self, tree: Located, file: Spot):
        self.tree, self.file = tree, file
        self.open: set[int] = set()
        self.count = 0

    def spot(self, node: yaml.Node) -> Spot:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        return self.file if self.file is COMMAND_LINE else Spot(self.file.file, line, column)

    def complain(self, node: yaml.Node, path: Keys, text: str) -> None:
        self.tree.problems.append(problem_at(self.spot(node), path, text))

    def enter(self, node: yaml.Node, path: Keys) -> None:
        """Count a value, and refuse what is nested or multiplied beyond reason."""
        self.count += 1
        if self.count > MOST_VALUES:
            raise refusal(self.file, f"anchors multiply to more than {MOST_VALUES} values")
        if len(path) + len(self.open) > 2 * DEEPEST:
            raise refusal(self.spot(node), "not valid YAML: nested too deeply")

    def value(self, node: yaml.Node, path: Keys) -> Any:
        self.tree.values[path] = self.spot(node)
        self.enter(node, path)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        if node.tag not in (TAG + "map", TAG + "seq"):
            self.complain(node, path, f"unknown tag {node.tag.replace(TAG, '!!')!r}")
        if id(node) in self.open:
            self.complain(node, path, "this anchor contains itself")
            return None
        self.open.add(id(node))
        if isinstance(node, yaml.MappingNode):
            made: Any = {}
            for name, (key, child) in self.entries(node, path).items():
                self.tree.keys[*path, name] = self.spot(key)
                made[name] = self.value(child, (*path, name))
        else:
            made = [self.value(child, (*path, i)) for i, child in enumerate(node.value)]
        self.open.remove(id(node))
        return made

    def entries(self, node: yaml.MappingNode, path: Keys) -> Entries:
        """The keys of a mapping; its own beat those merged with <<, earlier merges later ones."""
        own: Entries = {}
        merged: Entries = {}
        for key, child in node.value:
            if key.tag == TAG + "merge":
                for source in child.value if isinstance(child, yaml.SequenceNode) else [child]:
                    if not isinstance(source, yaml.MappingNode) or id(source) in self.open:
                        self.complain(child, path, "after << belongs another mapping, or several")
                        continue
                    self.enter(source, path)
                    self.open.add(id(source))
                    merged = self.entries(source, path) | merged
                    self.open.remove(id(source))
            elif not isinstance(key, yaml.ScalarNode):
                self.complain(key, path, "expected a word for a key, got a list or mapping")
            elif re.match(r"-[^\d.]", key.value):
                self.complain(key, path, f"expected a space after '-' in {key.value!r}")
            elif key.value in own:
                line = self.spot(own[key.value][0]).line
                first = f" in line {line}" if line else ""
                self.complain(key, (*path, key.value), f"key {key.value!r} is there already{first}")
            else:
                own[key.value] = (key, child)
        return merged | own

    def scalar(self, node: yaml.ScalarNode, path: Keys) -> Any:
        text, tag = node.value, node.tag.removeprefix(TAG)
        plain = RESOLVER.resolve(yaml.ScalarNode, text, (True, False)).removeprefix(TAG)
        try:
            if tag in ("str", "merge"):
                return text
            if tag == "float" and plain in ("int", "float"):
                return float(re.sub(r"\.(inf|nan)", r"\1", text.lower()))
            if tag == "int" and plain == "int":
                number = int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))
                if abs(number) <= LARGEST:
                    return number
                most = f"expected an integer of at most {LARGEST}, got {show(number)}"
                self.complain(node, path, most)
                return None
            if tag in ("bool", "null") and plain == tag:
                return {"t": True, "f": False}.get(text[:1].lower()) if tag == "bool" else None
            self.complain(node, path, f"unknown tag {node.tag.replace(TAG, '!!')!r}")
        except ValueError:
            self.complain(node, path, f"a number of {len(text)} digits is too long")
        return None


def _override(tree: Located, override: str) -> None:
    """Put `--path=value` into the tree; one that fits nowhere becomes a problem of the tree."""
    dotted, _, text = override.removeprefix("--").partition("=")
    names = dotted.split(".")
    path: Keys = ()
    try:
        if not all(names):
            raise refusal(COMMAND_LINE, f"expected --path.to.key=value, got {override!r}")
        inside = tree.value
        for name in names[:-1]:
            key = _key(inside, name)
            if isinstance(inside, dict):
                inside.setdefault(key)
            path = (*path, key)
            if inside[key] is None:
                inside[key] = {}
                tree.values[path] = tree.keys[path] = COMMAND_LINE
            inside = inside[key]
        key = _key(inside, names[-1])
        path = (*path, key)
        node = compose(text, COMMAND_LINE)
        if node is None:
            empty = f"expected a value, got nothing (a variable that is not set?); null is written --{dotted}=null"
            raise refusal(COMMAND_LINE, empty)
        inside[key] = _Reader(tree, COMMAND_LINE).value(node, path)
        tree.values[path] = COMMAND_LINE
        tree.keys.setdefault(path, COMMAND_LINE)
    except ConfigError as error:
        tree.problems += [problem_at(COMMAND_LINE, path, p.text) for p in error.problems]


def _key(inside: Any, name: str) -> str | int:
    """The key or index that a word of an override stands for."""
    if isinstance(inside, dict):
        return name
    if not isinstance(inside, list):
        raise refusal(
            COMMAND_LINE, f"expected a mapping or list with {name!r} in it, got {show(inside)}"
        )
    if not (name.isdecimal() and int(name[:9]) < len(inside)):
        raise refusal(
            COMMAND_LINE, f"there is no item {name!r}: the list has {len(inside)}, counted from 0"
        )
    return int(name[:9])
