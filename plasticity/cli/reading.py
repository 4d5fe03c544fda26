"""Commands that read what runs have stored: report, compare."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plasticity.cli.common import err, existing, out, parsed, print_fitting, print_table, refusal

if TYPE_CHECKING:
    from plasticity.report.page import Page

app = typer.Typer()
Export = Annotated[
    Path | None,
    typer.Option(
        help="Folder for a paper: figures as SVG, PDF and PNG, tables as LaTeX, data as CSV."
    ),
]
Column = Annotated[
    float | None,
    typer.Option(
        min=1,
        help="Inches of a paper's column: pictures are drawn so that their text is 8 points in it.",
    ),
]


@app.command()
def report(
    run_dirs: Annotated[list[Path], typer.Argument(help="Folders of runs, finished or not.")],
    to: Annotated[Path | None, typer.Option(help="The page to write.")] = None,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Derive every number anew, by today's formulas.")
    ] = False,
    export: Export = None,
    column: Column = None,
) -> None:
    """Write report.html from what the runs have stored, and print the table."""
    from plasticity.results.store import Run

    runs = [Run(existing(folder).parent) for folder in run_dirs]
    from plasticity.report import run_page
    from plasticity.report import run_report as reports

    for each in runs if recompute else ():
        reports.recompute(each, parsed(each.path / "experiment.yaml", []).stream)
    stored = [reports.read(each) for each in runs]
    for each in stored:
        print_table(each)
    _written("report", run_page.page(stored), to or run_dirs[0] / "report.html", export, column)
    if len(runs) > 1:
        words = " ".join(map(str, run_dirs))
        out.print(f"strategies of different runs, paired by seed: plasticity compare {words}",
                  style="dim", highlight=False, soft_wrap=True)  # fmt: skip


@app.command()
def compare(
    run_dirs: Annotated[list[Path], typer.Argument(help="Folders of runs, finished or not.")],
    against: Annotated[
        str | None,
        typer.Option(help="Strategy that the others are held against; by default the best."),
    ] = None,
    to: Annotated[Path, typer.Option(help="The page to write.")] = Path("compare.html"),
    export: Export = None,
    column: Column = None,
) -> None:
    """Hold the strategies of several runs against one of them, paired by seed, and write compare.html."""
    from plasticity.results.store import Run

    runs = [Run(existing(folder).parent) for folder in run_dirs]
    from plasticity.report import compare_page, comparison

    try:
        found = comparison.compared(runs, against)
    except ValueError as error:
        raise refusal(str(error)) from None
    for name, folder in zip(found.names, found.folders, strict=True):
        out.print(f"{name}: {folder}", highlight=False, soft_wrap=True)
    print_fitting(comparison.shown(found), comparison.SPARE)
    for line in [*found.notes, *found.unpaired]:
        err.print(line, style="yellow", highlight=False, soft_wrap=True)
    told = found.verdict
    out.print(f"{told.answer}. {told.because}", highlight=False, soft_wrap=True)
    _written("comparison", compare_page.page(found), to, export, column)


def _written(what: str, page: "Page", to: Path, export: Path | None, column: float | None) -> None:
    """Write the page and say where it is; save what it shows."""
    out.print(f"{what}: {page.write(to)}", highlight=False, soft_wrap=True)
    if export:
        number = len(page.export(export, column))
        out.print(
            f"figures and tables: {number} files in {export}", highlight=False, soft_wrap=True
        )
