"""The command tokens: which texts stand best for the symbols of a language model."""

from pathlib import Path
from typing import Annotated

import typer

from plasticity.cli.common import PASS_ON, Overrides, err, out, parsed, refusal

app = typer.Typer()


@app.command(context_settings=PASS_ON)
def tokens(
    file: Annotated[Path, typer.Argument(help="An experiment with a HuggingFace network.")],
    overrides: Overrides = None,
    episodes: Annotated[int, typer.Option(min=2, help="On which each map is scored.")] = 16,
) -> None:
    """Which texts stand best for the symbols? Bits of the model as it is, map by map, best first.

    On fresh latents of a seed that no run has, so that no table is searched on what it reports.
    """
    from plasticity.studies.token_maps import search, shown

    experiment = parsed(file, overrides or [])
    found = []
    try:
        for each in search(experiment, episodes):
            err.print(f"{each.name}: {each.kl:.3f}", style="dim", highlight=False)
            found.append(each)
    except ValueError as error:
        raise refusal(f"{file}: {error}") from None
    out.print(shown(found))
