"""Commands that read what runs have stored: report."""

from pathlib import Path
from typing import Annotated

import typer

from plasticity.cli.common import existing, out, print_table

app = typer.Typer()


@app.command()
def report(
    run_dirs: Annotated[list[Path], typer.Argument(help="Folders of runs, finished or not.")],
    to: Annotated[Path | None, typer.Option(help="The page to write.")] = None,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Derive every number anew, by today's formulas.")
    ] = False,
) -> None:
    """Write report.html from what the runs have stored, and print the table."""
    from plasticity.store import Run

    runs = [Run(existing(folder).parent) for folder in run_dirs]
    from plasticity import report as reports

    for each in runs:
        if recompute:
            reports.recompute(each)
        print_table(each)
    page = reports.write(runs, to or run_dirs[0] / "report.html")
    out.print(f"report: {page}", highlight=False, soft_wrap=True)
