"""The command sweep: variations of one experiment, by many processes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from plasticity.cli.common import (
    GO_ON,
    PASS_ON,
    Overrides,
    contracts,
    err,
    out,
    print_fitting,
    refusal,
    seen_from_here,
    stoppable,
    tell_upload,
    warn,
)

if TYPE_CHECKING:
    import polars as pl

    from plasticity.launch.search import Search
    from plasticity.launch.space import TrialSampler
    from plasticity.launch.sweep import Point
    from plasticity.launch.sweep_cells import Outcome, Task

app = typer.Typer()


@app.command(context_settings=PASS_ON)
def sweep(
    file: Annotated[Path, typer.Argument(help="The sweep, as YAML.")],
    overrides: Overrides = None,
    engine: Annotated[
        Literal["local", "ray", "dask", "slurm"], typer.Option(help="What does the cells.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Of a cluster: auto or IP:port of Ray, tcp://IP:port of Dask."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Cells at a time.")] = 2,
    retries: Annotated[int, typer.Option(min=0, help="Further tries of a cell that fails.")] = 1,
    to: Annotated[
        Path | None, typer.Option(help="Folder of all runs; by default the experiment's `out`.")
    ] = None,
) -> None:
    """Run every variation of an experiment under every seed; each is a run like any other.

    What is done is kept, so the same command goes on where it was stopped, and new values and seeds cost their own
    cells only. Any key of the experiment may be overridden: --stream.steps=100
    """
    from plasticity.launch.executors import Engine
    from plasticity.launch.search import Search
    from plasticity.launch.sweep import Variations
    from plasticity.launch.sweep_cells import prepare, run, table

    where = Engine(engine, jobs, address)
    of = Variations(file, overrides or [], contracts(), to and str(to))
    chooser = of.sweep.sampler
    if lack := where.lack() or (chooser and chooser.lack()):
        raise refusal(lack)
    points = of.points(of.sweep.settings())
    name, folder = of.sweep.name or "sweep", points[0].run.path.parent
    if chooser is None:
        with _stoppable():
            tasks = prepare(points, retries)
        failures, count = _follow(name, len(tasks), run(tasks, where), _best_cell(tasks))
        _show(table(points), points, folder)
    else:
        search = Search(of, where, retries)
        total = chooser.trials * len(points[0].experiment.seeds)
        failures, count = _follow(name, total, search.run(), lambda _: _best_trial(search))
        points = [*filter(None, [search.best and search.best.point]), *search.points]
        _show(search.table(), points, folder, chooser)
        _conclude(search)
    tell_upload(folder, "*/cells/*")
    for text in failures:
        err.print(f"failed: {text}", style="red", highlight=False, soft_wrap=True)
    if failures:
        text = f"{len(failures)} of {count} cells failed, see error.txt in their folders; the same command tries again"
        raise refusal(text, 1)


@contextmanager
def _stoppable() -> Iterator[None]:
    """What is stopped, by whomever or by a full disk, goes on with the same command."""
    with stoppable():
        try:
            yield
        except (OSError, RuntimeError) as error:
            raise refusal(f"{error}; {GO_ON}", 1) from None


def _follow(
    name: str, total: int, outcomes: "Iterable[Outcome]", note: "Callable[[Outcome], str]"
) -> tuple[list[str], int]:
    """Show what gets done, until all of it is; returns what failed, and how many cells there were.

    Args:
        name: of the sweep.
        total: of cells.
        outcomes: as they come.
        note: what to say of the best, after each.
    """
    from plasticity.engine.progress import bars

    failures, count, new = list[str](), 0, 0
    with _stoppable(), bars(out) as progress:
        line = progress.add_task(name, total=total, note="")
        for count, outcome in enumerate(outcomes, 1):
            new += not outcome.kept
            if outcome.failure:
                failures.append(f"{outcome.name}: {outcome.failure}")
            failed = f"{len(failures)} failed; " if failures else ""
            progress.update(line, completed=count, note=f"{failed}{note(outcome)}")
            if not (out.is_terminal or outcome.kept):
                told = "FAILED" if outcome.failure else "done"
                text = f"{count}/{total} {told}: {outcome.name}"
                out.print(text, highlight=False, soft_wrap=True)
    out.print(f"{new} of {count} cells done now", highlight=False)
    return failures, count


def _best_cell(tasks: "Sequence[Task]") -> "Callable[[Outcome], str]":
    """Which cell is the most skilful of those that are done."""
    cells, best = {task.name: task.cell for task in tasks}, dict[str, float]()

    def note(outcome: "Outcome") -> str:
        if not outcome.failure and (skill := cells[outcome.name].summary.get("skill")) is not None:
            best[outcome.name] = skill
        first = max(best, key=lambda name: best[name], default=None)
        return f"best so far {best[first]:.2f}: {first}" if first else ""

    return note


def _best_trial(search: "Search") -> str:
    """Which trial is the best of those that are done."""
    if (best := search.best) is None:
        return ""
    return f"best so far {best.value:.3g}: trial {best.number}"


def _conclude(search: "Search") -> None:
    """What the search found, and how to run it."""
    for each in search.tried:
        if each.refusal:
            warn(f"{each.name} cannot be built, and counts as the worst: {each.refusal}")
    if (best := search.best) is None:
        said = "no trial has a number: all diverged, failed, or could not be built"
        out.print(said, highlight=False, soft_wrap=True)
        return
    objective, seeds = search.sampler.objective, len(search.points[0].experiment.seeds)
    mean = f", the mean of {seeds} seeds" if seeds > 1 else ""
    out.print(f"best: {best.name}, {objective} {best.value:.4g}{mean}", soft_wrap=True)
    line = search.of.command(best.settings)
    out.print(f"to run it: {line}", highlight=False, soft_wrap=True)


def _show(
    found: "pl.DataFrame",
    points: "Sequence[Point]",
    folder: Path,
    chooser: "TrialSampler | None" = None,
) -> None:
    """One line for every variation and strategy, and the same of every cell as a file.

    Args:
        found: a row for each cell.
        points: the variations.
        folder: where the file goes.
        chooser: of a search, whose objective sorts the lines.
    """
    import polars as pl

    from plasticity.launch.sweep_cells import diverged
    from plasticity.metrics.significance import spread
    from plasticity.results.csv_text import frame_csv
    from plasticity.results.sealed import write_whole

    if not len(found):
        return
    keys = list(dict.fromkeys(key for point in points for key in point.settings))
    own = [chooser.objective] if chooser and chooser.objective != "skill" else []
    numbers = ("skill", "forgetting/chaudhry2018", "cost/ms_per_step", *own)
    shown = Table(box=None, header_style="bold")
    whole = ("seeds", "skill", "forgetting", "ms/step", *own)
    for name in (*(["trial"] if chooser else []), *keys, "strategy", *whole):
        shown.add_column(name, no_wrap=name in whole)
    lines = list[tuple[float, list[str]]]()
    for (_, label), group in found.filter(pl.col("done")).group_by("run", "label"):
        row = group.row(0, named=True)
        values = [group[n].drop_nulls().to_list() if n in group.columns else [] for n in numbers]
        texts = [spread(v, 3) if v else "-" for v in values]
        rank = -sum(values[0]) / len(values[0]) if values[0] else float("inf")
        if lost := diverged(group):
            texts, rank = [lost, "-", texts[2], *("-" for _ in own)], float("inf")
        if chooser:
            value = chooser.worst if row["objective"] is None else row["objective"]
            rank = -value if chooser.direction == "maximize" else value
        trial = [str(row["trial"])] if chooser else []
        settings = [_brief(row.get(key)) for key in keys]
        lines.append((rank, [*trial, *settings, str(label), str(len(group)), *texts]))
    for _, texts in sorted(lines, key=lambda line: (line[0], line[1])):
        shown.add_row(*texts)
    print_fitting(shown, ["forgetting", "seeds"])
    write_whole(folder / "sweep.csv", frame_csv(found).encode())
    file, run = (seen_from_here(p) for p in (folder / "sweep.csv", points[0].run.path))
    told = f"every cell: {file}; each variation is a run: plasticity report {run}"
    out.print(told, highlight=False, soft_wrap=True)


def _brief(setting: str | None) -> str:
    """A value as JSON has it; of a long number, four digits."""
    try:
        return f"{float(setting or ''):.4g}" if len(setting or "") > 8 else str(setting)
    except ValueError:
        return str(setting)
