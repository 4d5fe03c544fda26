"""Kill -9 at any durable operation and at any time, as often as it takes: the record is that of a run nobody killed."""

import signal
from collections.abc import Sequence
from pathlib import Path
from random import Random
from runpy import run_path
from shutil import rmtree

import pytest

from plasticity import Strategy
from plasticity.config import plugins
from plasticity.results.store import Run

from ..calling import PRELOADED, SERVER
from .amount import FULL, Tally
from .killing import Kill, drawn, job
from .worlds import WORLD, differing, left_over, record

NEEDED = {
    "AvalanchePlugin": "{type: AvalanchePlugin, plugin: EWCPlugin, arguments: {ewc_lambda: 0.4}}",
    "Chain": "{type: Chain, parts: [{type: Replay}, {type: EWC}]}",
}
"""Strategies that cannot be made without arguments."""
PLANS: dict[str, tuple[int, tuple[str, ...]]] = {
    "batch": (60, ()),
    "episode": (60, ("--updates.per=episode",)),
    "chunk": (150, ("--updates={per: chunk, chunk: 3}", "--stretch=1", "--stream.steps=36")),
    "detector": (60, ("--announce_shifts=false", "--detector={type: PageHinkley}")),
    "wandb": (40, ("--wandb.mode=offline",)),
}
"""Title -> (durable operations between two kills, about; what is said on the command line). `chunk` merges parts."""
SLOW = ("chunk", "detector")
"""Plans in which a cell takes more operations than kills leave it: one that starts over at each would never end."""
SHORT = ["Replay"]
if FULL:  # imported once, for all processes
    SERVER.set_forkserver_preload([*PRELOADED, "plasticity.integrations.avalanche"])


def strategies(plan: str) -> list[str]:
    """Every strategy that the package offers, and that can go on where it was killed if the plan needs that."""
    plugins.load()
    names = [
        name
        for name, (cls, *_) in plugins.known(Strategy, [Strategy]).items()
        if cls.__module__.partition(".")[0] in ("strategies", "plasticity")
        and (plan not in SLOW or getattr(cls, "resumable", True))
    ]
    return [NEEDED.get(name, f"{{type: {name}}}") for name in (names if FULL else SHORT)]


def carried_out(folder: Path, words: Sequence[str | Path], kill: Kill | float | None = None) -> int:
    """Exit code of `plasticity WORDS`, killed at an operation or after some seconds; what it said is in `log`."""
    at = kill if isinstance(kill, Kill) else None
    process = SERVER.Process(target=run_path, args=job(words, at, folder / "log"))
    process.start()
    process.join(kill if isinstance(kill, float) else 3600)
    if process.is_alive():
        process.kill()
        process.join()
    assert process.exitcode is not None
    return process.exitcode


@pytest.mark.parametrize("plan", PLANS if FULL else ["chunk"])
def test_a_killed_run_ends_as_one_that_nobody_killed(
    plan: str, tmp_path: Path, tally: Tally
) -> None:
    """Reproduced by the name of the plan, which is the seed; but for the moments of kills from outside."""
    span, overrides = PLANS[plan]
    wanted = strategies(plan)[:: 10 if plan == "wandb" else 1]
    runs = {name: tmp_path / name / "run" for name in ("whole", "killed")}
    begin: dict[str, tuple[str | Path, ...]] = {}
    for name, run in runs.items():
        file = tmp_path / f"{name}.yaml"
        text = WORLD.format(out=run.parent / "out", strategies=f"[{', '.join(wanted)}]")
        file.write_text(text)
        begin[name] = ("run", file, "--run-dir", run, *overrides)
    assert carried_out(tmp_path, begin["whole"]) == 0, (tmp_path / "log").read_text()
    killed, rng, kills = runs["killed"], Random(plan), list[Kill | float]()
    code = -signal.SIGKILL
    while code:
        begun = (killed / "experiment.yaml").exists()
        if not begun:  # killed while it was made
            rmtree(killed, ignore_errors=True)
        kill = rng.uniform(0.2, 6) if rng.random() < 0.2 else drawn(rng, span)
        code = carried_out(tmp_path, ("resume", killed) if begun else begin["killed"], kill)
        said = f"{plan}: after {[*kills, kill]}: {(tmp_path / 'log').read_text()}"
        assert code in (0, -signal.SIGKILL), said
        if code:
            kills.append(kill)
            tally("kills")
    assert len(kills) >= 3, f"only {kills}"
    one, other = record(Run(runs["whole"])), record(Run(killed))
    assert len(one) == 5 * len(wanted) and one.keys() == other.keys()
    wrong = differing(one, other)
    for key in one:
        tally("mismatched" if key in wrong else "tables and summaries identical")
    assert not wrong, f"{plan}: after {kills}"
    assert not left_over(killed, killed.parent / "out"), f"{plan}: after {kills}"
