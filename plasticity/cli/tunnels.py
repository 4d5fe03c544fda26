"""The command tunnel-table: how exactly networks infer."""

from pathlib import Path
from typing import Annotated

import typer

from plasticity.cli.common import PASS_ON, deaf, err, out, parsed, print_fitting, refusal

app = typer.Typer()


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
    from plasticity.engine.progress import bars
    from plasticity.launch.validate import build_all
    from plasticity.studies import tunnel_table as table

    overrides = [word for word in words if word.startswith("--")]
    files = [Path(word) for word in words if not word.startswith("--")]
    if not files:
        raise refusal("command line: expected the file of an experiment, got none")
    experiments = [parsed(file, overrides) for file in files]
    for experiment in experiments:
        build_all(experiment)
    wanted = table.entries(experiments)
    try:
        with bars(out) as progress:
            task = progress.add_task("tunnel-table", total=len(wanted), note="")
            for index in table.run(wanted, jobs):
                progress.update(task, advance=1, note=wanted[index].name)
                if not out.is_terminal:
                    out.print(f"done: {wanted[index].name}", highlight=False)
    except KeyboardInterrupt:
        deaf()
        err.print("stopped; what is done is kept; go on with the same command")
        raise typer.Exit(130) from None
    done = [(entry, table.curves(entry)) for entry in wanted]
    print_fitting(table.shown(done), table.SPARE)
    out.print(f"page: {table.write(done, to)}", highlight=False, soft_wrap=True)
