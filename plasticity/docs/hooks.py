"""Pages that are made from the source when the site is built: the glossary, the log, and what there is."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

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
    """Every formula of a summary as a table."""
    from plasticity.metrics.glossary import GLOSSARY

    rows = [f"| `{e.id}` | {e.unit} | {e.formula} | {e.source} |" for e in GLOSSARY]
    head = (
        "# What every number is\n\n"
        "One row for each number of `summary.json` and of a report. `<who>` is `model` or one of the observers and "
        "baselines that faced the same batches. Bits are per asked position, steps are batches.\n\n"
        "| id | unit | formula | source |\n|---|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"
