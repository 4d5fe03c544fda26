"""Names: what a YAML may call a thing, what fits a table and a file system, and text that no terminal obeys."""

import hashlib
import re
import unicodedata

LABEL = 80
"""Characters of a label, at most."""
FOLDER = 100
"""Bytes of the name of a folder, at most; file systems take 255, and endings are added."""
CONTROL = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of what a terminal may obey: controls, directions, lone surrogates, line separators."""


def check_name(name: str) -> None:
    """Refuse a name that would leave its folder, hide in it, or be taken for an option or a formula.

    Args:
        name: of an experiment, a sweep or a suite.

    Raises:
        ValueError: names the key.
    """
    size = len(name.encode("utf-8", "replace"))
    separated = "/" in name or "\\" in name
    if (
        not name.strip()
        or not name.isprintable()
        or separated
        or name[0] in "=+-@."
        or size > FOLDER
    ):
        raise ValueError(
            f"name: expected 1 to {FOLDER} printable bytes, without / and \\, not beginning with one of = + - @ . "
            f"(runs lie in a folder of this name), got {short(name, LABEL)!r}"
        )


def digest(text: str) -> str:
    """Eight hexadecimal digits that tell texts apart."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]


def short(text: str, limit: int = LABEL) -> str:
    """The text; where it is longer, its beginning and a hash of all of it.

    Args:
        text: a label, say.
        limit: characters.
    """
    return text if len(text) <= limit else hashed(text, text, limit)


def hashed(text: str, whole: str, limit: int = LABEL) -> str:
    """The beginning of a text and a hash of what it stands for.

    Args:
        text: what is read.
        whole: what is told apart.
        limit: characters.
    """
    return f"{text[: limit - 9]}-{digest(whole)}"


def folder_name(text: str, ending: str = "") -> str:
    """A text as the name of a folder, of characters that every shell and file system takes as they are.

    Args:
        text: a label, say. Where it had to be changed or cut, a hash of it follows.
        ending: of safe characters; kept whole.

    Returns:
        at most FOLDER bytes.
    """
    room = FOLDER - len(ending)
    safe = re.sub(r"[^A-Za-z0-9._+=,()-]+", "-", text).lstrip("-.") or "unnamed"
    return (short(safe, room) if safe == text else hashed(safe, text, room)) + ending


def printable(text: str) -> str:
    r"""The text with what a terminal would obey written out (`\x1b`), but for line ends and tabs."""
    if text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode()
        if unicodedata.category(c) in CONTROL and c not in "\n\t"
        else c
        for c in text
    )
