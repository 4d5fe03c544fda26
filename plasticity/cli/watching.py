"""Commands that show runs: watch, dashboard."""

import time
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from plasticity.cli.common import existing, out, refusal

app = typer.Typer()
PAUSE = 2.0
"""Seconds between two looks at what is stored."""


@app.command()
def watch(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Runs, or folders of runs; by default runs/.")
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address.")
    ] = False,
) -> None:
    """Watch runs live in the browser, without an account: those that go on, those done, and those that begin later."""
    found = folders or [Path("runs")]
    for folder in found:
        if not any(folder.glob("**/experiment.yaml")):
            existing(folder)
    try:
        from plasticity.tracking.watch import Watch

        watching = Watch(found)
    except ImportError:
        text = "watch: trackio is missing: pip install 'plasticity-testbed[watch]'"
        raise refusal(text) from None
    try:
        with watching:
            out.print(f"watching: {watching.url} (ctrl-C ends it)", highlight=False, soft_wrap=True)
            if not no_browser:
                webbrowser.open(watching.url)
            while True:
                watching.look()
                time.sleep(PAUSE)
    except KeyboardInterrupt:
        out.print("stopped; the runs go on")


@app.command()
def dashboard(
    entity: Annotated[str, typer.Option(help="wandb team or user.")] = "entity",
    project: Annotated[str, typer.Option(help="wandb project.")] = "plasticity",
    push: Annotated[bool, typer.Option("--push", help="Save it in wandb.")] = False,
    to: Annotated[Path, typer.Option(help="The folder to write.")] = Path("runs/dashboard"),
) -> None:
    """Build wandb's workspace and report for a project: written as JSON, or saved with --push."""
    from plasticity.tracking import logged_in

    if push and not logged_in():
        raise refusal(
            "dashboard: --push expects an account: nobody is logged in, see `wandb login`"
        )
    if push and entity == "entity":
        raise refusal("dashboard: --push expects --entity, the team or user whose project it is")
    try:
        from plasticity.tracking import dashboard as board
    except ImportError:
        text = "dashboard: wandb-workspaces is missing: pip install 'plasticity-testbed[dashboard]'"
        raise refusal(text) from None
    if push:
        for kind, address in board.push(entity, project).items():
            out.print(f"{kind}: {address}", highlight=False, soft_wrap=True)
        return
    for file in board.write(entity, project, to):
        out.print(f"written: {file}", highlight=False, soft_wrap=True)
    words = f"plasticity dashboard --entity {entity} --project {project} --push"
    out.print(f"to save it in wandb: {words}", highlight=False, soft_wrap=True)
