"""Tuning record: is every rate of the grid there, within the ideals' bounds, and the best of them chosen?"""

from collections import Counter
from collections.abc import Iterator, Sequence

from plasticity.bench.contest import best
from plasticity.bench.results import CLOSE, BenchResults, How, TunedRate
from plasticity.bench.suite import Suite
from plasticity.launch.cells import rate
from plasticity.launch.experiment import single

Fault = tuple[str, str]
"""Key, and what was expected."""


def rates(results: BenchResults, suite: Suite, ceilings: Sequence[float | None]) -> Iterator[Fault]:
    """Each learning rate is the best of the suite's whole grid, and that of its cells.

    Args:
        results: as they were read.
        suite: which they claim to be of.
        ceilings: skill of a learner that knows the truth, in each held-out world; None: undefined there.
    """
    trial = next(iter(suite.experiments("runs", tuning=True).values()))
    hows = {
        (network, strategy): rate(single(trial, spec, 0))
        for network, strategy, spec in suite.entrants()
    }
    defined = [c for c in ceilings if c is not None]
    ceiling = sum(defined) / len(defined) if len(defined) == len(ceilings) else None
    networks = dict.fromkeys(network for network, _ in hows)
    wanted = {(network, strategy) for network in networks for strategy in results.strategies}
    times = Counter((choice.network, choice.strategy) for choice in results.rates)
    for who in sorted(wanted - times.keys()):
        yield "rates", f"no entry for {' '.join(who)}"
    for i, choice in enumerate(results.rates):
        who = choice.network, choice.strategy
        if who not in wanted:
            yield f"rates.{i}", f"{' '.join(who)} is no part of the suite"
        elif times[who] > 1:
            yield f"rates.{i}", f"{' '.join(who)} is there {times[who]} times"
        how = hows.get(who, _claimed(choice, results))
        if choice.how != how:
            yield f"rates.{i}.how", f"expected {how}, got {choice.how}"
        yield from ((f"rates.{i}.{key}", text) for key, text in _choice(choice, suite, ceiling))
    chosen = {(choice.network, choice.strategy): choice for choice in results.rates}
    for i, cell in enumerate(results.cells):
        if (mine := chosen.get((cell.network, cell.strategy))) is None:
            continue
        if cell.lr != mine.lr:
            yield f"cells.{i}.lr", f"expected {mine.lr}, as rates has it, got {cell.lr}"
        if (cell.trainable == 0) != (mine.how == "none"):
            text = "none: its rate moves nothing" if mine.how == "none" else "some: it has a rate"
            yield f"cells.{i}.trainable", f"expected {text}, got {cell.trainable}"


def _claimed(choice: TunedRate, results: BenchResults) -> How:
    """Whose the rate of a contender is by its arguments; that it has none is its own word."""
    arguments = results.strategies.get(choice.strategy, {})
    if choice.how == "none" or "lr" not in arguments:
        return choice.how
    return "tuned" if arguments["lr"] is None else "own"


def _choice(choice: TunedRate, suite: Suite, ceiling: float | None) -> Iterator[Fault]:
    """One record: the whole grid, no skill beyond the truth's, the best of them chosen."""
    if choice.how != "tuned":
        if choice.skills:
            yield (
                "skills",
                f"expected none of a rate that is {choice.how}, got {len(choice.skills)}",
            )
        if choice.lr is not None:
            yield "lr", f"expected null of a rate that is {choice.how}, got {choice.lr}"
        return
    grid = [f"{lr:g}" for lr in suite.tuning.lrs]
    if list(choice.skills) != grid:
        yield "skills", f"expected the grid {', '.join(grid)}"
        return
    skills = [choice.skills[lr] for lr in grid]
    for lr, skill, higher in zip(
        grid, skills, (skills[i:] for i in range(1, len(grid) + 1)), strict=True
    ):
        if ceiling is None:
            if skill is not None:
                yield f"skills.{lr}", f"expected null: undefined in a held-out world, got {skill}"
        elif skill is None:
            if lr == grid[0] or any(each is not None for each in higher):
                text = "expected a number: only the highest rates may have diverged, got null"
                yield f"skills.{lr}", text
        elif skill > ceiling + CLOSE:
            yield f"skills.{lr}", f"expected at most {ceiling}, the skill of the truth, got {skill}"
    wanted = best({lr: choice.skills[f"{lr:g}"] for lr in suite.tuning.lrs})
    if choice.lr != wanted:
        yield "lr", f"expected {wanted}, the best of its grid, got {choice.lr}"
