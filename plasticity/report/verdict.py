"""Verdict: which strategy is ahead, and how sure is that; in words, from skills paired by seed.

A difference is paired: both strategies met the same world under the same seed, so that what the world was worth
cancels. `surely` is said where the paired t test of that difference is below 5 % after Holm's correction for every pair
that is compared beside it, and for each strategy against 0: for which one leads was chosen by the same numbers. Of
equal strategies something is claimed in at most 5 % of all runs (`experiments/error_rates.py`).
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from plasticity.metrics.significance import LEVEL, holm, own_p, spread

Seed = TypeVar("Seed", bound=Hashable)
"""What two numbers are paired by."""
Skills = Mapping[str, Mapping[Seed, float]]
"""Title -> seed -> skill."""
UNDEFINED = "Skill is undefined here"
WHY_UNDEFINED = "The two ideals differ by under 0.01 bit, or nothing was scored yet."
BOUND = "the best that a frozen model can do (0)"
"""What has skill 0 under every seed."""
TIE = 0.005
"""Difference in skill that is shown as 0.00: nobody leads by it."""
UNTRAINED = 0.5
"""Share of the amnesic observer's bits that a network may be from it, and be called pretrained.

In expectation over latents the bits of a network that is never updated are the amnesic observer's and, beside them, its
own distance from that observer: KL(informed || q) = KL(informed || amnesic) + KL(amnesic || q). So its skill is minus
this share (or less, where the continual observer loses something too), and from one half on a good part of what any
update can earn is to mend the network, not to carry something over.
"""
NOTE = (
    "± is the 95 % interval of one mean over seeds (Student's t). Strategies are compared by their differences under "
    "the same seeds. Surely: a paired t test at 5 %, corrected (Holm) for every pair compared, and for each against 0."
)


class Difference(NamedTuple):
    """Of two strategies under the same seeds."""

    values: list[float]
    """One minus other, a value per seed."""
    corrected: float | None = None
    """Its p, adjusted for all that was compared beside it; None: it was compared alone."""

    @property
    def mean(self) -> float:
        """Over seeds."""
        return float(np.mean(self.values))

    @property
    def p(self) -> float:
        """Of the paired t test, two-sided: adjusted, where there was more to compare."""
        return own_p(self.values) if self.corrected is None else self.corrected

    @property
    def sure(self) -> bool:
        """Whether it differs from 0 at 5 %; never of a single seed."""
        return self.p < LEVEL

    @property
    def tie(self) -> bool:
        """Whether it is shown as 0.00."""
        return abs(self.mean) < TIE

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


def corrected(found: Sequence[Difference]) -> list[Difference]:
    """The same differences, as one family: each with its p adjusted for all of them (Holm 1979)."""
    adjusted = holm(np.array([own_p(d.values) for d in found]))
    return [d._replace(corrected=float(p)) for d, p in zip(found, adjusted, strict=True)]


def leader(numbers: Skills[Seed], bound: bool = False) -> str | None:
    """Title that is surely ahead of every other one; None: nobody is, or there is no other.

    Args:
        numbers: title -> seed -> number, more is better; who has none is left out.
        bound: whether each is compared with BOUND too, as the verdict does.
    """
    known = {title: of for title, of in numbers.items() if of}
    pairs = paired(known, bound)
    for title in known:
        ahead = [pairs.get((title, other)) for other in known if other != title]
        if ahead and all(d and d.sure and not d.tie and d.mean > 0 for d in ahead):
            return title
    return None


def paired(numbers: Skills[Seed], bound: bool = False) -> dict[tuple[str, str], Difference]:
    """(one, other) -> one less other, of every pair that shares a seed, in both orders; corrected together.

    Args:
        numbers: title -> seed -> number.
        bound: whether each is compared with BOUND, too.
    """
    each = {title: of for title, of in numbers.items() if of}
    if bound:
        each |= {BOUND: {seed: 0.0 for of in each.values() for seed in of}}
    titles = [*each]
    pairs = {
        (one, other): found
        for i, one in enumerate(titles)
        for other in titles[i + 1 :]
        if (found := difference(each[one], each[other]))
    }
    if not pairs:
        return {}
    known = dict(zip(pairs, corrected([*pairs.values()]), strict=True))
    turned = dict[tuple[str, str], Difference]()
    for (one, other), found in known.items():
        back = difference(each[other], each[one])
        assert back is not None, "they share as many seeds as before"
        turned[other, one] = back._replace(corrected=found.corrected)
    return known | turned


def shared(skills: Skills[Seed]) -> Skills[Seed]:
    """Those of all titles that have a seed in common, under the seeds that all of them have; the best first.

    Who shares no seed with the others is left out; of two groups the one with more seeds stays.
    """
    seeds: dict[Seed, None] = {}
    kept = list[str]()
    for title in sorted(skills, key=lambda title: -len(skills[title])):
        both = (
            {s: None for s in skills[title] if s in seeds} if kept else dict.fromkeys(skills[title])
        )
        if both:
            seeds, kept = both, [*kept, title]
    alike = {
        title: {seed: skills[title][seed] for seed in seeds} for title in skills if title in kept
    }
    order = sorted(alike, key=lambda title: -float(np.mean([*alike[title].values()])))
    return {title: alike[title] for title in order}


def verdict(
    skills: Skills[Seed], diverged: Mapping[str, Mapping[Seed, int]] | None = None
) -> Verdict:
    """Which strategy leads, whether it is surely ahead of each other one, and surely any use.

    Args:
        skills: title -> seed -> skill; those without any are left out.
        diverged: title -> seed -> step from which its bits were no numbers. Who diverged under any seed is not judged
            by the others.
    """
    lost = {title: of for title, of in (diverged or {}).items() if of}
    known = {title: of for title, of in skills.items() if of and title not in lost}
    aside = "".join(f" {title} {divergence(of)}." for title, of in lost.items())
    if not known:
        if lost:
            return Verdict("Every strategy diverged", aside.strip(), False)
        return Verdict(UNDEFINED, WHY_UNDEFINED, False)
    ranked = shared(known)
    if apart := [title for title in known if title not in ranked]:
        aside += f" Not ranked, no world in common: {_listed(apart)}."
    (leader, mine), *others = ranked.items()
    if len(mine) == 1:
        return _of_one_seed([*ranked], ranked, aside)
    pairs = paired(ranked, bound=True)
    ahead = {title: pairs[leader, title] for title, _ in others}
    level = f"skill {spread([*mine.values()], 2).replace('±', ' ± ')} ({len(mine)} seeds)"
    use = f"{_use(pairs[leader, BOUND])}{aside}"
    if not others:
        alone = "It ran alone. " * (len(skills) == 1)
        only = "" if alone or not apart else "No other strategy met its worlds; "
        return Verdict(f"{only}{leader}{' has' if only else ':'} {level}", f"{alone}{use}", False)
    close = [title for title, found in ahead.items() if found.tie or not found.sure]
    if close:
        told = _listed([f"{title} (by {ahead[title].shown()})" for title in close])
        clear = _listed([title for title, _ in others if title not in close])
        but = f", but it is of {clear}" * bool(clear)
        tied = [title for title in close if ahead[title].tie]
        who = leader if tied else "it"
        because = f"Paired by seed, {who} is not surely ahead of {told}{but}. {use}"
        lead = (
            f"{_listed([leader, *tied])} tie with {level}"
            if tied
            else f"{leader} leads with {level}"
        )
        return Verdict(f"No strategy is surely ahead; {lead}", because, False)
    rest = ", and of all others" * (len(others) > 1)
    by = f"by {ahead[others[0][0]].shown()}"
    because = f"Surely ahead of the next, {others[0][0]}, {by} (paired by seed){rest}. {use}"
    return Verdict(f"{leader}: {level}", because, True)


def divergence(of: Mapping[Seed, int]) -> str:
    """Under which seeds it diverged, and at which step."""
    told = "; ".join(
        f"seed {getattr(seed, 'seed', seed)} at step {step}" for seed, step in of.items()
    )
    return f"diverged ({told})"


def diverged_at(of: Mapping[Seed, int]) -> str:
    """The earliest of those steps, for a cell of a table."""
    return f"diverged at {min(of.values())}"


def untrained(gap: float | None, amnesic: float | None, name: str = "The network") -> str:
    """A sentence to stand before any verdict, where a network is too far from the amnesic observer; else "".

    Args:
        gap: KL(amnesic || network) before any update, in bits: `pretrained_gap`, or `in_context/first`.
        amnesic: KL(informed || amnesic), in bits.
        name: what the network is called.
    """
    if gap is None or amnesic is None or gap <= UNTRAINED * amnesic:
        return ""
    return (
        f"{name} is untrained: before any update it is {gap:.3f} bits from the amnesic observer, who is {amnesic:.3f} "
        "from the truth. Skill counts from a bound that it never reached; gain counts from where it starts."
    )


def _of_one_seed(titles: list[str], ranked: Skills[Seed], aside: str) -> Verdict:
    leader, others = titles[0], titles[1:]
    (mine,) = ranked[leader].values()
    behind = {title: mine - value for title in others for value in ranked[title].values()}
    tied = [leader, *(title for title, gap in behind.items() if gap < TIE)]
    does = "leads with" if others else "has"
    head = f"{_listed(tied)} tie with" if len(tied) > 1 else f"{leader} {does}"
    gap = (
        ""
        if len(tied) > 1 or not others
        else f"Ahead of the next, {others[0]}, by {behind[others[0]]:.2f}. "
    )
    answer = f"One seed proves nothing; in this one {head} skill {mine:.2f}"
    again = "Another may turn it round: run it with seeds: [0, 1, 2]."
    return Verdict(answer, f"{gap}{again}{aside}", False)


def _use(found: Difference) -> str:
    """Whether it is any better than never to learn."""
    if not found.sure or found.tie:
        return f"It is not surely better than {BOUND}."
    if found.mean < 0:
        return f"It is surely worse than {BOUND}: updates do harm."
    return f"It is surely better than {BOUND}."


def _listed(names: Sequence[str], most: int = 3) -> str:
    """a, b and c; or a, b, c and 4 more."""
    shown = [*names] if len(names) <= most else [*names[:most], f"{len(names) - most} more"]
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
