"""The four demands that true plasticity makes of a learner, each answered from its numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from plasticity.metrics.significance import spread
from plasticity.report.page import NumberTable, Section, Words
from plasticity.report.run_report import Summaries
from plasticity.report.verdict import Difference, corrected

TITLES = ("", "updates its core", "retains", "repairs its causal model", "grows more sophisticated")
CAPTION = (
    "updates its core: skill above 0 (and drift of the features, 1 − CKA, where the network was looked at). "
    "retains: forgetting (Chaudhry et al. 2018), bits; below 0, what was learned later helped. "
    "repairs: bits on the interventions that a redrawn mechanism changed, from its coming to the end of the visit, and "
    "in brackets on those that it left alone; only a causal world asks (experiments/causal_ladder.yaml). "
    "grows: slope of the cost of adapting, bits per 100 visits, below 0 if adapting gets easier; and the bits over the "
    "truth that it takes to send all answers by the learner's predictions (its description length of the world). "
    "Yes and no where the mean over seeds surely is not 0 (t test at 5 %, corrected by Holm for all that this table "
    "asks), unsure where it may be, or where there is one seed."
)
Each = Sequence[Mapping[str, object]]
"""The numbers of a strategy, one per seed."""


class Demand(NamedTuple):
    """What a strategy is asked."""

    values: list[float]
    """Per seed; none: it cannot be said."""
    good: int
    """The sign that answers yes."""
    shown: str
    """The numbers."""


def four_demands(summaries: Summaries) -> Section | None:
    """For each learner yes, no or unsure, and the numbers; None where nothing is known.

    Args:
        summaries: of every strategy, one per seed.
    """
    lines = answers(summaries)
    if not any(text != "-" for cells, _ in lines for text in cells[1:]):
        return None
    blocks = [NumberTable(TITLES, lines, "four demands", wordy=True), Words(CAPTION, "small")]
    return Section("The ladder of plasticity: four demands", blocks, folded=True)


def answers(summaries: Summaries) -> list[tuple[list[str], bool]]:
    """The lines of the table: (label and four answers, False); who diverged under a seed is asked nothing.

    All answers are one family: each is corrected for all the others.
    """
    asked = {label: [ask(s) for ask in ASKED] for label, s in summaries.items() if not _lost(s)}
    tested = [Difference(d.values) for demands in asked.values() for d in demands if d.values]
    sure = iter(corrected(tested) if tested else [])
    lines = list[tuple[list[str], bool]]()
    for label, each in summaries.items():
        if steps := _lost(each):
            when = f"diverged at step {', '.join(map(str, steps))}"
            lines.append(([label, when, *["-"] * (len(ASKED) - 1)], False))
            continue
        texts = (
            f"{_sign(next(sure), d.good)}: {d.shown}" if d.values else "-" for d in asked[label]
        )
        lines.append(([label, *texts], False))
    return lines


def _updates(each: Each) -> Demand:
    skill, drift = _numbers(each, "skill"), _numbers(each, "drift/cka2019/last")
    moved = f"; drift {spread(drift, 2)}" if drift else ""
    return Demand(skill, 1, f"skill {_spread(skill, 2)}{moved}")


def _retains(each: Each) -> Demand:
    lost = _numbers(each, "forgetting/chaudhry2018")
    return Demand(lost, -1, f"forgot {_spread(lost, 3)} bits")


def _repairs(each: Each) -> Demand:
    before, after, aside = (
        _numbers(each, f"world/{name}/mechanism") for name in ("before", "repaired", "collateral")
    )
    gained = [b - a for b, a in zip(before, after, strict=True)] if before and after else []
    spared = f" (untouched ones {spread(aside, 2)})" if aside else ""
    return Demand(gained, 1, f"{_spread(before, 2)} to {_spread(after, 2)} bits{spared}")


def _grows(each: Each) -> Demand:
    slope, length = (
        _numbers(each, k) for k in ("adaptation_trend/ols", "code_length/over_informed")
    )
    sent = f"; {spread(length, 0)} bits over the truth" if length else ""
    return Demand(slope, -1, f"costs {_spread(slope, 3)} bits more per 100 visits{sent}")


ASKED: tuple[Callable[[Each], Demand], ...] = (_updates, _retains, _repairs, _grows)
"""In the order of TITLES."""


def _sign(found: Difference, good: int) -> str:
    """Yes where the mean surely has the good sign, no where it surely has the other."""
    if not any(found.values):
        return "unmoved"
    if not found.sure:
        return "unsure"
    return "yes" if found.mean * good > 0 else "no"


def _lost(each: Each) -> list[int]:
    """The steps at which it diverged, of the seeds under which it did."""
    return [step for s in each if isinstance(step := s.get("diverged/step"), int)]


def _spread(values: Sequence[float], digits: int) -> str:
    return spread(values, digits) if values else ""


def _numbers(each: Each, key: str) -> list[float]:
    """One number per seed, of those in which it is defined."""
    return [float(v) for s in each if isinstance(v := s.get(key), int | float)]
