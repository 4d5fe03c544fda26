"""Verdict: which strategy is ahead, and how sure is that; in words, from skills paired by seed.

A difference is paired: both strategies met the same world under the same seed, so that what the world was worth
cancels. Its interval is Student's t over seeds at 95 %, not corrected for how many strategies were looked at.
"""

from collections.abc import Hashable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np

from plasticity.metrics.summary import interval, spread

Seed = TypeVar("Seed", bound=Hashable)
"""What two numbers are paired by."""
UNDEFINED = "Skill is undefined here"
WHY_UNDEFINED = "The two ideals differ by under 0.01 bit, or nothing was scored yet."
NOTE = (
    "± is the 95 % interval of a mean over seeds (Student's t). Strategies are compared by their differences under "
    "the same seed; no interval is corrected for how many were compared."
)


class Difference(NamedTuple):
    """Of two strategies under the same seeds."""

    values: list[float]
    """One minus other, a value per seed."""

    @property
    def mean(self) -> float:
        """Over seeds."""
        return float(np.mean(self.values))

    @property
    def sure(self) -> bool:
        """Whether the 95 % interval leaves out 0; never of a single seed."""
        half = interval(self.values)
        return half is not None and abs(self.mean) > half

    def shown(self, digits: int = 2) -> str:
        """Mean and interval."""
        return spread(self.values, digits).replace("±", " ± ")


class Verdict(NamedTuple):
    """What a reader wants first."""

    answer: str
    because: str
    sure: bool


def difference(one: Mapping[Seed, float], other: Mapping[Seed, float]) -> Difference | None:
    """Of what both did under the same seeds; None: they share none.

    Args:
        one: seed -> number.
        other: the same of another.
    """
    shared = [seed for seed in one if seed in other]
    return Difference([one[seed] - other[seed] for seed in shared]) if shared else None


def verdict(skills: Mapping[str, Mapping[Seed, float]]) -> Verdict:
    """Which strategy leads, whether it is surely ahead of each other one, and surely any use.

    Args:
        skills: title -> seed -> skill; those without any are left out.
    """
    means = {title: float(np.mean([*each.values()])) for title, each in skills.items() if each}
    if not means:
        return Verdict(UNDEFINED, WHY_UNDEFINED, False)
    ranked = sorted(means, key=lambda title: -means[title])
    leader, others = ranked[0], ranked[1:]
    values = [*skills[leader].values()]
    shown = spread(values, 2).replace("±", " ± ")
    if len(values) == 1:
        return _of_one_seed(leader, shown, others, skills)
    level = f"skill {shown} ({len(values)} seeds)"
    use = _use(values)
    if not others:
        return Verdict(f"{leader}: {level}", f"It ran alone. {use}", False)
    ahead = {title: difference(skills[leader], skills[title]) for title in others}
    close = [title for title, found in ahead.items() if found is None or not found.sure]
    if close:
        told = _listed([f"{title} ({_shown(ahead[title])})" for title in close])
        clear = _listed([title for title in others if title not in close])
        but = f", but it is of {clear}" * bool(clear)
        because = f"Paired by seed, it is not surely ahead of {told}{but}. {use}"
        answer = f"No strategy is surely ahead; {leader} leads with {level}"
        return Verdict(answer, because, False)
    rest = ", and of all others" * (len(others) > 1)
    by = _shown(ahead[others[0]])
    because = f"Surely ahead of the next, {others[0]}, {by} (paired by seed){rest}. {use}"
    return Verdict(f"{leader}: {level}", because, True)


def _of_one_seed(
    leader: str, shown: str, others: list[str], skills: Mapping[str, Mapping[Seed, float]]
) -> Verdict:
    answer = f"One seed proves nothing; in this one {leader} leads with skill {shown}"
    if not others:
        answer = f"One seed proves nothing; in this one {leader} has skill {shown}"
    found = difference(skills[leader], skills[others[0]]) if others else None
    gap = "" if found is None else f"Ahead of the next, {others[0]}, by {found.shown()}. "
    return Verdict(answer, f"{gap}Another may turn it round: run it with seeds: [0, 1, 2].", False)


def _use(values: list[float]) -> str:
    """Whether it is any better than never to learn."""
    found = Difference(values)
    if not found.sure:
        return "It is not surely better than the best that a frozen model can do (0)."
    if found.mean < 0:
        return "It is surely worse than the best that a frozen model can do (0): updates do harm."
    return "It is surely better than the best that a frozen model can do (0)."


def _shown(found: Difference | None) -> str:
    return "no world in common" if found is None else f"by {found.shown()}"


def _listed(names: list[str], most: int = 3) -> str:
    """a, b and c; or a, b, c and 4 more."""
    shown = names if len(names) <= most else [*names[:most], f"{len(names) - most} more"]
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
