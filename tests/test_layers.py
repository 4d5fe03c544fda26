"""What every file keeps to beside the contracts of import-linter; and that README's map is the tree."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("plasticity", "streams", "strategies")
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
OTHERS = {
    "experiments": "YAML files, and the log: question, command, result, verdict",
    "plasticity/docs": "The site: the idea, how-tos, glossary, log, reference (`make docs`)",
    "tests": "Mirror of the packages, and the conformance kit on everything first-party",
}
"""Folders that are no packages, and what is in them."""


def test_plugins_at_home_import_what_a_stranger_imports() -> None:
    """`from plasticity import ...`, and none of its modules."""
    deep = [
        str(path.relative_to(ROOT))
        for path in FILES
        if not path.is_relative_to(ROOT / "plasticity")
        for node in ast.walk(ast.parse(path.read_text()))
        if any(
            name.partition(".")[0] == "plasticity" and how != "from plasticity import"
            for how, name in imported(node)
        )
    ]
    assert not deep


def imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """How modules are imported, and their names."""
    if isinstance(node, ast.Import):
        yield from (("import", alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield f"from {node.module} import", node.module or ""


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_this_checkouts(package: str) -> None:
    module = __import__(package)
    assert module.__file__ is not None
    assert Path(module.__file__).parent == ROOT / package


def test_no_source_file_is_over_300_lines() -> None:
    long = [p for p in FILES if len(p.read_text().splitlines()) > 300]
    assert not long


def test_a_class_is_the_only_one_of_its_name() -> None:
    """Of those that are public, wherever they are."""
    classes = [
        node.name
        for path in FILES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert "Strategy" in classes
    assert not [name for name, count in Counter(classes).items() if count > 1]


def test_readme_map_is_the_tree() -> None:
    """A line for every folder, with the first line of its package's docstring."""
    text = (ROOT / "README.md").read_text()
    block = text[text.index("## Map") :].split("```")[1]
    assert block == f"\n{drawn()}", f"expected of README's map:\n{drawn()}"


def drawn() -> str:
    """The map."""
    inside = {path.parent for path in FILES if path.name == "__init__.py"}
    inside |= {ROOT / name for name in OTHERS}
    folders = sorted(path for path in inside if len(path.relative_to(ROOT).parts) <= 2)
    lines = []
    for folder in folders:
        place = folder.relative_to(ROOT)
        label = "  " * (len(place.parts) - 1) + f"{folder.name}/"
        lines.append(f"{label:<18}{said_of(folder)}\n")
    return "".join(lines)


def said_of(folder: Path) -> str:
    if not (folder / "__init__.py").exists():
        return OTHERS[str(folder.relative_to(ROOT))]
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    return docstring.partition("\n")[0].removesuffix(".")
