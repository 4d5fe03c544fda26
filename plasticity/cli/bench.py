"""The command line of the benchmark: bench [run] SUITE; bench submit, diff and board of results files.

Heavy imports wait until a command needs them.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from plasticity.cli.common import GO_ON, print_fitting, refusal, stoppable, warn
from plasticity.cli.common import out as screen

if TYPE_CHECKING:
    from plasticity.bench.results import BenchResults
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
    from plasticity.engine.progress import bars

    contest = Contest(_suite(suite, strategy or []), str(out), jobs)
    total, new = len(contest), 0
    try:
        with stoppable(), bars(screen) as progress:
            task = progress.add_task(contest.suite.name, total=total, note="")
            for count, done in enumerate(contest.run(), 1):
                progress.update(task, completed=count, note=done.name)
                new += not done.kept
                if not (screen.is_terminal or done.kept):
                    screen.print(f"{count}/{total} {done.name}", highlight=False, soft_wrap=True)
    except OSError as error:
        raise refusal(f"{error.strerror or error}; {GO_ON}", 1) from None
    results = contest.results()
    results.write(contest.folder / "results.json")
    screen.print(f"{new} of {total} pretrainings and cells done now", highlight=False)
    print_fitting(leaderboard.shown(results), leaderboard.SPARE)
    written = page.write(results, contest.folder / "report.html")
    screen.print(f"report: {written}", highlight=False, soft_wrap=True)
    screen.print(f"results: {contest.folder / 'results.json'}", highlight=False, soft_wrap=True)


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(help="results.json of a benchmark.")],
    suite: Annotated[
        str | None, typer.Option(help="Of which suite; by default the shipped one that it names.")
    ] = None,
    rerun: Annotated[
        int, typer.Option(min=0, metavar="K", help="Cells, drawn at random, that are run again.")
    ] = 0,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the draw; by default one that nobody foresees.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes at a time, of --rerun.")] = 2,
) -> None:
    """Check that FILE can be compared with others' results: complete, consistent, and of this very suite.

    The exact observers and the baselines are computed again in every world and seed. What the learner did is taken on
    faith, but for K cells that --rerun runs again.
    """
    from plasticity.bench import leaderboard
    from plasticity.bench.results import read
    from plasticity.bench.submit import TRUST, lucky, verify
    from plasticity.engine.progress import bars

    results = read(file)
    name = suite or _shipped(results.suite.name, results.suite.version, file)
    asked = _suite(name, [])
    draws = _drawn(results, rerun, seed) if rerun else []
    try:
        with bars(screen) as progress:
            count = sum(len(part.streams) * len(part.seeds) for part in (asked, asked.tuning))
            task = progress.add_task("observers", total=count, note="")
            told = verify(results, asked, file, lambda n: progress.update(task, advance=1, note=n))
        for sentence in told:
            screen.print(f"verified: {sentence}", highlight=False, markup=False, soft_wrap=True)
        for sentence in lucky(results):
            warn(sentence)
        if draws:
            contenders = [json.dumps(results.strategies[each]) for each in results.contenders]
            _again(results, _suite(name, contenders), file, draws, jobs)
    except (KeyboardInterrupt, SystemExit):
        raise refusal("stopped; nothing was changed", 130) from None
    faith = f", but for the {rerun} cells run again" if rerun else "; --rerun K runs K cells again"
    screen.print(f"trust: {TRUST}{faith}", highlight=False, markup=False, soft_wrap=True)
    print_fitting(leaderboard.shown(results), leaderboard.SPARE)


@app.command()
def diff(
    first: Annotated[Path, typer.Argument(help="results.json of a benchmark.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
) -> None:
    """What SECOND has otherwise than FIRST: what was asked and used, and each strategy's skill, paired by cell."""
    from plasticity.bench import diff as differences
    from plasticity.bench.board import names
    from plasticity.bench.results import read

    found = differences.diff(read(first), read(second))
    for key, here, there in found.changes:
        screen.print(f"{key}: {here} -> {there}", highlight=False, soft_wrap=True)
    one, other = names([first, second])
    screen.print(differences.shown(found, (one, other)))


@app.command()
def board(
    files: Annotated[list[Path], typer.Argument(help="results.json of benchmarks.")],
    to: Annotated[Path, typer.Option(help="The page to write.")] = Path("board.html"),
) -> None:
    """One sortable page of several results: suite, hash, budget, commit, intervals, and who reproduced what."""
    from plasticity.bench import board as boards
    from plasticity.bench.results import read
    from plasticity.bench.suite import shipped

    known = {path: _suite(str(path), []) for path in dict.fromkeys(shipped().values())}
    page = boards.page(
        dict(zip(boards.names(files), map(read, files), strict=True)), [*known.values()]
    )
    screen.print(f"board: {page.write(to)}", highlight=False, soft_wrap=True)


def _drawn(results: "BenchResults", count: int, seed: int | None) -> list[int]:
    """The cells that are run again, and the draw told."""
    from secrets import randbelow

    from plasticity.bench.rerun import draw

    seed = randbelow(2**32) if seed is None else seed
    draws = draw(results, count, seed)
    text = f"drawn by --seed {seed}: cells {', '.join(map(str, draws))}"
    screen.print(text, highlight=False, soft_wrap=True)
    return draws


def _again(
    results: "BenchResults", suite: "Suite", file: Path, draws: list[int], jobs: int
) -> None:
    """Run cells again in a folder of their own, and compare.

    Raises:
        ConfigError: a contender is not installed here, or some number is another.
    """
    from tempfile import TemporaryDirectory

    from plasticity.bench.rerun import TOLERANCES, Rerun
    from plasticity.bench.submit import refused
    from plasticity.engine.progress import bars

    with TemporaryDirectory() as folder, bars(screen) as progress:
        again = Rerun(results, suite, draws, folder, jobs)
        task = progress.add_task("again", total=len(again), note="")
        for done in again.run():
            progress.update(task, advance=1, note=done.name)
        if faults := again.faults():
            raise refused(file, faults)
    told = ", ".join(f"{key} to {value:g}" for key, value in TOLERANCES.items())
    screen.print(f"run again: {len(draws)} cells, {told}", highlight=False, soft_wrap=True)


def _shipped(name: str, version: str, file: Path) -> str:
    """The name of a shipped suite in its version, for a stranger's file names no other file of this machine.

    Raises:
        ConfigError: it is none.
    """
    from plasticity.bench.suite import shipped
    from plasticity.core.errors import ConfigError, Problem, did_you_mean

    if name not in (known := shipped()):
        near = did_you_mean(name, known) or f" Known: {', '.join(known)}."
        text = f"expected the name of a shipped suite, got {name!r}.{near} Of another: --suite FILE"
        raise ConfigError([Problem(f"{file}: suite.name", text)])
    return older if (older := f"v{version}/{name}") in known else name


def _suite(name: str, contenders: list[str]) -> "Suite":
    """The suite of this name or file, and the contenders that the command line brings."""
    from plasticity.bench.suite import Suite, find
    from plasticity.cli.common import contracts
    from plasticity.config.schema import parse
    from plasticity.config.yaml_source import read

    words = [f"--contenders=[{', '.join(contenders)}]"] if contenders else []
    return parse(Suite, read(find(name), words), contracts())
