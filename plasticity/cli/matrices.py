"""The command matrix: a language model as prompts by next symbols, beside the exact one."""

from pathlib import Path
from typing import Annotated

import typer

from plasticity.cli.common import (
    PASS_ON,
    Overrides,
    err,
    existing,
    out,
    parsed,
    print_fitting,
    refusal,
    stoppable,
)

app = typer.Typer()


@app.command(context_settings=PASS_ON)
def matrix(
    file: Annotated[
        Path, typer.Argument(help="An experiment, or the folder of a cell that has a checkpoint.")
    ],
    overrides: Overrides = None,
    prompts: Annotated[int, typer.Option(min=2, help="Rows, about.")] = 2000,
    length: Annotated[
        int | None, typer.Option(min=1, help="Symbols of the longest prompt.")
    ] = None,
    names: Annotated[str, typer.Option(help="Of the symbols: 'protein shake gym'.")] = "",
    weights: Annotated[
        Path | None, typer.Option(help="Saved weights (a state dict) of the first network.")
    ] = None,
    to: Annotated[Path, typer.Option(help="The page; .json and .csv beside it.")] = Path(
        "runs/matrix.html"
    ),
) -> None:
    """The prompt by next-symbol matrix of each network of FILE, once pretrained, beside the exact observer's.

    Its rank, what compression loses, how far evidence moves a row against Bayes' rule, nearest prompts, a picture.
    Of a cell: its learner as the last checkpoint has it, beside the continual observer of the regime that was live.
    """
    from plasticity.engine.progress import bars
    from plasticity.results.store import Cell
    from plasticity.studies import matrix_page
    from plasticity.studies.matrix_study import Size, studies

    cell = Cell(file) if (file / "cell.json").exists() else None
    if file.is_dir() and not (cell and cell.checkpoint.exists()):
        text = f"{file}: expected an experiment, or the folder of a cell with its checkpoint"
        raise refusal(f"{text} (gone where the cell is done)" if cell else text)
    experiment = parsed(existing(file.parent.parent) if cell else file, overrides or [])
    try:
        with stoppable(), bars(err) as progress:
            studied = studies(experiment, cell, weights, Size(prompts, length), progress)
    except ValueError as error:
        raise refusal(str(error)) from None
    for each in studied:
        print_fitting(matrix_page.shown(each), ["rank", "explained", "alike", "step", "needed"])
    for written in matrix_page.keep(studied, names.split(), to):
        out.print(f"written: {written}", highlight=False, soft_wrap=True)
