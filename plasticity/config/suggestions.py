"""Suggestions: the value that was probably meant by one that does not fit."""

import re
from collections.abc import Collection
from typing import Any

from plasticity.config.recipe import NOUNS, show
from plasticity.core.errors import did_you_mean

SWITCHES = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""What were true and false in YAML 1.1, and are words in 1.2."""
NUMBER = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?")


def meant(words: str, names: Collection[Any], shape: type | None, value: Any) -> str:
    """` Did you mean x?`, or nothing.

    Args:
        words: what was expected: `an integer of 1 or more`.
        names: the values that are allowed, if they can be counted.
        shape: list or dict, where one of these was expected.
        value: what stands there.
    """
    if shape is list and isinstance(value, dict):
        return " Did you mean a list of it, [{...}]?"
    if shape is list and isinstance(value, int | float):
        return f" Did you mean [{show(value)}]?"
    if not isinstance(value, str):
        return ""
    if words.startswith(NOUNS[bool]) and value.lower() in SWITCHES:
        return f" Did you mean {SWITCHES[value.lower()]}?"
    if words.startswith((NOUNS[int], NOUNS[float])) and NUMBER.fullmatch(value):
        return f" Did you mean {value}, without quotes?"
    return did_you_mean(value, map(str, names))


KINDS = {
    "an experiment": ({"stream"}, "plasticity run"),
    "a sweep": ({"experiment"}, "plasticity sweep"),
    "a suite": ({"streams", "tuning"}, "plasticity bench"),
    "a sweep of wandb's": ({"method", "parameters"}, "wandb sweep"),
}
"""What a file can be -> keys that it alone has at its top level, and the command that reads it."""


def another_kind(keys: Collection[str], takes: Collection[str], file: str) -> str | None:
    """What a file is, and what starts it, where its keys say that it is not what it was taken for.

    Args:
        keys: of its top level.
        takes: keys of what it was taken for.
        file: its name.
    """
    for kind, (own, command) in KINDS.items():
        if own <= {*keys} and own.isdisjoint(takes):
            return f"this is {kind}: start it with `{command} {file}`"
    return None
