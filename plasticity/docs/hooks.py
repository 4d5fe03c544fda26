"""Pages that are made from the source when the site is built: the glossary, the log, and what there is."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from plasticity.metrics.formula import Entry

ROOT = Path(__file__).resolve().parents[2]


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    for name, text in {
        "glossary.md": glossary(),
        "log.md": (ROOT / "experiments" / "README.md").read_text(),
    }.items():
        files.append(File.generated(config, name, content=text))
    picture = ROOT / "experiments" / "quickstart.png"
    files.append(File.generated(config, "quickstart.png", abs_src_path=str(picture)))
    return files


def glossary() -> str:
    """Every formula of a summary, and of the inside of a network, as tables."""
    from plasticity.diagnostics import geometry
    from plasticity.metrics.glossary import GLOSSARY

    head = (
        "# What every number is\n\n"
        "One row for each number of `summary.json` and of a report. `<who>` is `model` or one of the observers and "
        "baselines that faced the same batches. Bits are per asked position, steps are batches.\n\n"
    )
    inside = (
        "\n## Inside a network\n\nOf `plasticity inside`; H and P are the entropy "
        "and the predictive of the exact amnesic observer.\n\n"
    )
    return head + _table(GLOSSARY) + inside + _table(geometry.glossary())


def _table(entries: Sequence["Entry"]) -> str:
    rows = [f"| `{e.id}` | {e.unit} | {_text(e.formula)} | {e.source} |\n" for e in entries]
    return "| id | unit | formula | source |\n|---|---|---|---|\n" + "".join(rows)


def _text(formula: str) -> str:
    return formula.replace("|", "\\|")
