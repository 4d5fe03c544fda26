"""Sealed files: each holds the SHA-256 of its bytes and of its place, so that none is read as what it is not."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plasticity.core.errors import ConfigError, Problem

MARK = b"plasticity-seal-2:"
"""Before the seal, once in every file. The number is that of the format."""
BLANK = (MARK + b"0" * 64).decode()
"""Stands where the seal will be."""


class Damaged(ConfigError):
    """A file is not as it was written: it is damaged, of another place, or of another format.

    Args:
        path: of the file.
        text: what is wrong.
        remedy: what to do.
    """

    def __init__(self, path: Path, text: str, remedy: str = ""):
        super().__init__([Problem(str(path), f"{text}; {remedy}" if remedy else text)])
        self.path, self.text = path, text


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all: temporary, fsync, rename, fsync the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, value: Any) -> None:
    """A mapping as indented JSON, whole."""
    write_whole(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def write_sealed(path: Path, data: bytes, place: str) -> None:
    """Write a file whole, with its seal.

    Args:
        path: of the file.
        data: its bytes, with BLANK in one place.
        place: what it is, and of what; it is opened under the same words only.

    Raises:
        ValueError: BLANK is not there exactly once.
    """
    if data.count(MARK) != 1 or BLANK.encode() not in data:
        raise ValueError(f"{path}: expected one place for the seal, got {data.count(MARK)}")
    write_whole(path, data.replace(BLANK.encode(), MARK + _seal(data, place)))


def open_sealed(path: Path, place: str) -> bytes:
    """The bytes of a file whose seal fits.

    Raises:
        Damaged: it does not fit, or there is none.
        OSError: there is no such file, or it cannot be read.
    """
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise Damaged(path, "it is a folder: expected a file") from None
    found = re.findall(re.escape(MARK) + rb"([0-9a-f]{64})", data)
    if not found and b"plasticity-seal-" not in data and data:
        raise Damaged(path, "it has no seal: it is damaged, or older than sealed files")
    if len(found) != 1 or data.count(MARK) != 1:
        raise Damaged(
            path, "it is damaged: it has no seal of this format" if data else "it is empty"
        )
    if _seal(data.replace(MARK + found[0], BLANK.encode()), place) != found[0]:
        raise Damaged(path, "it is damaged, or was written for another place")
    return data


def write_sealed_json(path: Path, value: Mapping[str, Any], place: str) -> None:
    """A mapping as indented JSON, sealed."""
    text = json.dumps({"seal": BLANK, **value}, indent=2, allow_nan=False)
    write_sealed(path, (text + "\n").encode(), place)


def read_sealed_json(path: Path, place: str) -> dict[str, Any]:
    """The mapping in a sealed file.

    Raises:
        Damaged: the seal does not fit.
        OSError: there is no such file, or it cannot be read.
    """
    data = open_sealed(path, place)
    try:
        value = json.loads(data, parse_constant=int)  # NaN and the like, which JSON has not
        del value["seal"]
    except (ValueError, TypeError, KeyError, RecursionError):  # somebody else sealed it
        raise Damaged(path, "it is no JSON mapping") from None
    return value


def digest(value: Any) -> str:
    """SHA-256 of a tree of plain values, in hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _seal(data: bytes, place: str) -> bytes:
    mac = hashlib.sha256(place.encode() + b"\0")
    mac.update(data)
    return mac.hexdigest().encode()
