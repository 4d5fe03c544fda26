"""The command line: run, resume, report, list, check.

Heavy imports wait until a command needs them.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from plasticity.experiment import Experiment
    from plasticity.report import Row
    from plasticity.store import Run

app = typer.Typer(
    help="Continual learning at test time, in bits from the truth.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out, err = Console(), Console(stderr=True)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The experiment, as YAML.")],
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder of this run; by default runs/<name>/<time>.")
    ] = None,
) -> None:
    """Pretrain once, then run every strategy of FILE against the same world.

    Any key of FILE may be overridden: --stream.period=50 --strategies.2.strength=10 --wandb.mode=disabled
    """
    from plasticity import launch

    experiment = _parse(file, context.args)
    _carry_out(experiment, launch.create(experiment, run_dir))


@app.command()
def resume(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a run that was cut off.")],
) -> None:
    """Take up a run where its last checkpoint lies; what is done stays as it is."""
    from plasticity.store import Run

    _carry_out(_parse(_existing(run_dir), []), Run(run_dir))


@app.command()
def report(
    run_dirs: Annotated[list[Path], typer.Argument(help="Folders of runs, finished or not.")],
    to: Annotated[Path | None, typer.Option(help="The page to write.")] = None,
) -> None:
    """Write report.html from what the runs have stored, and print the table."""
    from plasticity.report import write
    from plasticity.store import Run

    runs = [Run(_existing(folder).parent) for folder in run_dirs]
    for each in runs:
        _table(each)
    page = write(runs, to or run_dirs[0] / "report.html")
    out.print(f"report: {page}", highlight=False, soft_wrap=True)


@app.command("list")
def list_() -> None:
    """What a YAML can name: tunnels, streams, networks, strategies, optimizers."""
    from plasticity.plugins import known

    contracts = _contracts()
    table = Table("kind", "type", "what it is", box=None, header_style="bold")
    for contract in contracts:
        for name, classes in sorted(known(contract, contracts).items()):
            first = (classes[0].__doc__ or "").strip().splitlines() or [""]
            table.add_row(contract.__name__.lower(), name, first[0])
    out.print(table)


@app.command()
def check(
    classes: Annotated[
        list[str], typer.Argument(help="package.Class: a tunnel, strategy or network.")
    ],
) -> None:
    """Run the conformance kit on a class of your own."""
    import importlib

    from plasticity import checks

    failed = 0
    for dotted in classes:
        module, _, name = dotted.rpartition(".")
        sys.path.insert(0, os.getcwd())
        try:
            subject = getattr(importlib.import_module(module), name)
            results = checks.run(subject)
        except (ImportError, AttributeError, ValueError, TypeError) as error:
            raise _refusal(f"{dotted}: expected package.Class, got: {error}") from None
        for title, failure in results:
            mark = "[green]passed[/]" if failure is None else "[red]FAILED[/]"
            out.print(f"{mark} {title}", highlight=False)
            if failure is not None:
                out.print(f"       {failure}", markup=False, highlight=False)
                failed += 1
    if failed:
        raise typer.Exit(1)


def _carry_out(experiment: "Experiment", where: "Run") -> None:
    """Run the cells, whatever happens say how to go on, then the table and the page."""
    from plasticity import launch
    from plasticity.report import write

    go_on = f"go on with: plasticity resume {where.path}"
    out.print(f"run: {where.path}", highlight=False, soft_wrap=True)
    try:
        launch.run(experiment, where, out)
    except (KeyboardInterrupt, SystemExit):
        err.print(f"stopped; nothing before the last checkpoint is lost; {go_on}", soft_wrap=True)
        raise typer.Exit(130) from None
    except OSError as error:
        err.print(f"{error.strerror}: {error.filename or where.path}; {go_on}", soft_wrap=True)
        raise typer.Exit(1) from None
    _table(where)
    page = write([where], where.path / "report.html")
    out.print(f"report: {page}", highlight=False, soft_wrap=True)


def _parse(file: Path, overrides: list[str]) -> "Experiment":
    from plasticity.experiment import Experiment
    from plasticity.schema import parse
    from plasticity.yamlfile import read

    return parse(Experiment, read(file, overrides), _contracts())


def _contracts() -> list[type]:
    """The nouns a YAML chooses among, with every plugin loaded."""
    from plasticity import Network, Optimizer, Strategy, Stream, Tunnel, plugins

    for failure in plugins.load():
        text = f"plugin {failure.distribution} ({failure.module}) was skipped: {failure.reason}"
        err.print(text, style="yellow", markup=False, soft_wrap=True)
    return [Tunnel, Stream, Network, Strategy, Optimizer]


def _existing(folder: Path) -> Path:
    """The resolved YAML of a run directory."""
    file = folder / "experiment.yaml"
    if not file.exists():
        raise _refusal(f"{folder}: expected the folder of a run (it holds experiment.yaml)")
    return file


def _table(where: "Run") -> None:
    from plasticity.report import COLUMNS, rows

    table = Table(title=where.path.parent.name, header_style="bold")
    columns: list[tuple[str, Callable[[Row], str]]] = COLUMNS
    for title, _ in columns:
        table.add_column(title, justify="left" if title == columns[0][0] else "right")
    for row in rows(where):
        table.add_row(*(show(row) for _, show in columns))
    out.print(table)


def _refusal(text: str) -> typer.Exit:
    """Say what is wrong; raise what comes back."""
    err.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(2)


def main() -> None:
    """The entry point: a wrong configuration is exit code 2 and its problems, one per line."""
    from plasticity.recipe import ConfigError

    try:
        app()
    except ConfigError as error:
        for problem in error.problems:
            err.print(str(problem), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
