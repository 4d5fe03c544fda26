"""The command line: run, resume, report, bench, list, new, check.

Heavy imports wait until a command needs them.
"""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from plasticity.bench.cli import app as bench

if TYPE_CHECKING:
    from plasticity.experiment import Experiment
    from plasticity.store import Run

app = typer.Typer(
    help="Continual learning at test time, in bits from the truth.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(bench, name="bench")
out, err = Console(), Console(stderr=True)
PASS_ON = {"ignore_unknown_options": True}
"""Options that typer does not know are arguments."""


@app.command(context_settings=PASS_ON)
def run(
    file: Annotated[Path, typer.Argument(help="The experiment, as YAML.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="--KEY=VALUE", help="Keys of FILE.")
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder of this run; by default runs/<name>/<time>.")
    ] = None,
) -> None:
    """Pretrain once, then run every strategy of FILE against the same world.

    Any key of FILE may be overridden: --stream.period=50 --strategies.2.strength=10 --wandb.mode=disabled
    """
    from plasticity import launch
    from plasticity.recipe import did_you_mean

    for word in overrides or []:
        if did_you_mean(word.partition("=")[0], ["--run-dir", "--rundir", "--run_dir"]):
            raise _refusal(f"command line: unknown option {word!r}. Did you mean '--run-dir'?")
    experiment = _parse(file, overrides or [])
    _carry_out(experiment, launch.create(experiment, run_dir))


@app.command()
def resume(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a run that was cut off.")],
) -> None:
    """Take up a run where its last checkpoint lies; what is done stays as it is."""
    from plasticity import launch
    from plasticity.store import Run

    experiment = _parse(_existing(run_dir), [])
    launch.rehearse(experiment)
    _carry_out(experiment, Run(run_dir))


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

    runs = [Run(_existing(folder).parent) for folder in run_dirs]
    from plasticity import report as reports

    for each in runs:
        if recompute:
            reports.recompute(each)
        _table(each)
    page = reports.write(runs, to or run_dirs[0] / "report.html")
    out.print(f"report: {page}", highlight=False, soft_wrap=True)


@app.command("tunnel-table", context_settings=PASS_ON)
def tunnel_table(
    words: Annotated[
        list[str],
        typer.Argument(metavar="FILE... [--KEY=VALUE...]", help="Experiments, and keys of all."),
    ],
    jobs: Annotated[int, typer.Option(min=1, help="Pretrainings at a time.")] = 2,
    to: Annotated[Path, typer.Option(help="The page to write.")] = Path("runs/tunnel-table.html"),
) -> None:
    """How exactly does each network of each FILE infer in context? Pretrain under every seed, and score.

    What is done is kept, so the same command goes on where it was stopped.
    """
    from plasticity import launch, table
    from plasticity.progress import bars

    overrides = [word for word in words if word.startswith("--")]
    files = [Path(word) for word in words if not word.startswith("--")]
    if not files:
        raise _refusal("command line: expected the file of an experiment, got none")
    experiments = [_parse(file, overrides) for file in files]
    for experiment in experiments:
        launch.rehearse(experiment)
    wanted = table.entries(experiments)
    try:
        with bars(out) as progress:
            task = progress.add_task("tunnel-table", total=len(wanted), note="")
            for index in table.run(wanted, jobs):
                progress.update(task, advance=1, note=wanted[index].name)
                if not out.is_terminal:
                    out.print(f"done: {wanted[index].name}", highlight=False)
    except KeyboardInterrupt:
        err.print("stopped; what is done is kept; go on with the same command")
        raise typer.Exit(130) from None
    done = [(entry, table.curves(entry)) for entry in wanted]
    out.print(table.shown(done))
    out.print(f"page: {table.write(done, to)}", highlight=False, soft_wrap=True)


@app.command("list")
def list_() -> None:
    """What a YAML can name: tunnels, streams, networks, strategies, optimizers, detectors."""
    from plasticity.plugins import full_name, known

    contracts = _contracts()
    table = Table("kind", "type", "what it is", box=None, header_style="bold")
    for contract in contracts:
        for name, classes in sorted(known(contract, contracts).items()):
            for cls in classes:
                first = (cls.__doc__ or "").strip().splitlines() or [""]
                shown = full_name(cls) if classes[1:] else name  # namesakes: where each comes from
                table.add_row(contract.__name__.lower(), shown, escape(first[0]))
    out.print(table)


@app.command()
def new(
    kind: Annotated[str, typer.Argument(help="What it brings: strategy.")],
    name: Annotated[str, typer.Argument(help="MyIdea or my_idea.")],
    to: Annotated[
        Path | None, typer.Option(help="A new or empty folder; by default ./my-idea.")
    ] = None,
) -> None:
    """Write a package of your own: a strategy that works, its tests, and an experiment with it.

    It is there to be edited; plasticity/OWN_STRATEGY.md goes through it.
    """
    from plasticity import scaffold
    from plasticity.plugins import known

    contracts = _contracts()
    taken = {each.__name__.lower(): list(known(each, contracts)) for each in contracts}
    folder = scaffold.create(kind, name, to, taken.get(kind, []))
    out.print(
        f"new: {folder}; how to go on: {folder / 'README.md'}", highlight=False, soft_wrap=True
    )


@app.command(context_settings=PASS_ON)
def check(
    subject: Annotated[
        str, typer.Argument(help="package.Class: a tunnel, a strategy or a network.")
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="--NAME=VALUE", help="Of the class.")
    ] = None,
) -> None:
    """Run the conformance kit on a class of your own.

    Arguments of the class follow: plasticity check my_package.MyTunnel --size=4 --pairs=3
    """
    sys.path.insert(0, os.getcwd())
    from plasticity import checks

    colours = {"passed": "green", "skipped": "yellow", "FAILED": "red"}
    failed, last = 0, ""
    try:
        results = checks.run(checks.named(subject, arguments or [], _contracts()))
    except (TypeError, ValueError) as error:
        raise _refusal(f"{subject}: {error}") from None
    for title, verdict, why in results:
        out.print(f"[{colours[verdict]}]{verdict}[/] {title}", highlight=False)
        if why:
            told = "as above" if why == last else why
            out.print(f"        {told}", markup=False, highlight=False, soft_wrap=True)
        failed, last = failed + (verdict == "FAILED"), why
    if failed:
        raise typer.Exit(1)


def _carry_out(experiment: "Experiment", where: "Run") -> None:
    """Run the cells, whatever happens say how to go on, then the table and the page."""
    from plasticity import launch
    from plasticity.report import write

    go_on = (
        f"nothing before the last checkpoint is lost; go on with: plasticity resume {where.path}"
    )
    out.print(f"run: {where.path}", highlight=False, soft_wrap=True)
    try:
        launch.run(experiment, where, out)
        _table(where)
        page = write([where], where.path / "report.html")
    except (KeyboardInterrupt, SystemExit):
        raise _refusal(f"stopped; {go_on}", 130) from None
    except OSError as error:
        what = f"{error.strerror}: {error.filename or where.path}" if error.strerror else error
        raise _refusal(f"{what}; {go_on}", 1) from None
    except Exception:
        err.print(f"a fault in the code, told below; {go_on}", style="red", soft_wrap=True)
        raise
    out.print(f"report: {page}", highlight=False, soft_wrap=True)


def _parse(file: Path, overrides: list[str]) -> "Experiment":
    from plasticity.experiment import Experiment
    from plasticity.schema import parse
    from plasticity.yamlfile import read

    return parse(Experiment, read(file, overrides), _contracts())


def _contracts() -> list[type]:
    """The nouns a YAML chooses among, with every plugin loaded."""
    from plasticity import Detector, Network, Optimizer, Strategy, Stream, Tunnel, plugins

    for failure in plugins.load():
        text = f"plugin {failure.distribution} ({failure.module}) was skipped: {failure.reason}"
        err.print(text, style="yellow", markup=False, soft_wrap=True)
    return [Tunnel, Stream, Network, Strategy, Optimizer, Detector]


def _existing(folder: Path) -> Path:
    """The resolved YAML of a run directory."""
    file = folder / "experiment.yaml"
    if not file.exists():
        from plasticity.recipe import did_you_mean

        near = "" if folder.exists() else " There is no such folder."
        if not folder.exists() and folder.parent.is_dir():
            near += did_you_mean(folder.name, (p.name for p in folder.parent.iterdir()))
        text = f"{folder}: expected the folder of a run (it holds experiment.yaml).{near}"
        raise _refusal(text.removesuffix("."))
    return file


def _table(where: "Run") -> None:
    from plasticity.report import CAPTION, COLUMNS, rows, title

    table = Table(
        title=title(where), caption=CAPTION, box=None, header_style="bold", pad_edge=False
    )
    shown = COLUMNS[:6]  # what fits a terminal; the page has all
    for name, _ in shown:
        table.add_column(
            name.replace(" ", "\n", 1), justify="right" if name else "left", no_wrap=True
        )
    for row in rows(where):
        table.add_row(
            *(show(row) for _, show in shown), style=None if row.strategy else "bright_black"
        )
    out.print(table)


def _refusal(text: str, code: int = 2) -> typer.Exit:
    """Say what is wrong; raise what comes back."""
    err.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(code)


def main() -> None:
    """The entry point: a wrong configuration is exit code 2 and its problems, one per line."""
    from plasticity.recipe import ConfigError

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill is a ctrl-C
    try:
        app()
    except ConfigError as error:
        for problem in error.problems:
            err.print(str(problem), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
