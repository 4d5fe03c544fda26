"""The four demands that true plasticity makes of a learner, each answered from its numbers."""

from collections.abc import Mapping, Sequence

from plasticity.metrics.summary import spread
from plasticity.report.page import Section, Table, Words
from plasticity.report.run_report import Summaries
from plasticity.report.verdict import Difference

TITLES = ("", "updates its core", "retains", "repairs its causal model", "grows more sophisticated")
CAPTION = (
    "updates its core: skill above 0 (and drift of the features, 1 − CKA, where the network was looked at). "
    "retains: forgetting (Chaudhry et al. 2018), bits; below 0, what was learned later helped. "
    "repairs: bits on the interventions that a redrawn mechanism changed, from its coming to the end of the visit, and "
    "in brackets on those that it left alone; only a causal world asks (experiments/causal_ladder.yaml). "
    "grows: slope of the cost of adapting, bits per 100 visits, below 0 if adapting gets easier; and the bits over the "
    "truth that it takes to send all answers by the learner's predictions (its description length of the world). "
    "Yes and no where the 95 % interval over seeds excludes 0, unsure where it does not, or where there is one seed."
)


def four_demands(summaries: Summaries) -> Section | None:
    """For each learner yes, no or unsure, and the numbers; None where nothing is known.

    Args:
        summaries: of every strategy, one per seed.
    """
    lines = [
        ([label, _updates(each), _retains(each), _repairs(each), _grows(each)], False)
        for label, each in summaries.items()
    ]
    if not any(text != "-" for cells, _ in lines for text in cells[1:]):
        return None
    blocks = [Table(TITLES, lines, "four demands", wordy=True), Words(CAPTION, "small")]
    return Section("The ladder of plasticity: four demands", blocks, folded=True)


def _updates(each: Sequence[Mapping[str, object]]) -> str:
    skill, drift = _numbers(each, "skill"), _numbers(each, "drift/cka2019/last")
    moved = f"; drift {spread(drift, 2)}" if drift else ""
    return f"{_sign(skill, 1)}: {spread(skill, 2)}{moved}" if skill else "-"


def _retains(each: Sequence[Mapping[str, object]]) -> str:
    lost = _numbers(each, "forgetting/chaudhry2018")
    return f"{_sign(lost, -1)}: {spread(lost, 3)}" if lost else "-"


def _repairs(each: Sequence[Mapping[str, object]]) -> str:
    before, after, aside = (
        _numbers(each, f"world/{name}/mechanism") for name in ("before", "repaired", "collateral")
    )
    if not (before and after):
        return "-"
    gained = [b - a for b, a in zip(before, after, strict=True)]
    spared = f" ({spread(aside, 2)})" if aside else ""
    return f"{_sign(gained, 1)}: {spread(before, 2)} to {spread(after, 2)}{spared}"


def _grows(each: Sequence[Mapping[str, object]]) -> str:
    slope, length = (
        _numbers(each, "adaptation_trend/ols"),
        _numbers(each, "dynamic_regret/realised"),
    )
    sent = f"; {spread(length, 0)} bits" if length else ""
    return f"{_sign(slope, -1)}: {spread(slope, 3)}{sent}" if slope else "-"


def _sign(values: Sequence[float], good: int) -> str:
    """Yes where the mean surely has the good sign, no where it surely has the other."""
    if not any(values):
        return "unmoved"
    found = Difference([*values])  # from 0
    if not found.sure:
        return "unsure"
    return "yes" if found.mean * good > 0 else "no"


def _numbers(each: Sequence[Mapping[str, object]], key: str) -> list[float]:
    """One number per seed, of those that have it."""
    return [float(v) for s in each if isinstance(v := s.get(key), int | float)]
