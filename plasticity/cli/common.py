"""What the commands share: the two consoles, reading a YAML, and refusing."""

import gc
import re
import shlex
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from plasticity.core.names import printable

if TYPE_CHECKING:
    from plasticity.config.yaml_source import Located
    from plasticity.launch.experiment import Experiment
    from plasticity.report.run_report import RunNumbers

Configs = Annotated[
    list[Path] | None,
    typer.Option("--config", help="Its keys win over those of FILE; may be repeated."),
]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="--KEY=VALUE", help="Keys of the experiment.")
]


class PlainConsole(Console):
    """A console to which all text is literal: no markup, no emoji, and nothing that a terminal obeys."""

    def __init__(self, **options: Any):
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Text for the screen, with control characters written out, whoever wrote them."""
        return super().render_str(printable(text), **options)


out, err = PlainConsole(), PlainConsole(stderr=True)
GO_ON = "what is done is kept; go on with the same command"
PASS_ON = {"ignore_unknown_options": True}
"""Options that typer does not know are arguments."""


def parsed(file: Path, overrides: Sequence[str]) -> "Experiment":
    """The experiment that a file describes.

    Raises:
        ConfigError: it describes none; with every problem.
    """
    return located(file, overrides, [])[0]


def located(
    file: Path, overrides: Sequence[str], configs: Sequence[Path]
) -> "tuple[Experiment, Located]":
    """The experiment that a file describes, with others put over it; and the place of everything.

    Raises:
        ConfigError: it describes none; with every problem.
    """
    from plasticity.config.yaml_source import read

    tree, nouns = read(file, overrides, configs), contracts()
    from plasticity.config.schema import parse
    from plasticity.launch.experiment import Experiment

    return parse(Experiment, tree, nouns), tree


def contracts() -> list[type]:
    """The nouns a YAML chooses among, with every plugin loaded."""
    gc.disable()  # the collector would look through all of torch again and again
    try:
        from plasticity import Detector, Logger, Network, Optimizer, Strategy, Stream, Tunnel
        from plasticity.config import plugins
        from plasticity.tracking import lightning

        lightning.load()
        failures = plugins.load()
        if any(plugins.points([plugins.METRICS])):
            from plasticity.metrics import glossary

            failures += glossary.refused()
    finally:
        gc.enable()
    for failure in failures:
        text = f"plugin {failure.distribution} ({failure.module}) was skipped: {failure.reason}"
        err.print(text, style="yellow", soft_wrap=True)
    return [Tunnel, Stream, Network, Strategy, Optimizer, Detector, Logger]


def existing(folder: Path) -> Path:
    """The resolved YAML of a run directory."""
    file = folder / "experiment.yaml"
    if not file.exists():
        from plasticity.core.errors import did_you_mean

        inside = [p.parent for n in (1, 2) for p in folder.glob("*/" * n + file.name)]
        near = "" if folder.exists() else " There is no such folder."
        if inside:
            near = f" Did you mean {max(inside, key=lambda run: run.name)}?"
        elif not folder.exists() and folder.parent.is_dir():
            near += did_you_mean(folder.name, (p.name for p in folder.parent.iterdir()))
        text = f"{folder}: expected the folder of a run (it holds experiment.yaml).{near}"
        raise refusal(text.removesuffix("."))
    return file


def experiments_of(words: Sequence[str]) -> "dict[Path, Experiment]":
    """The experiments that some words name, under the keys that others set (`--KEY=VALUE`), each built once.

    Raises:
        ConfigError: a file describes none, or something of it cannot be built; with every problem.
    """
    from plasticity.launch.validate import build_all

    overrides = [word for word in words if word.startswith("--")]
    files = [Path(word) for word in words if not word.startswith("--")]
    if not files:
        raise refusal("command line: expected the file of an experiment, got none")
    experiments = {file: parsed(file, overrides) for file in files}
    for experiment in experiments.values():
        build_all(experiment)
    return experiments


def follow(title: str, names: Sequence[str], done: Iterator[int]) -> None:
    """Show what gets done, until all of it is.

    Args:
        title: of the bar.
        names: of what is to be done.
        done: its places, in whatever order.
    """
    from plasticity.engine.progress import bars

    with stoppable(), bars(out) as progress:
        task = progress.add_task(title, total=len(names), note="")
        for index in done:
            progress.update(task, advance=1, note=names[index])
            if not out.is_terminal:
                out.print(f"done: {names[index]}", highlight=False)


@contextmanager
def stoppable() -> Iterator[None]:
    """What is stopped, by a key or by Lightning on its way out, goes on with the same command."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        deaf()
        raise refusal(f"stopped; {GO_ON}", 130) from None


