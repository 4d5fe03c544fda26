"""The command tunnel-table: how exactly networks infer."""

from pathlib import Path
from typing import Annotated

import typer

from plasticity.cli.common import PASS_ON, experiments_of, follow, out, print_fitting

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
    from plasticity.studies import tunnel_table as table

    wanted = table.entries([*experiments_of(words).values()])
    follow("tunnel-table", [entry.name for entry in wanted], table.run(wanted, jobs))
    done = [(entry, table.curves(entry)) for entry in wanted]
    print_fitting(table.shown(done), table.SPARE)
    out.print(f"page: {table.write(done, to)}", highlight=False, soft_wrap=True)
