"""Checks of a detector: it keeps the contract of Detector on losses whose law is known."""

from collections.abc import Iterable

import numpy as np

from plasticity.checks.chance import global_chance_untouched
from plasticity.checks.memory import held, take_up
from plasticity.config.recipe import Recipe
from plasticity.core.detector import Detector

Subject = Recipe[Detector]
"""How to make the detector: each check needs a new one."""
STEPS = 400
"""Losses of a series."""
LEVEL, SCATTER, RISE = 0.5, 0.1, 2.0
"""Nats per asked position: of a learner that has learned, by how much its loss scatters, and rises at a shift."""
PATIENCE = 100
"""Steps within which such a rise is noticed."""
FALSE = 20
"""One false alarm in so many steps, at most."""
ROOM = 1.5
"""By which the state may grow while the series becomes four times as long: a window may grow by its logarithm."""


def series(steps: int = STEPS, rises: int | None = None, seed: int = 0) -> list[float]:
    """Independent losses around LEVEL, and around LEVEL + RISE from step `rises` on."""
    noise = np.random.default_rng(seed).normal(0, SCATTER, steps)
    up = np.arange(steps) >= (steps if rises is None else rises)
    return (LEVEL + noise + RISE * up).clip(0).tolist()


def alarms(detector: Detector, losses: Iterable[float]) -> list[int]:
    """The places of the losses that raised the alarm."""
    return [i for i, loss in enumerate(losses) if detector.update(loss)]


def check_answers_yes_or_no(subject: Subject) -> None:
    """Update returns a bool, whatever the loss: of a learner that is lost it is no number."""
    detector = subject.build()
    for loss in (0.7, 0.0, float("inf"), float("nan"), 0.7, 0.7):
        answer = detector.update(loss)
        assert isinstance(answer, bool), (
            f"update({loss}) returned {answer!r}; expected True or False: bool(...)"
        )


def check_same_losses_same_alarms(subject: Subject) -> None:
    """Alarms are a function of the losses, and use no chance."""
    losses = series(rises=STEPS // 2)
    with global_chance_untouched(f"update() of {subject.cls.__name__}", "nowhere"):
        one, other = (alarms(subject.build(), losses) for _ in range(2))
    assert one == other, (
        f"two detectors that met the same losses raised alarms at {one[:5]} and at {other[:5]}; expected the same"
    )


def check_notices_a_rise(subject: Subject) -> None:
    """A loss that rises by 2 nats raises the alarm within 100 steps."""
    rises = STEPS // 2
    found = [t for t in alarms(subject.build(), series(rises=rises)) if t >= rises]
    assert found and found[0] < rises + PATIENCE, (
        f"the loss rose from {LEVEL} to {LEVEL + RISE} nats at step {rises}, and the first alarm after that came "
        f"{f'at step {found[0]}' if found else 'never'}; expected one within {PATIENCE} steps: a smaller threshold?"
    )


def check_is_quiet_where_nothing_rises(subject: Subject) -> None:
    """Independent losses of one level raise few alarms; a loss that falls raises none: it is learning."""
    found = alarms(subject.build(), series(seed=1))
    assert len(found) <= STEPS // FALSE, (
        f"{STEPS} losses that scatter by {SCATTER} around {LEVEL} nats raised {len(found)} alarms; expected at most "
        f"{STEPS // FALSE}"
    )
    falling = (RISE * np.exp(-np.arange(STEPS) / 50)).tolist()
    found = alarms(subject.build(), falling)
    assert not found, (
        f"a loss that only fell, from {RISE} nats on, raised the alarm at {found[:5]}; expected none: that is learning"
    )


def check_resumes_exactly(subject: Subject) -> None:
    """A detector of the state dict of another goes on as that one does."""
    losses = series(rises=STEPS // 2)
    for cut in (1, STEPS // 4, STEPS // 2, STEPS // 2 + 2):
        whole, fresh = subject.build(), subject.build()
        alarms(whole, losses[:cut])
        take_up(fresh, whole.state_dict())
        one, other = (alarms(each, losses[cut:]) for each in (whole, fresh))
        assert one == other, (
            f"after {cut} losses it raised alarms {one[:5]} steps later; one that took up its state dict there, "
            f"{other[:5]}; expected the same: keep what it counts in buffers, or in get_extra_state and set_extra_state"
        )


def check_state_is_bounded(subject: Subject) -> None:
    """What it remembers does not grow with the stream."""
    early, late = subject.build(), subject.build()
    alarms(early, series(STEPS))
    alarms(late, series(4 * STEPS))
    few, many = (held(vars(each)) + held(dict(each.state_dict())) for each in (early, late))
    assert many <= ROOM * few, (
        f"it holds {few} bytes after {STEPS} losses and {many} after {4 * STEPS}; expected hardly more"
    )


DETECTOR_CHECKS = [
    check_answers_yes_or_no,
    check_same_losses_same_alarms,
    check_notices_a_rise,
    check_is_quiet_where_nothing_rises,
    check_resumes_exactly,
    check_state_is_bounded,
]
"""Cheap ones first."""
