"""Commands for those who write classes of their own: list, new, check."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from plasticity.cli.common import PASS_ON, contracts, out, refusal

app = typer.Typer()


@app.command("list")
def list_(
    kind: Annotated[
        str | None, typer.Argument(help="strategy, tunnel ...; by default all.")
    ] = None,
) -> None:
    """What a YAML can name: tunnels, streams, networks, strategies, optimizers, detectors, loggers."""
    from plasticity.config.plugins import full_name, known

    nouns = contracts()
    kinds = {noun.__name__.lower(): noun for noun in nouns}
    if kind is not None:
        from plasticity.cli.explain import pick

        kinds = {kind: kinds[pick("kind", kind, [*kinds])]}
    table = Table("kind", "type", "what it is", box=None, header_style="bold")
    for each, contract in kinds.items():
        for name, classes in sorted(known(contract, nouns).items()):
            for cls in classes:
                first = (cls.__doc__ or "").strip().splitlines() or [""]
                shown = full_name(cls) if classes[1:] else name  # namesakes: where each comes from
                table.add_row(each, shown, first[0])
    out.print(table)


@app.command()
def new(
    kind: Annotated[str, typer.Argument(help="strategy, tunnel, network or metric.")],
    name: Annotated[str, typer.Argument(help="MyIdea or my_idea.")],
    to: Annotated[
        Path | None, typer.Option(help="A new or empty folder; by default ./my-idea.")
    ] = None,
) -> None:
    """Write a package of your own: a part that works, its tests, and an experiment with it.

    It is there to be edited; pages own_strategy, own_tunnel, own_network and own_metric of the site go through it.
    """
    from plasticity.cli import scaffold
    from plasticity.config.plugins import known
    from plasticity.metrics.glossary import glossary

    nouns = contracts()
    taken = {each.__name__.lower(): list(known(each, nouns)) for each in nouns}
    taken[scaffold.METRIC] = [entry.id for entry in glossary()]
    folder = scaffold.create(kind, name, to, taken.get(kind, []))
    out.print(
        f"new: {folder}; how to go on: {folder / 'README.md'}", highlight=False, soft_wrap=True
    )


@app.command(context_settings=PASS_ON)
def check(
    subject: Annotated[
        str, typer.Argument(help="package.Class, of whatever `list` lists; or package.metric.")
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="--NAME=VALUE", help="Of the class.")
    ] = None,
) -> None:
    """Run the conformance kit on a class of your own, or on a metric.

    Arguments of the class follow: plasticity check my_package.MyTunnel --size=4 --pairs=3. A schedule needs a task:
    plasticity check streams.Recurring --period=4 '--tunnels=[{type: Urn, alpha: [1, 1]}]'
    """
    sys.path.insert(0, os.getcwd())
    from plasticity import checks

    colours = {"passed": "green", "skipped": "yellow", "FAILED": "red"}
    failed, last = 0, ""
    try:
        results = checks.run(checks.named(subject, arguments or [], contracts()))
    except (TypeError, ValueError) as error:
        raise refusal(f"{subject}: {error}") from None
    for title, verdict, why in results:
        out.print(Text.assemble((verdict, colours[verdict]), f" {title}"))
        if why:
            told = "as above" if why == last else why
            out.print(f"        {told}", highlight=False, soft_wrap=True)
        failed, last = failed + (verdict == "FAILED"), why
    if failed:
        raise typer.Exit(1)
