"""The command inside: where the posterior lives in a network, and what a shift moves there."""

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
def inside(
    file: Annotated[
        Path, typer.Argument(metavar="FILE|RUN", help="An experiment, or the folder of a run.")
    ],
    overrides: Overrides = None,
    episodes: Annotated[int, typer.Option(min=16, help="Held out, with fresh latents.")] = 1024,
    changed: Annotated[
        int, typer.Option(min=0, help="Layers and streams that are changed, at most; 0: all.")
    ] = 8,
    to: Annotated[Path, typer.Option(help="The page; .csv beside it.")] = Path("runs/inside.html"),
) -> None:
    """Look inside each network of FILE, once pretrained: keys, values, beliefs, heads, cuts, swaps, each with controls.

    Of a run, also what its strategies moved over the stream, where `condition: {inside: 1}` recorded it; with
    `pretrain: {checkpoints: [...]}`, when routing and precision settled.
    """
    from plasticity.engine.progress import bars
    from plasticity.results.store import Run
    from plasticity.studies import inside_page
    from plasticity.studies.inside import networks, stream

    run = Run(file) if file.is_dir() or not file.suffix else None
    experiment = parsed(existing(file) if run else file, overrides or [])
    seed = [*experiment.seeds, experiment.seed][0]
    over = stream(run) if run else None
    try:
        with stoppable(), bars(err) as progress:
            found = [*networks(experiment, seed, episodes, progress, changed)]
    except ValueError as error:
        raise refusal(f"{file}: {error}") from None
    for each in found:
        print_fitting(inside_page.shown(each), inside_page.SPARE)
    for written in inside_page.keep(found, over, to):
        out.print(f"written: {written}", highlight=False, soft_wrap=True)
