"""The command sweep: variations of one experiment, by many processes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from plasticity.cli.bench import GO_ON
from plasticity.cli.common import (
    PASS_ON,
    Overrides,
    contracts,
    deaf,
    err,
    out,
    print_fitting,
    refusal,
    tell_upload,
)

if TYPE_CHECKING:
    from plasticity.launch.sweep import Point

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
    from plasticity.engine.progress import bars
    from plasticity.launch import sweep as sweeps
    from plasticity.launch.executors import Engine

    where = Engine(engine, jobs, address)
    if lack := where.lack():
        raise refusal(lack)
    plan, points = sweeps.planned(file, overrides or [], contracts(), to and str(to))
    failures, count, best, new = list[str](), 0, "", 0
    try:
        tasks = sweeps.prepare(points, retries)
        cells = {task.name: task.cell for task in tasks}
        top = float("-inf")
        with bars(out) as progress:
            line = progress.add_task(plan.name or "sweep", total=len(tasks), note="")
            for count, outcome in enumerate(sweeps.run(tasks, where), 1):
                new += not outcome.kept
                if outcome.failure:
                    failures.append(f"{outcome.name}: {outcome.failure}")
                elif (skill := cells[outcome.name].summary.get("skill") or top) > top:
                    top, best = skill, f"best so far {skill:.2f}: {outcome.name}"
                failed = f"{len(failures)} failed; " if failures else ""
                progress.update(line, completed=count, note=f"{failed}{best}")
                if not (out.is_terminal or outcome.kept):
                    told = "FAILED" if outcome.failure else "done"
                    text = f"{count}/{len(tasks)} {told}: {outcome.name}"
                    out.print(text, highlight=False, soft_wrap=True)
    except (KeyboardInterrupt, SystemExit):
        deaf()
        raise refusal(f"stopped; {GO_ON}", 130) from None
    except (OSError, RuntimeError) as error:
        raise refusal(f"{error}; {GO_ON}", 1) from None
    folder = points[0].run.path.parent
    out.print(f"{new} of {count} cells done now", highlight=False)
    _show(points, folder)
    tell_upload(folder, "*/cells/*")
    for text in failures:
        err.print(f"failed: {text}", style="red", highlight=False, soft_wrap=True)
    if failures:
        text = f"{len(failures)} of {count} cells failed, see error.txt in their folders; the same command tries again"
        raise refusal(text, 1)


def _show(points: "list[Point]", folder: Path) -> None:
    """One line for every variation and strategy, and the same of every cell as a file."""
    import polars as pl

    from plasticity.launch import sweep as sweeps
    from plasticity.metrics.significance import spread
    from plasticity.results.csv_text import frame_csv
    from plasticity.results.sealed import write_whole

    found = sweeps.table(points)
    if not len(found):
        return
    keys = list(dict.fromkeys(key for point in points for key in point.settings))
    numbers = ("skill", "forgetting/chaudhry2018", "cost/ms_per_step")
    shown = Table(box=None, header_style="bold")
    for name in (*keys, "strategy", "seeds", "skill", "forgetting", "ms/step"):
        shown.add_column(name, no_wrap=name in ("seeds", "skill", "forgetting", "ms/step"))
    lines = list[tuple[float, list[str]]]()
    for (_, label), group in found.filter(pl.col("done")).group_by("run", "label"):
        row = group.row(0, named=True)
        values = [group[n].drop_nulls().to_list() if n in group.columns else [] for n in numbers]
        texts = [spread(v, 3) if v else "-" for v in values]
        mean = sum(values[0]) / len(values[0]) if values[0] else float("-inf")
        if lost := sweeps.diverged(group):
            texts, mean = [lost, "-", texts[-1]], float("-inf")
        settings = [str(row.get(key)) for key in keys]
        lines.append((-mean, [*settings, str(label), str(len(group)), *texts]))
    for _, texts in sorted(lines, key=lambda line: (line[0], line[1])):
        shown.add_row(*texts)
    print_fitting(shown, ["forgetting", "seeds"])
    write_whole(folder / "sweep.csv", frame_csv(found).encode())
    told = f"every cell: {folder / 'sweep.csv'}; each variation is a run: plasticity report {points[0].run.path}"
    out.print(told, highlight=False, soft_wrap=True)
