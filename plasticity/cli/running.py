"""Commands that run: run, resume."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plasticity.cli.common import (
    PASS_ON,
    Configs,
    Overrides,
    deaf,
    err,
    existing,
    located,
    out,
    parsed,
    print_table,
    refusal,
    tell_upload,
    warn,
)
from plasticity.core.errors import ConfigError

if TYPE_CHECKING:
    from plasticity.launch.experiment import Experiment
    from plasticity.results.store import Run

app = typer.Typer()
FAILED = 100
"""Exit code of a run of which n cells failed: FAILED + n, 120 at most."""


@app.command(context_settings=PASS_ON)
def run(
    file: Annotated[Path, typer.Argument(help="The experiment, as YAML.")],
    overrides: Overrides = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder of this run; by default runs/<name>/<time>.")
    ] = None,
    config: Configs = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the resolved YAML, and run nothing.")
    ] = False,
) -> None:
    """Pretrain once, then run every strategy of FILE against the same world.

    Any key of FILE may be overridden: --stream.period=50 --strategies.2.strength=10 --wandb.mode=disabled
    """
    from plasticity.core.errors import did_you_mean
    from plasticity.launch.folder import create, resolved

    for word in overrides or []:
        if did_you_mean(word.partition("=")[0], ["--run-dir", "--rundir", "--run_dir"]):
            raise refusal(f"command line: unknown option {word!r}. Did you mean '--run-dir'?")
        if "=" not in word and (near := did_you_mean(word, ["--config", "--print-config"])):
            raise refusal(f"command line: unknown option {word!r}.{near}")
    experiment, tree = located(file, overrides or [], config or [])
    if print_config:
        typer.echo(resolved(experiment), nl=False)
        return
    _carry_out(experiment, create(experiment, run_dir, tree, warn))


@app.command()
def resume(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a run that was cut off.")],
) -> None:
    """Take up a run where its last checkpoint lies; what is done stays as it is."""
    from plasticity.launch.validate import build_all
    from plasticity.results.store import Run

    experiment = parsed(existing(run_dir), [])
    build_all(experiment)
    _carry_out(experiment, Run(run_dir))


def _carry_out(experiment: "Experiment", where: "Run") -> None:
    """Run the cells, whatever happens say how to go on, then the table and the page."""
    go_on = (
        f"nothing before the last checkpoint is lost; go on with: plasticity resume {where.path}"
    )
    out.print(f"run: {where.path}", highlight=False, soft_wrap=True)
    failed: list[str] = []
    try:
        from plasticity.launch.run import run as run_cells  # seconds, in which one may think again

        failed = run_cells(experiment, where, out)
        _report(where)
        tell_upload(where.path)
    except (KeyboardInterrupt, SystemExit):
        deaf()
        raise refusal(f"stopped; {go_on}", 130) from None
    except ConfigError as error:
        if not failed:
            raise
        out.print(f"no table: {error}", highlight=False, soft_wrap=True)  # of a cell that failed
    except OSError as error:
        what = f"{error.strerror}: {error.filename or where.path}" if error.strerror else error
        raise refusal(f"{what}; {go_on}", 1) from None
    except Exception:
        err.print(f"a fault in the code, told below; {go_on}", style="red", soft_wrap=True)
        raise
    if failed:
        names = f"{', '.join(failed[:3])}{', ...' * (len(failed) > 3)}"
        text = f"{len(failed)} cells failed ({names}): error.txt in their folders tells why"
        again = f"to try them again: plasticity resume {where.path}"
        raise refusal(f"{text}; {again}", FAILED + min(len(failed), 20))


def _report(where: "Run") -> None:
    """The table, the verdict and the page."""
    from plasticity.report.run_page import write
    from plasticity.report.run_report import read

    of = read(where)
    print_table(of)
    page = write([of], where.path / "report.html")
    out.print(f"report: {page}", highlight=False, soft_wrap=True)
