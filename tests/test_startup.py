"""What an import costs: `import plasticity` and the help bring nothing heavy, and every public name is there."""

import importlib
import subprocess
import sys

import pytest

import plasticity

HEAVY = {
    "torch",
    "pytorch_lightning",
    "torchmetrics",
    "wandb",
    "polars",
    "pydantic",
    "river",
    "numpy",
}


@pytest.mark.parametrize("first", ["plasticity", "plasticity.cli"])
def test_nothing_heavy_comes_with_it(first: str) -> None:
    code = f"import sys, {first}; print(*{{m.partition('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & {*done.stdout.split()}


def test_river_waits_for_a_detector() -> None:
    code = "import sys, plasticity.core.detector; print('river' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_public_names_are_those_of_their_modules() -> None:
    assert plasticity._HOME.keys() <= {*dir(plasticity)}
    assert len(plasticity._HOME) == sum(len(each.split()) for each in plasticity._HOMES.values())
    for name, home in plasticity._HOME.items():
        module = importlib.import_module(f"plasticity.{home}")
        assert getattr(plasticity, name) is getattr(module, name)


def test_no_module_hides_a_public_name() -> None:
    code = (
        "import pkgutil, importlib, plasticity\n"
        "for m in pkgutil.iter_modules(plasticity.__path__):\n"
        "    if m.name != '__main__': importlib.import_module('plasticity.' + m.name)\n"
        "for name, home in plasticity._HOME.items():\n"
        "    module = importlib.import_module('plasticity.' + home)\n"
        "    assert getattr(plasticity, name) is getattr(module, name), name"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = plasticity.Nothing  # pyright: ignore[reportAttributeAccessIssue]
