"""The command line of the benchmark: bench [run] SUITE, bench submit FILE.

Heavy imports wait until a command needs them.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from plasticity.bench.suite import Suite


class _Default(TyperGroup):
    """A group in which `run` need not be written."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` in front of words that name no other command."""
        known = not args or args[0] in self.commands or args[0] in ctx.help_option_names
        return super().parse_args(ctx, args if args and known else ["run", *args])


app = typer.Typer(
    cls=_Default,
    help="The leaderboard: every strategy tuned alike, in the same worlds. `plasticity bench [SUITE]` runs it.",
    add_completion=False,
)
GO_ON = "what is done is kept; go on with the same command"
Name = Annotated[str, typer.Argument(help="One that is shipped (cpu-small, gpu), or a YAML file.")]


@app.command()
def run(
    suite: Name = "cpu-small",
    jobs: Annotated[int, typer.Option(min=1, help="Processes at a time.")] = 2,
    out: Annotated[
        Path, typer.Option(help="Folder of all runs; this one is bench/<suite> in it.")
    ] = Path("runs"),
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'{type: Mine, ...}'", help="A contender of your own; may be repeated."
        ),
    ] = None,
) -> None:
    """Tune every strategy in held-out worlds, run all of SUITE, and write the leaderboard.

    What is done is kept, so the same command goes on where it was stopped, and a contender costs its own cells only.
    """
    from plasticity.bench import leaderboard, page
    from plasticity.bench.contest import Contest
    from plasticity.cli.common import deaf, refusal
    from plasticity.cli.common import out as screen
    from plasticity.engine.progress import bars

    contest = Contest(_suite(suite, strategy or []), str(out), jobs)
    total, new = len(contest), 0
    try:
        with bars(screen) as progress:
            task = progress.add_task(contest.suite.name, total=total, note="")
            for count, done in enumerate(contest.run(), 1):
                progress.update(task, completed=count, note=done.name)
                new += not done.kept
                if not (screen.is_terminal or done.kept):
                    screen.print(f"{count}/{total} {done.name}", highlight=False, soft_wrap=True)
    except (KeyboardInterrupt, SystemExit):
        deaf()
        raise refusal(f"stopped; {GO_ON}", 130) from None
    except OSError as error:
        raise refusal(f"{error.strerror or error}; {GO_ON}", 1) from None
    results = contest.results()
    results.write(contest.folder / "results.json")
    screen.print(f"{new} of {total} pretrainings and cells done now", highlight=False)
    screen.print(leaderboard.shown(results))
    written = page.write(results, contest.folder / "report.html")
    screen.print(f"report: {written}", highlight=False, soft_wrap=True)
    screen.print(f"results: {contest.folder / 'results.json'}", highlight=False, soft_wrap=True)


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(help="results.json of a benchmark.")],
    suite: Annotated[
        str | None, typer.Option(help="Of which suite; by default the shipped one that it names.")
    ] = None,
) -> None:
    """Check that FILE can be compared with others' results: complete, consistent, and of this very suite.

    The exact observers are computed again, for one seed of every world.
    """
    from plasticity.bench import leaderboard
    from plasticity.bench.results import read
    from plasticity.bench.submit import verify
    from plasticity.cli.common import out

    results = read(file)
    for sentence in verify(results, _suite(suite or results.suite.name, []), file):
        out.print(f"verified: {sentence}", highlight=False, soft_wrap=True)
    out.print(leaderboard.shown(results))


def _suite(name: str, contenders: list[str]) -> "Suite":
    """The suite of this name or file, and the contenders that the command line brings."""
    from plasticity.bench.suite import Suite, find
    from plasticity.cli.common import contracts
    from plasticity.config.schema import parse
    from plasticity.config.yaml_source import read

    words = [f"--contenders=[{', '.join(contenders)}]"] if contenders else []
    return parse(Suite, read(find(name), words), contracts())
