"""Each check kills the mutants it is for, and leaves alive those it has nothing to say about; the kit tells which."""

from functools import partial
from typing import Any

import pytest

from plasticity import (
    Detector,
    Logger,
    Network,
    Optimizer,
    Strategy,
    Stream,
    Tunnel,
    recipe,
)
from plasticity.checks import STRATEGY_CHECKS, parametrize_with_checks, run
from plasticity.checks.kit import CHECKS, title
from plasticity.checks.strategies import (
    check_never_reads_the_answer_key,
    check_reaches_no_answer_key,
)
from plasticity.checks.world import world
from plasticity.engine.prequential import Prequential, ScoredBatch
from plasticity.metrics.formula import Formula
from streams import Bijection, Urn

from .mutants import hypotheses, metrics, parts, schedules
from .mutants.networks import NETWORKS, Small
from .mutants.strategies import KEY, REACH, STRATEGIES, Diary, SearchesItsLearner
from .mutants.tunnels import CONTINUAL, TUNNELS, Edits, Tells, as_it_is, tempered

SOUND = [Urn([1.0, 1.0]), Edits(partial(tempered, power=1.0)), Tells(as_it_is), Strategy, Small]
SOUND += [*hypotheses.SOUND, *schedules.SOUND, *parts.SOUND, *metrics.SOUND]
MUTANTS = {
    Tunnel: [*TUNNELS, *hypotheses.HYPOTHESES],
    Stream: schedules.SCHEDULES,
    Strategy: STRATEGIES,
    Network: NETWORKS,
    Optimizer: parts.OPTIMIZERS,
    Detector: parts.DETECTORS,
    Logger: parts.LOGGERS,
    Formula: metrics.METRICS,
}


def name(value: Any) -> str:
    if isinstance(value, set):
        return "-"
    if isinstance(value, Formula):
        return value.call.__name__
    made = getattr(value, "cls", value)
    return made.__name__ if isinstance(made, type) else type(made).__name__


@pytest.mark.parametrize(
    ("subject", "killers"), [each for some in MUTANTS.values() for each in some], ids=name
)
def test_a_mutant_is_killed_by_the_checks_that_are_for_it(subject: Any, killers: set[str]) -> None:
    results = list(run(subject))
    assert {r.title for r in results if r.verdict == "FAILED"} == killers
    assert all(len(r.why) > 40 for r in results if r.verdict == "FAILED")


@pytest.mark.parametrize("subject", SOUND, ids=name)
def test_what_mutants_are_made_from_is_sound(subject: Any) -> None:
    assert not [r for r in run(subject) if r.verdict == "FAILED"]


@pytest.mark.parametrize(
    ("leak", "where", "subject", "killers"),
    [
        (
            lambda loop, item: {"records": loop.records},
            "Record at learner.records",
            Strategy,
            {REACH},
        ),
        (
            lambda loop, item: {"now": item},
            "AnswerKey at learner.now.key",
            SearchesItsLearner,
            {REACH, KEY},
        ),
        (
            lambda loop, item: {"ask": lambda: item.key},
            "learner.ask.<item>",
            SearchesItsLearner,
            {REACH, KEY},
        ),
        (
            lambda loop, item: {"world": world().is_correct},
            "learner.world.__self__",
            Strategy,
            {REACH},
        ),
    ],
)
def test_an_engine_that_leaks_is_found(
    leak: Any, where: str, subject: Any, killers: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the path that leads there, whatever the strategy; and by what a strategy made of it."""
    step = Prequential.prequential_step

    def leaking(self: Prequential, item: ScoredBatch) -> Any:
        vars(self.learner).update(leak(self, item))
        return step(self, item)

    monkeypatch.setattr(Prequential, "prequential_step", leaking)
    failed = dict[str, str]()
    for check in (check_never_reads_the_answer_key, check_reaches_no_answer_key):
        try:
            check(recipe(subject))
        except AssertionError as error:
            failed[title(check)] = str(error)
    assert failed.keys() == killers and where in failed[REACH]


def test_every_check_kills_a_mutant() -> None:
    assert MUTANTS.keys() == CHECKS.keys()
    for kind, mutants in MUTANTS.items():
        titles = {title(check) for check in CHECKS[kind]}
        assert titles == set().union(*(killers for _, killers in mutants))


class Crashes(Urn):
    def observer(self) -> Any:
        raise KeyError("no such urn")


def test_a_crash_is_a_failure_that_says_where() -> None:
    failed = [r for r in run(Crashes([1.0, 1.0])) if r.verdict == "FAILED"]
    assert len(failed) > 5
    assert all("KeyError: 'no such urn'" in r.why and __file__ in r.why for r in failed)


def test_what_cannot_be_tried_is_skipped_and_says_so() -> None:
    (result,) = [r for r in run(Bijection(size=20, pairs=19)) if r.title == CONTINUAL]
    assert result.verdict == "skipped" and "check a smaller instance" in result.why


def test_an_expected_failure_is_a_strict_xfail_of_that_check_alone() -> None:
    expected = {"check_memory_is_bounded": "it is a diary"}
    mark = parametrize_with_checks(strategies=[Diary], expected_failures=expected)
    names, cases = mark.args
    assert names == ("subject", "check") and len(cases) == len(STRATEGY_CHECKS)
    assert cases[0].id == "Diary-check_reproducible"
    marked = {case.id: case.marks for case in cases if case.marks}
    assert list(marked) == ["Diary-check_memory_is_bounded"]
    (xfail,) = marked["Diary-check_memory_is_bounded"]
    assert xfail.name == "xfail"
    assert xfail.kwargs == {"reason": "it is a diary", "strict": True}


def test_an_expected_failure_that_names_no_check_is_refused() -> None:
    with pytest.raises(ValueError, match="Did you mean 'check_memory_is_bounded'?"):
        parametrize_with_checks(strategies=[Diary], expected_failures={"check_memory_bounded": ""})


@pytest.mark.parametrize("subject", [Strategy(), 3, dict, Bijection.__mro__[1]])
def test_what_is_no_subject_is_refused(subject: Any) -> None:
    with pytest.raises(TypeError):
        run(subject)
