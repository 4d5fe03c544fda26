"""The command line. Heavy imports wait until a command needs them."""

import signal
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from plasticity.cli import (
    authoring,
    configuring,
    hybrids,
    insides,
    matrices,
    reading,
    running,
    sweeping,
    token_maps,
    tunnels,
    watching,
)
from plasticity.cli.bench import app as bench
from plasticity.cli.common import deaf, err

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for commands in (
    running,
    sweeping,
    configuring,
    reading,
    tunnels,
    matrices,
    hybrids,
    insides,
    token_maps,
    authoring,
    watching,
):
    app.add_typer(commands.app)
app.add_typer(bench, name="bench")


def _print_version(wanted: bool) -> bool:
    from importlib.metadata import version

    if wanted:
        typer.echo(f"plasticity {version('plasticity-testbed')}")
        raise typer.Exit
    return wanted


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print it, and end."
        ),
    ] = False,
) -> None:
    """Continual learning at test time, in bits from the truth."""


def main() -> None:
    """The entry point: a wrong configuration is exit code 2 and its problems, one per line."""
    from plasticity.core.errors import ConfigError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(
                errors="replace"
            )  # a terminal that cannot show a letter gets another
    for each in (
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # a polite kill is a ctrl-C, and so is a terminal that is gone
        if signal.getsignal(each) == signal.SIG_DFL:  # not so under nohup
            signal.signal(each, signal.default_int_handler)
    try:
        app()
    except ConfigError as error:
        for problem in error.problems:
            err.print(str(problem), style="red", highlight=False, soft_wrap=True)
        sys.exit(2)
    except (
        OSError
    ) as error:  # a file in a folder's place, a folder in a file's, a disk that is read only
        if error.filename is None:
            raise
        text = f"{error.filename2 or error.filename}: {error.strerror}"
        err.print(text, style="red", highlight=False, soft_wrap=True)
        sys.exit(2)
    finally:
        deaf()