def print_table(of: "RunNumbers") -> None:
    """What fits a terminal of the table of a run; what must be known before any verdict on it; and the verdict."""
    from plasticity.report.notes import notes
    from plasticity.report.run_report import CAPTION, COLUMNS, answer, rows, title

    table = Table(
        title=title(of.run), caption=CAPTION, box=None, header_style="bold", pad_edge=False
    )
    before = notes(of)
    for name in (column.title for column in COLUMNS):
        table.add_column(
            name.replace(" ", "\n", 1), justify="right" if name else "left", no_wrap=True
        )
    for row in rows(of):
        table.add_row(
            *(column.show(row) for column in COLUMNS),
            style=None if row.strategy else "bright_black",
        )
    less = ["gain", "KL first visit"]
    spare = ["trained", "backward", "forward", *(less[::-1] if before else less), "recovery"]
    print_fitting(table, [*spare, "KL return", "forgetting"])
    for note in before:
        out.print(note, style="yellow", highlight=False, soft_wrap=True)
    found = answer(of)
    out.print(f"{found.answer}. {found.because}", highlight=False, soft_wrap=True)


def print_fitting(table: Table, spare: Sequence[str]) -> None:
    """Print a table in as many columns as the terminal has room for; pages have all.

    Args:
        table: its headers may be broken into lines.
        spare: headers of the columns that can be done without, the first to go first.
    """
    wide = out.options.update(max_width=10_000)
    for name in spare:
        if out.measure(table, options=wide).maximum <= out.width:
            break
        table.columns = [c for c in table.columns if str(c.header).replace("\n", " ") != name]
        for index, column in enumerate(table.columns):
            column._index = index
        table.caption = table.caption and caption_without(str(table.caption), name)
    out.print(table)


def caption_without(caption: str, name: str) -> str:
    """A caption in clauses like `forward, backward: what they are;`, of which none is left of a column that is gone.

    Args:
        caption: of a table.
        name: header of the column; a clause that explains others too only stops naming it.
    """
    kept = list[str]()
    for clause in re.split(r"(?<=[.;]) ", caption):
        head, colon, text = clause.partition(": ")
        names = head.split(", ")
        if colon and name in names:
            names.remove(name)
            if not names and text.endswith(".") and kept:
                kept[-1] = kept[-1].removesuffix(";").removesuffix(".") + "."
            clause = f"{', '.join(names)}: {text}" if names else ""
        kept += [clause] * bool(clause)
    return " ".join(kept)


def tell_upload(folder: Path, cells: str = "cells/*") -> None:
    """Say how all that wandb wrote offline is uploaded, if it wrote anything.

    Args:
        folder: of a run, or of several.
        cells: pattern of the cells below it.
    """
    pattern = f"{cells}/wandb/offline-run-*"
    if next(folder.glob(pattern), None):
        line = f"wandb sync {shlex.quote(str(seen_from_here(folder)))}/{pattern}"
        out.print(f"to upload it: {line}", highlight=False, soft_wrap=True, style="dim")


def seen_from_here(path: Path) -> Path:
    """The path as one would type it: from the current folder, if it is inside."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def warn(problem: object) -> None:
    """Say what is no error, and yet worth a look."""
    err.print(f"warning: {problem}", style="yellow", highlight=False, soft_wrap=True)


def deaf() -> None:
    """Hear no further signal on the way out: a second and third ctrl-C interrupt nobody who is saying farewell."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)


def refusal(text: str, code: int = 2) -> typer.Exit:
    """Say what is wrong; raise what comes back."""
    err.print(text, style="red", highlight=False, soft_wrap=True)
    return typer.Exit(code)
