"""YAML with positions: every fault of a file has its exact line."""

import math
from pathlib import Path

import pytest

from plasticity.config.yaml_source import MOST_VALUES, Located, Spot, read
from plasticity.core.errors import ConfigError

FILE = """\
name: quick
stream:
  type: Recurring
  tunnels:
    - {type: Markov, symbols: 6}
strategies: [{type: EWC, lr: 1e-3}, {type: Frozen}]
seeds: [0, 1]
empty:
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quick.yaml").write_text(FILE)


def parsed(text: str, *overrides: str) -> Located:
    Path("f.yaml").write_text(text)
    return read("f.yaml", overrides)


def faults(text: str | bytes, *overrides: str) -> list[str]:
    """All complaints about a file, those that stop the reading and those that do not."""
    Path("f.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        return [str(problem) for problem in read("f.yaml", overrides).problems]
    except ConfigError as error:
        return str(error).splitlines()


def test_positions_are_those_of_keys_and_values():
    tree = read("quick.yaml")
    assert not tree.problems
    assert tree.value["stream"]["tunnels"] == [{"type": "Markov", "symbols": 6}]
    assert tree.keys["stream", "tunnels", 0, "symbols"] == Spot("quick.yaml", 5, 22)
    assert tree.values["stream", "tunnels", 0, "symbols"] == Spot("quick.yaml", 5, 31)
    assert tree.values["stream",] == Spot("quick.yaml", 3, 3)
    assert tree.values["strategies", 1] == Spot("quick.yaml", 6, 37)
    assert tree.value["empty"] is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E3", 1e3),
        ("-1.5e+3", -1500.0),
        (".5", 0.5),
        ("3.", 3.0),
        ("-.inf", -math.inf),
        ("12", 12),
        ("-0", 0),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("no", "no"),
        ("off", "off"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2026-11-23", "2026-11-23"),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object):
    got = parsed(f"key: {text}\n").value["key"]
    assert got == value
    assert type(got) is type(value)


def test_anchors_and_merges():
    text = """\
