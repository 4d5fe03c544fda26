"""Who may import whom; and that README's map is the tree."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "plasticity": {"streams", "strategies", "tests"},
    "streams": {"strategies", "tests"},
    "strategies": {"streams", "tests"},
}
# A plugin author imports `plasticity` and its public modules only; our own are held to it too.
FILES = [p for package in FORBIDDEN for p in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_layers_import_downwards_only(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    assert not imported(path) & FORBIDDEN[package]
    if "avalanche" in imported(path):
        assert path == ROOT / "plasticity" / "avalanche.py"


@pytest.mark.parametrize("package", ["plasticity", "streams", "strategies"])
def test_packages_are_this_checkouts(package: str) -> None:
    module = __import__(package)
    assert module.__file__ is not None
    assert Path(module.__file__).parent == ROOT / package


def test_no_source_file_is_over_300_lines() -> None:
    long = [p for p in FILES if len(p.read_text().splitlines()) > 300]
    assert not long


def test_readme_map_is_the_tree() -> None:
    """Every path of the map exists, and every first-party module is on it."""
    text = (ROOT / "README.md").read_text()
    block = text[text.index("## Map") :].split("```")[1]
    named: set[str] = set()
    folder = ""
    for line in block.splitlines()[1:]:
        if not (match := re.match(r"( *)(\S+)", line)):
            continue
        indent, name = len(match[1]), match[2]
        if indent == 0:
            folder = name if name.endswith("/") else ""
            named.add(name)
        else:
            named.add(folder + name)
    missing = sorted(name for name in named if not (ROOT / name).exists())
    assert not missing, f"README's map names what is not there: {missing}"
    listing = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    top = [p for p in listing.stdout.split() if p.count("/") == 1 and not p.endswith("__init__.py")]
    modules = {p for p in top if p.split("/")[0] in FORBIDDEN}
    assert not modules - named, f"README's map leaves out {sorted(modules - named)}"
