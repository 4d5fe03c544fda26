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
