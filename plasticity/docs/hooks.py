"""Pages that are made from the source when the site is built: the glossary, the log, the keys of a YAML."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from plasticity.metrics.formula import Entry

ROOT = Path(__file__).resolve().parents[2]


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages, and every picture of the log."""
    for name, text in {
        "glossary.md": glossary(),
        "yaml.md": yaml_keys(),
        "log.md": (ROOT / "experiments" / "README.md").read_text(),
        "changes.md": (ROOT / "plasticity" / "CHANGELOG.md").read_text(),
    }.items():
        files.append(File.generated(config, name, content=text))
    for picture in sorted((ROOT / "experiments").glob("*.png")):
        files.append(File.generated(config, picture.name, abs_src_path=str(picture)))
    return files


def glossary() -> str:
    """Every formula of a summary, and of the inside of a network, as tables."""
    from plasticity.diagnostics import geometry
    from plasticity.metrics import glossary as numbers

    head = (
        "# What every number is\n\n"
        "One row for each number of `summary.json` and of a report. `<who>` is `model` or one of the observers and "
        "baselines that faced the same batches. Bits are per asked position, steps are batches.\n\n"
    )
    inside = (
        "\n## Inside a network\n\nOf `plasticity inside`; H and P are the entropy "
        "and the predictive of the exact amnesic observer.\n\n"
    )
    return head + _table(numbers.glossary()) + inside + _table(geometry.glossary())


def _table(entries: Sequence["Entry"]) -> str:
    rows = [f"| `{e.id}` | {e.unit} | {_text(e.formula)} | {e.source} |\n" for e in entries]
    return "| id | unit | formula | source |\n|---|---|---|---|\n" + "".join(rows)


def _text(formula: str) -> str:
    return formula.replace("|", "\\|")


def yaml_keys() -> str:
    """Every key that a YAML may hold: of an experiment, of what it chooses among, of a sweep and of a suite."""
    from plasticity.bench.suite import Suite
    from plasticity.cli.common import contracts
    from plasticity.cli.explain import objects, shelves
    from plasticity.launch.sweep import Sweep

    nouns = contracts()
    found = shelves(nouns)
    for root in (Sweep, Suite):
        name = root.__name__.lower()
        inside = {f"{name}.{key}": cls for key, cls in objects(nouns, root).items()}
        inside = {key: cls for key, cls in inside.items() if cls not in objects(nouns).values()}
        found |= {key: {cls.__name__: [cls]} for key, cls in ({name: root} | inside).items()}
    parts = [
        "# Every key of a YAML\n\n"
        "Made from the constructors, as the schema of an editor is (`plasticity schema`); `plasticity explain` says "
        "the same in a terminal, with the whole docstring and a snippet to copy. `type` names a class: "
        "`{type: EWC, strength: 30}`."
    ]
    for kind, classes in found.items():
        parts.append(f"## {kind}")
        for name, namesakes in classes.items():
            one_of_many = issubclass(namesakes[0], tuple(nouns))
            parts += [_described(cls, name if one_of_many else "", nouns) for cls in namesakes]
    return "\n\n".join(parts) + "\n"


def _described(cls: type, title: str, nouns: Sequence[type]) -> str:
    """The first paragraph of a class, and a row for each argument."""
    from plasticity.cli.explain import explain

    of = explain(cls, "", nouns)
    rows = [
        f"| `{each.name}` | {_cell(each.takes)} | {f'`{each.default}`' if each.default else 'to be given'} "
        f"| {_cell(each.told)} |"
        for each in of.arguments
    ]
    head = ["| key | takes | default | what it is |\n|---|---|---|---|"] if rows else []
    first = _cell(" ".join(of.text.partition("\n\n")[0].split()))
    table = "\n".join([*head, *rows])
    return "\n\n".join(filter(None, [f"### {title}" if title else "", first, table]))


def _cell(text: str) -> str:
    """Text that Markdown shows as it is, in a cell of a table too."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", text)
