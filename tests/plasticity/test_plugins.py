"""Plugins: found late, and a broken one is named and skipped."""

import subprocess
import sys
import textwrap
from abc import ABC, abstractmethod
from pathlib import Path

import pytest
from torch import nn

from plasticity.plugins import Failure, full_name, known, load


class Fruit(ABC):
    @abstractmethod
    def taste(self) -> str: ...


class Apple(Fruit):
    def taste(self) -> str:
        return "sweet"


class Citrus(Fruit): ...


class Lemon(Citrus):
    def taste(self) -> str:
        return "sour"


class _Pear(Apple): ...


class Module(nn.Module):
    @abstractmethod
    def taste(self) -> str: ...


class Half(Module): ...


class Whole(Half):
    def taste(self) -> str:
        return "whole"


def install(folder: Path, name: str, group: str, module: str, source: str | None) -> None:
    """A distribution, as pip leaves it behind."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")
    if source is not None:
        (folder / f"{module}.py").write_text(textwrap.dedent(source))


def test_a_broken_plugin_is_named_and_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    strategies, tunnels = "plasticity.strategies", "plasticity.tunnels"
    head = "from abc import ABC\nimport sys\nfruit = next(m for m in list(sys.modules.values())"
    head += " if getattr(m, '__name__', '').endswith('test_plugins')).Fruit\n"
    body = "class {}(fruit):\n    def taste(self): return ''\n"
    install(tmp_path, "good-fruit", strategies, "good_fruit", head + body.format("Grape"))
    bad = head + body.format("Rotten") + "1 / 0\n"
    install(tmp_path, "bad-fruit", strategies, "bad_fruit", bad)
    install(tmp_path, "no-fruit", tunnels, "no_fruit", None)
    install(tmp_path, "last-fruit", "plasticity.networks", "last_fruit", "raise SystemExit('bye')")
    monkeypatch.syspath_prepend(tmp_path)
    names = {"bad-fruit", "no-fruit", "last-fruit", "good-fruit"}
    failures = [failure for failure in load() if failure.distribution in names]
    assert failures == [
        Failure("no-fruit", tunnels, "no_fruit", "ModuleNotFoundError: No module named 'no_fruit'"),
        Failure("bad-fruit", strategies, "bad_fruit", "ZeroDivisionError: division by zero"),
        Failure("last-fruit", "plasticity.networks", "last_fruit", "SystemExit: bye"),
    ]
    assert str(failures[1]) == (
        "bad-fruit: plasticity.strategies bad_fruit cannot be imported: "
        "ZeroDivisionError: division by zero"
    )
    assert "good_fruit" in sys.modules
    assert "Grape" in known(Fruit, [Fruit])
    assert "Rotten" not in known(Fruit, [Fruit])
    assert [failure for failure in load() if failure.distribution in names] == failures
    assert capsys.readouterr() == ("", "")


def test_nothing_is_loaded_before_it_is_asked_for():
    code = "import plasticity.plugins, sys; print('streams' in sys.modules, 'torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split()[0] == "False"


def test_known_are_the_concrete_descendants():
    assert {"Apple", "Lemon"} <= known(Fruit, [Fruit]).keys()
    assert not {"Fruit", "Citrus", "_Pear"} & known(Fruit, [Fruit]).keys()
    assert list(known(Module, [Module])) == ["Whole"]
    assert list(known(Apple, [Fruit])) == ["Apple"]


def test_namesakes_are_both_there():
    def another() -> type:
        class Apple(Fruit):
            def taste(self) -> str:
                return "plastic"

        return Apple

    fake = another()
    assert [full_name(cls) for cls in known(Fruit, [Fruit])["Apple"]] == [
        full_name(Apple),
        full_name(fake),
    ]
