"""Plugins: found late, and a broken one is named and skipped."""

import subprocess
import sys
import textwrap
from abc import ABC, abstractmethod
from pathlib import Path

import pytest
from torch import nn

from plasticity import Strategy
from plasticity.config.plugins import Failure, full_name, known, load

from ...calling import Call, refused


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
    gone = (
        "ModuleNotFoundError: No module named 'no_fruit'; is it gone (pip uninstall no-fruit), or "
    )
    gone += "misnamed in its pyproject.toml?"
    zero = f"ZeroDivisionError: division by zero ({tmp_path / 'bad_fruit.py'}:6)"
    bye = f"SystemExit: bye ({tmp_path / 'last_fruit.py'}:1)"
    assert failures == [
        Failure("no-fruit", tunnels, "no_fruit", gone),
        Failure("bad-fruit", strategies, "bad_fruit", zero),
        Failure("last-fruit", "plasticity.networks", "last_fruit", bye),
    ]
    assert str(failures[1]) == (f"bad-fruit: plasticity.strategies bad_fruit was skipped: {zero}")
    assert "good_fruit" in sys.modules
    assert "Grape" in known(Fruit, [Fruit])
    assert "Rotten" not in known(Fruit, [Fruit])
    assert [failure for failure in load() if failure.distribution in names] == failures
    assert capsys.readouterr() == ("", "")


def test_what_a_broken_package_had_defined_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its own modules were imported without fault, and stay behind when the package fails."""
    group = "plasticity.strategies"
    install(tmp_path, "half-fruit", group, "half_fruit", None)
    (tmp_path / "half_fruit").mkdir()
    (tmp_path / "half_fruit/__init__.py").write_text("from . import good\nimport nothing_here\n")
    ripe = "from plasticity import Strategy\nclass Ripe(Strategy): ...\n"
    (tmp_path / "half_fruit/good.py").write_text(ripe)
    monkeypatch.syspath_prepend(tmp_path)
    place = tmp_path / "half_fruit/__init__.py"
    why = f"ModuleNotFoundError: No module named 'nothing_here' ({place}:2)"
    assert Failure("half-fruit", group, "half_fruit", why) in load()
    assert "half_fruit.good" in sys.modules
    assert "Ripe" not in known(Strategy)


def test_import_errors_and_syntax_errors_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    group = "plasticity.strategies"
    install(tmp_path, "a-fruit", group, "a_fruit", "from plasticity import Strateg")
    install(tmp_path, "b-fruit", group, "b_fruit", "class Plum(Strategy)\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    told = {failure.distribution: failure.reason for failure in load()}
    assert told["a-fruit"].startswith("ImportError: cannot import name 'Strateg' from 'plasticity'")
    assert told["a-fruit"].endswith(f" ({tmp_path / 'a_fruit.py'}:1)")
    assert told["b-fruit"] == f"SyntaxError: expected ':' ({tmp_path / 'b_fruit.py'}:1)"


def test_a_namesake_is_listed_by_its_module_and_harms_nobody_else(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
):
    source = 'from plasticity import Strategy\nclass Frozen(Strategy):\n    """Ice [cream]."""\n'
    install(tmp_path / "site", "ice", "plasticity.strategies", "fruit_ice", source)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr("plasticity.cli.common.out.width", 300)  # nothing is folded
    try:
        lines = [line.split() for line in call("list").out.splitlines()]
        rows = {row[1]: " ".join(row[2:]) for row in lines if len(row) > 2}
        assert rows["fruit_ice.Frozen"] == "Ice [cream]."
        assert rows["strategies.frozen.Frozen"].startswith("The pretrained network as it is")
        assert "Frozen" not in rows and "Finetune" in rows
        told = refused(call, "run", "good.yaml")
        assert "several classes are named 'Frozen': " in told
        assert "strategies.frozen.Frozen" in told and "fruit_ice.Frozen" in told
        assert told.endswith("; rename one, or uninstall its package\n")
        only = "--strategies=[{type: Finetune}]"
        assert call("run", "good.yaml", only, "--run-dir", "run").code == 0
    finally:
        sys.modules.pop("fruit_ice", None)
    assert len(known(Strategy)["Frozen"]) == 1


def test_nothing_is_loaded_before_it_is_asked_for():
    code = "import plasticity.config.plugins, sys; print('streams' in sys.modules, 'torch' in sys.modules)"
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
