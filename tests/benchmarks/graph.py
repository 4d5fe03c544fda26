"""The house in figures: rooms, floors, arrows and circles of its modules, and how far it is to the main loop.

python tests/benchmarks/graph.py [ROOT [FILE...]]

ROOT: a checkout; by default this one. FILE: what is read to understand the loop, below ROOT.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

PACKAGES = ("plasticity", "streams", "strategies")
LOOP = ("core/strategy.py", "core/learner.py", "engine/learner.py", "engine/prequential.py")
Arrows = dict[str, set[str]]


class House:
    """The first-party modules of a checkout, and who imports whom. What only type checkers import does not count.

    Args:
        root: the checkout.
    """

    def __init__(self, root: Path):
        files = [p for package in PACKAGES for p in sorted((root / package).rglob("*.py"))]
        kept = [p for p in files if "docs" not in p.parts and p.stem != "__main__"]
        self.files = {_dotted(p.relative_to(root)): p for p in kept}
        self.folders = {m for m, p in self.files.items() if p.name == "__init__.py"}

    def room(self, module: str) -> str:
        """The folder below a package that holds it; a module that lies beside such folders is a room of its own."""
        package, *rest = module.split(".")
        parted = any(name.startswith(f"{package}.") for name in self.folders)
        return f"{package}.{rest[0]}" if rest and parted else package

    @cached_property
    def modules(self) -> Arrows:
        """Module -> those that it imports, wherever in it; the public names of `plasticity` are their modules."""
        return {name: {*self._imports(name)} - {name} for name in self.files}

    @cached_property
    def rooms(self) -> Arrows:
        """The same between rooms; the lazy `__init__` that only passes names on is none."""
        found: Arrows = {}
        for module, others in self.modules.items():
            if self.room(module) not in PACKAGES or module not in self.folders:
                here = found.setdefault(self.room(module), set())
                here |= {self.room(other) for other in others} - {self.room(module)}
        return {room: {o for o in others if o in found} for room, others in found.items()}

    @cached_property
    def _public(self) -> dict[str, str]:
        """Name -> module, as the package's `__init__` tells type checkers."""
        tree = ast.parse(self.files["plasticity"].read_text())
        return {
            alias.asname or alias.name: node.module or ""
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

    def _imports(self, name: str) -> Iterator[str]:
        for node in _running(ast.parse(self.files[name].read_text())):
            if isinstance(node, ast.Import):
                yield from (m for alias in node.names if (m := self._known(alias.name)))
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    home = node.module
                    if home == "plasticity":
                        home = self._public.get(alias.name, home)
                    if found := self._known(f"{home}.{alias.name}"):
                        yield found

    def _known(self, name: str) -> str | None:
        """The module, of which the name may be a part."""
        while name and name not in self.files:
            name = name.rpartition(".")[0]
        return name or None


def _dotted(path: Path) -> str:
    return ".".join(p for p in path.with_suffix("").parts if p != "__init__")


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that are there for type checkers."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _running(child)


def circles(arrows: Arrows) -> list[set[str]]:
    """Groups in which each reaches every other."""
    reach = {name: _reached(name, arrows) for name in arrows}
    groups = {frozenset({n, *(o for o in reach[n] if n in reach[o])}) for n in arrows}
    return sorted((set(group) for group in groups if len(group) > 1), key=sorted)


def _reached(start: str, arrows: Arrows) -> set[str]:
    found, left = set[str](), [start]
    while left:
        new = arrows[left.pop()] - found
        found |= new
        left += new
    return found


def floors(arrows: Arrows) -> int:
    """Length of the longest chain of imports; a circle counts as all who are in it, one on the other."""
    of = {name: frozenset({name}) for name in arrows}
    of |= {name: frozenset(group) for group in circles(arrows) for name in group}
    known: dict[frozenset[str], int] = {}

    def height(group: frozenset[str]) -> int:
        if group not in known:
            below = {of[other] for name in group for other in arrows[name]} - {group}
            known[group] = len(group) + max(map(height, below), default=0)
        return known[group]

    return max(map(height, of.values()), default=0)


def back(arrows: Arrows) -> list[tuple[str, str]]:
    """In each circle, the arrows against the order in which most of its arrows point down."""
    found: list[tuple[str, str]] = []
    for group in circles(arrows):
        inside = [(a, b) for a in group for b in arrows[a] & group]

        def surplus(name: str, inside: list[tuple[str, str]] = inside) -> tuple[int, str]:
            return sum((b == name) - (a == name) for a, b in inside), name

        order = sorted(group, key=surplus)
        found += [(a, b) for a, b in inside if order.index(a) > order.index(b)]
    return sorted(found)


def told(what: str, arrows: Arrows) -> str:
    """A graph in one line, and its circles."""
    against, groups = back(arrows), circles(arrows)
    line = (
        f"{len(arrows)} {what}, {sum(map(len, arrows.values()))} arrows, {floors(arrows)} floors, "
        f"{len(against)} arrows back, {len(groups)} circles"
    )
    each = [f"  circle: {', '.join(sorted(group))}" for group in groups]
    return "\n".join([line, *each, *(f"  back: {a} -> {b}" for a, b in against)])


def main(root: Path, loop: list[str]) -> None:
    """Print the figures."""
    house = House(root)
    print(told("rooms", house.rooms))
    print(told("modules", house.modules))
    files = [root / name for name in loop or (f"plasticity/{name}" for name in LOOP)]
    lines = sum(len(p.read_text().splitlines()) for p in files if p.exists())
    missing = "".join(f"; there is no {p}" for p in files if not p.exists())
    print(f"to the main loop: {len(files)} files, {lines} lines{missing}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]), sys.argv[2:])
