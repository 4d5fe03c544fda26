"""A package that `plasticity new` writes works as it is; and the guide says what there is."""

import doctest
import errno
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plasticity.checks import STRATEGY_CHECKS
from plasticity.cli.scaffold import create, names
from plasticity.core.errors import ConfigError

from ...calling import Call, refused

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "plasticity" / "docs" / "pages" / "own_strategy.md"
SHRUNK = ("--stream.period=2", "--stream.steps=6", "--pretrain.steps=2", "--stretch=3")


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is installed and imported is forgotten afterwards, so that no other test finds its classes."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield
    for name in [name for name in sys.modules if name.startswith("slow_weights")]:
        assert name not in before
        del sys.modules[name]


def install(folder: Path) -> None:
    """What pip leaves behind of an editable installation, without pip, its build backend and a network."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1\n")
    groups = project["entry-points"].items()
    lines = [[f"[{g}]", *(f"{k} = {v}" for k, v in points.items())] for g, points in groups]
    (info / "entry_points.txt").write_text("\n".join(line for group in lines for line in group))
    sys.path.insert(0, str(folder.resolve()))


def commands(text: str) -> Iterator[list[str]]:
    """Those of the blocks that name no language."""
    for block in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S):
        yield from (shlex.split(line) for line in block[2].splitlines() if not block[1])


@pytest.mark.usefixtures("forgotten")
def test_the_guide_from_top_to_bottom(call: Call) -> None:
    """Every command of it, in its order; and what it says of them."""
    given = list(commands(GUIDE.read_text()))
    assert len(given) >= 6
    told = ""
    for words in given:
        match words:
            case ["make", "setup"] | ["source", ".venv/bin/activate"]:
                pass
            case ["pip", "install", "--quiet", "--editable", what]:
                install(Path(what.removesuffix("[test]")))
            case ["pytest", folder]:
                own_tests_pass(Path(folder))
            case ["plasticity", *rest]:
                done = call(*rest, *(SHRUNK if rest[0] == "run" else ()))
                assert (done.code, done.err) == (0, ""), done
                told = done.out
            case _:
                raise AssertionError(f"nobody knows whether this works: {words}")
    assert all(name in told for name in ("SlowWeights", "Finetune", "Frozen"))
    assert "SlowWeights" in call("list").out
    (line,) = {
        words for words in GUIDE.read_text().split("`") if words.startswith("plasticity check")
    }
    done = call(*shlex.split(line)[1:])
    assert done.code == 0 and done.out.count("passed") == len(STRATEGY_CHECKS), done
    taken = refused(call, "new", "strategy", "slow_weights", "--to", "other")
    assert taken == "slow_weights: expected a new name, there is a strategy 'SlowWeights' already\n"


@pytest.mark.usefixtures("forgotten")
def test_what_was_meant_is_named(call: Call) -> None:
    """Its class alone, or its folder, in place of its package; and a YAML whose package was never installed."""
    assert call("new", "strategy", "SlowWeights").code == 0
    missing = (
        "slow-weights/slow_weights.yaml:17:12: strategies.2.type: unknown strategy 'SlowWeights'. "
    )
    missing += "Is its package installed (pip install --editable FOLDER)? Known: "
    assert refused(call, "run", "slow-weights/slow_weights.yaml").startswith(missing)
    install(Path("slow-weights"))
    for said, told in (
        ("SlowWeights", "expected package.Class."),
        ("slow-weights.slowweights", "there is no 'slowweights' in slow-weights."),
        (
            "slow.SlowWeights",
            "slow cannot be imported: ModuleNotFoundError: No module named 'slow'.",
        ),
    ):
        meant = f"{told} Did you mean 'slow_weights.SlowWeights'?\n"
        assert refused(call, "check", said).endswith(meant)


def own_tests_pass(folder: Path) -> None:
    """Its own tests pass, in a process of their own; it is formatted, and its README names what there is."""
    quiet = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    path = os.pathsep.join(map(str, (folder.resolve(), ROOT)))
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*quiet, folder], env=environment, capture_output=True, text=True)
    passed = f"{2 * len(STRATEGY_CHECKS) + 1} passed"
    assert done.returncode == 0 and passed in done.stdout, done.stdout
    ruff = [sys.executable, "-m", "ruff"]
    for words in (["format", "--check"], ["check", "--select=E,F,I,B,UP,D100,D101,D102,D103"]):
        line = [*ruff, *words, "--isolated", "--line-length=100", str(folder / "slow_weights")]
        done = subprocess.run(line, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.suffix != ".pyc"}
    named = set((folder / "README.md").read_text().split("`"))
    assert named >= {f for f in files if f.endswith((".py", ".yaml", ".toml"))}


def test_the_guides_python() -> None:
    flags = doctest.NORMALIZE_WHITESPACE
    done = doctest.testfile(str(GUIDE), module_relative=False, optionflags=flags)
    assert done.attempted == 4 and not done.failed


def test_the_guide_is_short() -> None:
    assert len(GUIDE.read_text().splitlines()) < 60


@pytest.mark.parametrize(
    ("name", "cls", "package"),
    [
        ("SlowWeights", "SlowWeights", "slow_weights"),
        ("slow_weights", "SlowWeights", "slow_weights"),
        ("MyEWC", "MyEWC", "my_ewc"),
        ("EWCAndMore", "EWCAndMore", "ewc_and_more"),
        ("L2Pull", "L2Pull", "l2_pull"),
        ("idea", "Idea", "idea"),
        ("X", "X", "x"),
    ],
)
def test_one_name_gives_the_other(name: str, cls: str, package: str) -> None:
    assert names(name) == (cls, package)


REFUSED = {
    ("strategy", "slow-weights"): "CamelCase or snake_case of ASCII letters and digits. "
    "Did you mean 'slow_weights'?",
    ("strategy", "2fast"): "expected CamelCase or snake_case",
    ("strategy", "_Hidden"): "expected CamelCase or snake_case",
    ("strategy", "Slow_Weights"): "Did you mean 'slow_weights'?",
    ("strategy", "Größe"): "expected CamelCase or snake_case",
    ("strategy", ""): "expected CamelCase or snake_case",
    ("strategy", "../up"): "Did you mean 'up'?",
    ("strategy", "class"): "'class' is a word of Python's",
    ("strategy", "Lambda"): "'lambda' is a word of Python's",
    ("strategy", "EWC"): "there is a strategy 'EWC' already",
    ("strategy", "ewc"): "there is a strategy 'EWC' already",
    ("strategy", "Reservoir"): "'Reservoir' means something else already",
    ("metric", "len"): "'len' means something else already",
    ("strategy", "Exception"): "'Exception' means something else already",
    ("strategy", "Torch"): "there is a module 'torch' already",
    (
        "strategi",
        "Idea",
    ): "expected metric or network or strategy or tunnel. Did you mean 'strategy'?",
    ("..", "Idea"): "..: expected metric or network or strategy or tunnel",
    ("tunnel", "markov"): "there is a tunnel 'Markov' already",
    ("network", "LSTM"): "there is a network 'LSTM' already",
    ("metric", "gain"): "there is a metric 'gain' already",
    ("metric", "Skill"): "there is a metric 'skill' already",
    ("strategy",): "Missing argument 'name'",
    ("strategy", "Idea", "--to", "full"): "full: expected a new or empty folder",
    ("strategy", "Idea", "--to", "good.yaml"): "good.yaml: expected a new or empty folder",
    ("strategy", "Idea", "--to", "good.yaml/a"): "that can be written, got: Not a directory",
    ("strategy", "Idea", "--to", "/proc/a"): "/proc/a: expected a folder that can be written",
    ("strategy", "Idea", "--to", "a" * 300): "that can be written, got: File name too long",
}


@pytest.mark.parametrize(
    ("words", "told"), REFUSED.items(), ids=[" ".join(w)[:40] for w in REFUSED]
)
def test_what_cannot_be_made_is_refused(words: tuple[str, ...], told: str, call: Call) -> None:
    (Path("full") / "inside").mkdir(parents=True)
    said = refused(call, "new", *words)
    assert told in said
    assert said.count("\n") == 1 or "Missing argument" in said


@pytest.mark.parametrize("to", ["empty", "deep/er"])
def test_a_full_disk_leaves_nothing(
    to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    write, written = Path.write_text, list[Path]()

    def write_two(path: Path, *args: Any, **kwargs: Any) -> int:
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(path)
        return write(path, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", write_two)
    with pytest.raises(ConfigError, match="No space left on device"):
        create("strategy", "Idea", Path(to), [])
    assert len(written) == 2
    assert [str(p) for p in Path().rglob("*")] == ["empty"]