base: &base {lr: 1, width: 2}
other: &other {lr: 3, depth: 4}
one: {<<: *base, lr: 9}
two: {lr: 9, <<: [*base, *other]}
list: [*base, *base]
"""
    tree = parsed(text, "--list.0.lr=7")
    assert not tree.problems
    assert tree.value["one"] == {"lr": 9, "width": 2}
    assert tree.value["two"] == {"lr": 9, "width": 2, "depth": 4}
    assert tree.value["list"] == [{"lr": 7, "width": 2}, {"lr": 1, "width": 2}]
    assert tree.value["base"] == {"lr": 1, "width": 2}
    assert tree.values["two", "depth"].line == 2


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ["f.yaml: the file is empty: expected a mapping"]),
        ("# only this\n", ["f.yaml: the file is empty: expected a mapping"]),
        (
            "- a\n- b\n",
            ["f.yaml:1:1: expected a mapping (key: value) at the top level, got a list"],
        ),
        (
            "\nhello\n",
            ["f.yaml:2:1: expected a mapping (key: value) at the top level, got 'hello'"],
        ),
        (b"a: 1\nb: \xff\xfe\n", ["f.yaml:2:4: not a text file: it is not UTF-8 here"]),
        (bytes(range(128, 256)), ["f.yaml:1:1: not a text file: it is not UTF-8 here"]),
        ("a: 1\nb: \x00\x01\n", ["f.yaml:2:4: not valid YAML: character 0x00 is not allowed"]),
        (
            "a: 1\nb:\n  c: 2\na: 3\nb: 4\n",
            [
                "f.yaml:4:1: a: key 'a' is there already in line 1",
                "f.yaml:5:1: b: key 'b' is there already in line 2",
            ],
        ),
        (
            "a: {b: 1, c: 2, b: 3}\n",
            ["f.yaml:1:17: a.b: key 'b' is there already in line 1"],
        ),
        (
            "a: 1\n---\nb: 1\n",
            ["f.yaml:2:1: not valid YAML: a second document begins ('---'): expected one"],
        ),
        (
            "a: b: c\n",
            ["f.yaml:1:5: not valid YAML: a ':' or '-' does not fit here: indent, or quote it"],
        ),
        (
            "a:\n\t- 1\n",
            ["f.yaml:2:1: not valid YAML: a tab cannot stand here: indent by spaces"],
        ),
        (
            "a:\n  b: 1\n c: 2\n",
            ["f.yaml:3:2: not valid YAML: this line is indented differently from its neighbours"],
        ),
        (
            "a: 1\nb: 'never\nc: 2\n",
            ["f.yaml:2:4: not valid YAML: a quote is opened and never closed"],
        ),
        (
            "a: 1\nb: [1, 2\nc: 3\n",
            ["f.yaml:2:4: not valid YAML: a list that is not closed: expected ',' or ']'"],
        ),
        (
            "b: {a: 1\nc: 3\n",
            ["f.yaml:1:4: not valid YAML: a mapping that is not closed: expected ',' or '}'"],
        ),
        ("a: 1\nb\nc: 2\n", ["f.yaml:2:1: not valid YAML: expected 'key: value'"]),
        ("a: [b: - 1]\n", ["f.yaml:1:8: not valid YAML: a value is missing here"]),
        (
            "a: &\n",
            ["f.yaml:1:5: not valid YAML: expected a name after & or *, or quote it"],
        ),
        ("a: *x\n", ["f.yaml:1:4: not valid YAML: there is no anchor of this name above"]),
        ("a: &x [*x]\n", ["f.yaml:1:4: a.0: this anchor contains itself"]),
        ("a: &x {<<: *x}\n", ["f.yaml:1:4: a: after << belongs another mapping, or several"]),
        ("a: {<<: 5}\n", ["f.yaml:1:9: a: after << belongs another mapping, or several"]),
        ("? [a, b]\n: 1\n", ["f.yaml:1:3: expected a word for a key, got a list or mapping"]),
        (
            "a: !!python/name:os.system x\n",
            ["f.yaml:1:4: a: unknown tag '!!python/name:os.system'"],
        ),
        (
            "a: !mine {}\nb: !!int x\n",
            ["f.yaml:1:4: a: unknown tag '!mine'", "f.yaml:2:4: b: unknown tag '!!int'"],
        ),
        ("a: " + "9" * 5000, ["f.yaml:1:4: a: a number of 5000 digits is too long"]),
        ("a: " + "[" * 5000, ["f.yaml: not valid YAML: nested too deeply"]),
        ("a: " + "[" * 150 + "]" * 150, ["f.yaml:1:54: not valid YAML: nested too deeply"]),
        ('a: "\\UFFFFFFFF"\n', ["f.yaml: not valid YAML: a number or an escape is out of range"]),
        (
            '"x\\ny\\e": 1\n"x\\ny\\e": 2',
            ["f.yaml:2:1: 'x\\ny\\x1b': key 'x\\ny\\x1b' is there already in line 1"],
        ),
    ],
)
def test_faults_of_a_file(text: str | bytes, lines: list[str]):
    assert faults(text) == lines


def test_anchors_that_multiply_are_refused():
    laughs = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9))
    expected = [f"f.yaml: anchors multiply to more than {MOST_VALUES} values"]
    assert faults(f"a0: &a0 lol\n{laughs}\n") == expected
    merges = "\n".join(
        f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 9)
    )
    assert faults(f"a0: &a0 {{x: 1}}\n{merges}\n") == expected


def test_missing_file_names_its_sibling():
    for name in ("quick.yml", "Quick.YAML", "quik.yaml"):
        with pytest.raises(ConfigError) as caught:
            read(name)
        assert str(caught.value) == f"{name}: no such file. Did you mean 'quick.yaml'?"
    for name in ("zzzz.toml", "nowhere/quick.yaml", "quick.yaml/quick.yaml"):
        with pytest.raises(ConfigError) as caught:
            read(name)
        assert str(caught.value) == f"{name}: no such file"


def test_what_is_no_readable_file(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigError, match=r"^\.: this is a directory: expected a YAML file$"):
        read(".")
    with pytest.raises(ConfigError, match="cannot be read: embedded null byte"):
        read("a\0b")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigError, match=r"^quick\.yaml: cannot be read: Permission denied$"):
        read("quick.yaml")


def test_overrides_replace_create_and_index():
    tree = read(
        "quick.yaml",
        [
            "--name=slow",
            "--wandb.mode=offline",
            "--strategies.0.lr=1e-4",
            "--strategies.1={type: Replay, size: 3}",
            "--seeds=[0, 1, 2]",
            "--seeds.2=7",
            "--empty.a.b=null",
            "stream.steps=5",
        ],
    )
    assert not tree.problems
    assert tree.value == {
        "name": "slow",
        "stream": {"type": "Recurring", "tunnels": [{"type": "Markov", "symbols": 6}], "steps": 5},
        "strategies": [{"type": "EWC", "lr": 1e-4}, {"type": "Replay", "size": 3}],
        "seeds": [0, 1, 7],
        "empty": {"a": {"b": None}},
        "wandb": {"mode": "offline"},
    }
    assert str(tree.problem(("strategies", 0, "lr"), "x")) == "command line: strategies.0.lr: x"
    assert str(tree.problem(("wandb", "mode"), "x", key=True)) == "command line: wandb.mode: x"
    assert str(tree.problem(("strategies", 0), "x")) == "quick.yaml:6:14: strategies.0: x"
    assert str(tree.problem(("strategies", 1, "size"), "x")) == "command line: strategies.1.size: x"


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("--seeds.2=1", "seeds: there is no item '2': the list has 2, counted from 0"),
        ("--seeds.-1=1", "seeds: there is no item '-1': the list has 2, counted from 0"),
        ("--seeds.x=1", "seeds: there is no item 'x': the list has 2, counted from 0"),
        ("--strategies.5.lr=1", "strategies: there is no item '5': the list has 2, counted from 0"),
        ("--name.x=1", "name: expected a mapping or list with 'x' in it, got 'quick'"),
        ("--name", "expected --path.to.key=value, got '--name'"),
        ("--=3", "expected --path.to.key=value, got '--=3'"),
        ("--a..b=3", "expected --path.to.key=value, got '--a..b=3'"),
        ("--name=[1", "name: not valid YAML: a list that is not closed: expected ',' or ']'"),
        ("--name={a: 1, a: 2}", "name.a: key 'a' is there already"),
        (
            "--name=a: b: c",
            "name: not valid YAML: a ':' or '-' does not fit here: indent, or quote it",
        ),
    ],
)
def test_overrides_that_fit_nowhere(override: str, line: str):
    assert [str(p) for p in read("quick.yaml", [override]).problems] == [f"command line: {line}"]
