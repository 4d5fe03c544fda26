"""The command hybrid: a network proposes hypotheses, an exact model weighs them."""

from pathlib import Path
from typing import Annotated

import typer

from plasticity.cli.common import PASS_ON, experiments_of, follow, out, print_fitting, refusal

app = typer.Typer()


@app.command(context_settings=PASS_ON)
def hybrid(
    words: Annotated[
        list[str],
        typer.Argument(metavar="FILE... [--KEY=VALUE...]", help="Experiments, and keys of all."),
    ],
    draws: Annotated[int, typer.Option(min=1, help="Most hypotheses drawn per answer.")] = 4096,
    prior: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the prior in every proposal.")
    ] = 0.1,
    episodes: Annotated[int, typer.Option(min=1, help="Held out, per tunnel.")] = 256,
    steps: Annotated[int, typer.Option(min=0, help="Of training the proposal head.")] = 1000,
    jobs: Annotated[int, typer.Option(min=1, help="Seeds at a time.")] = 2,
    to: Annotated[Path, typer.Option(help="The page; .png and .csv beside it.")] = Path(
        "runs/hybrid.html"
    ),
) -> None:
    """A pretrained network proposes hypotheses, the exact model weighs them: bits lost by the number of draws.

    Proposals are the prior, a head on the network, and the exact posterior: the bounds. What is done is kept, so the
    same command goes on where it was stopped.
    """
    from plasticity.studies import hybrid_page, hybrid_study
    from plasticity.studies.tunnel_table import entries

    experiments = experiments_of(words)
    for file, experiment in experiments.items():
        try:
            for tunnel in experiment.stream.build(seed=experiment.seed).tunnels:
                tunnel.hypotheses()
        except NotImplementedError as error:
            raise refusal(f"{file}: stream.tunnels: {error}") from None
    wanted, plan = (
        entries([*experiments.values()]),
        hybrid_study.Plan(draws, prior, episodes, steps),
    )
    follow("hybrid", [entry.name for entry in wanted], hybrid_study.run(wanted, plan, jobs))
    done = [(entry, hybrid_study.curves(entry, plan)) for entry in wanted]
    print_fitting(hybrid_page.shown(done), hybrid_page.SPARE)
    for written in hybrid_page.keep(done, to):
        out.print(f"written: {written}", highlight=False, soft_wrap=True)
