"""A stranger's JSON is bounded before anything looks at it, and refused in one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest

from plasticity.bench import document
from plasticity.core.errors import ConfigError

from ...calling import Call


def test_what_is_within_the_bounds_is_read(tmp_path: Path) -> None:
    value = {"a": [1, -2.5, None, True, "word", {}], "ü": 2**53}
    (tmp_path / "good.json").write_text(json.dumps(value))
    assert document.read(tmp_path / "good.json") == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read as JSON"),
        ("", "cannot be read as JSON"),
        (
            "[" * 100_000,
            "cannot be read as JSON: expected at most 16 mappings and lists inside one",
        ),
        (
            '{"a":' * 100_000,
            "cannot be read as JSON: expected at most 16 mappings and lists inside",
        ),
        ("[" * 50 + "]" * 50, "expected at most 16 mappings and lists inside one another"),
        ("\ufeff{}", "cannot be read as JSON"),
        ('{"a": 1, "b": 2, "a": 3}', "cannot be read as JSON: the key 'a' is there twice"),
        ('{"a": NaN}', "a: expected a finite number, got nan"),
        ('{"a": [0, -1e999]}', "a.1: expected a finite number, got -inf"),
        (
            f'{{"a": {2**60}}}',
            "a: expected an integer of up to 9007199254740992, got 11529215046068",
        ),
        ('{"a": 1' + "0" * 5000 + "}", "cannot be read as JSON: Exceeds the limit"),
        ('{"a": "\\u001b[31m"}', "a: expected printable words of up to 1000 characters"),
        ('{"a": "\\ud800"}', "a: expected printable words"),
        ('{"a\\nb": 1}', "expected printable keys of up to 1000 characters"),
        ('{"a": "' + "x" * 1001 + '"}', "a: expected printable words"),
        ("[NaN" + ", NaN" * 999 + "]", "and 980 more"),
    ],
)
def test_what_is_beyond_them_is_refused(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        document.read(file)
    lines = str(refused.value).splitlines()
    assert any(said in line for line in lines), lines
    assert all(line.startswith(str(file)) for line in lines) and len(lines) <= document.TOLD + 1


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(ConfigError, match="cannot be read as JSON: 'utf-8' codec"):
        document.read(tmp_path / "bad.json")


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MOST_BYTES", 10)
    (tmp_path / "bad.json").write_text("[1, 2, 3, 4]")
    with pytest.raises(ConfigError, match="expected at most 10 bytes, it has more"):
        document.read(tmp_path / "bad.json")


@pytest.mark.parametrize("value", [[], 3, "x", None, {}, {"schema": [1]}, {"schema": {}}])
def test_what_is_no_results_file_is_refused_by_its_name(
    value: Any, tmp_path: Path, call: Call
) -> None:
    (tmp_path / "bad.json").write_text(json.dumps(value))
    done = call("bench", "submit", "bad.json")
    assert (done.code, done.out) == (2, "")
    assert done.err and all(line.startswith("bad.json") for line in done.err.splitlines())


def test_files_that_are_none(tmp_path: Path, call: Call) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    done = call("bench", "submit", "deep.json")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "No such file" in call("bench", "submit", "none.json").err
    assert "Is a directory" in call("bench", "submit", str(tmp_path)).err
