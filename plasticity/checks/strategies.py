"""Checks of a strategy: it keeps the contract of Strategy in a little world."""

from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import SkipTest

import torch
from torch import Tensor

from plasticity import networks
from plasticity.checks.answers import check_prediction_is_causal, check_reaches_no_answer_key
from plasticity.checks.chance import difference, global_chance_untouched
from plasticity.checks.descent import (
    check_does_not_ascend,
    check_learns_from_asked_positions_only,
    check_moves_what_is_trainable,
)
from plasticity.checks.memory import held, parts_that_differ, sizes
from plasticity.checks.world import STEPS, Edit, end, ended, loop, taught, world
from plasticity.config.plugins import discover
from plasticity.config.recipe import Recipe, parameters, recipe, unknown_key
from plasticity.core.errors import one_line
from plasticity.core.strategy import Strategy
from plasticity.core.tunnel import AnswerKey, Batch
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.prequential import Prequential
from plasticity.engine.trainer import fit
from plasticity.results.sealed import Damaged
from plasticity.results.store import Cell

Subject = Recipe[Strategy]
"""How to make the strategy: each run needs a new one."""
ANNOUNCED = (True, False)
CHANCE = "self.rng(learner), a torch.Generator"
"""Where randomness comes from, for messages."""


def check_reproducible(subject: Subject) -> None:
    """Two runs of one seed end in the same state, to the bit."""
    _unmoved(subject, None, "two runs of one seed", f"take randomness from {CHANCE}")


def check_never_reads_the_answer_key(subject: Subject) -> None:
    """Whether predictions are graded or not, and by which key, leads to the same state, to the bit."""

    def wrong(batch: Batch, key: AnswerKey) -> tuple[Batch, AnswerKey]:
        posterior, regime = torch.full_like(key.posterior, torch.nan), torch.zeros_like(key.regime)
        return batch, AnswerKey(torch.zeros_like(key.drawn), posterior, regime, {0: 1.0})

    hint = (
        "scores and the answer key are the scorer's: a strategy reads its Batch and its Learner only; "
        "on_shift() tells it of changes"
    )
    what = "two runs, in one of which predictions were graded, and by another answer key,"
    _unmoved(subject, wrong, what, hint, scored=True)


def check_leaves_global_randomness_alone(subject: Subject) -> None:
    """No global generator is drawn from or seeded, neither in the constructor nor in any hook."""
    with global_chance_untouched(subject.cls.__name__, CHANCE):
        taught(loop(subject))


def check_attach_allocates(subject: Subject) -> None:
    """After attach() a checkpoint fits: every buffer and parameter is there, in its final shape."""
    fresh = loop(subject)
    fresh.setup("fit")
    kept, room = ended(subject).state, fresh.state_dict()
    for name in sorted(kept.keys() ^ room.keys()):
        when = "after learning and not before" if name in kept else "before learning and not after"
        raise AssertionError(
            f"{name} is there {when}; expected attach() to register every buffer and parameter, and none "
            "to go, because a checkpoint is loaded right after attach()"
        )
    for name, value in kept.items():
        assert _shape(value) == _shape(room[name]), (
            f"{name} has shape {_shape(room[name])} after attach() and {_shape(value)} after {STEPS} steps; "
            "expected attach() to allocate it whole, because a checkpoint is loaded right after"
        )


def check_resumes_exactly(subject: Subject) -> None:
    """A run that was stopped, saved, loaded into a new learner and gone on with ends as one never stopped."""
    if not subject.build().resumable:
        raise SkipTest(
            "it says itself that it cannot be resumed: a cell that is cut off starts over"
        )
    ended = dict[str, tuple[Prequential, Cell]]()
    with TemporaryDirectory() as folder:
        for name, stops in (("whole", [STEPS]), ("cut", [STEPS // 2, STEPS])):
            cell = Cell(Path(folder) / name)
            for stop in stops:
                made = loop(subject)
                _walked(cell, made, stop)
                ended[name] = made, cell
        (whole, record), (cut, again) = ended.values()
        found = difference(whole.state_dict(), cut.state_dict())
        _can_be_told(subject, found)
        lost = _lost(subject, whole.learner.strategy)
        assert not found, (
            f"a run stopped after {STEPS // 2} of {STEPS} steps and resumed ends elsewhere than one never stopped: "
            f"{found}; {lost}expected all memory in buffers registered in attach(), and randomness from "
            "self.rng(learner)"
        )
        assert record.steps.read().equals(again.steps.read()), (
            "a run stopped and resumed made other predictions than one never stopped, and has the same weights at "
            f"its end; {lost}expected all memory in buffers registered in attach()"
        )
        kept = whole.learner.strategy.state_dict().keys()
        told = _named(parts_that_differ(whole.learner.strategy, cut.learner.strategy) - kept)
        assert not told, (
            f"after a run stopped and resumed, {told} is not what it is after one never stopped: no checkpoint holds "
            "it, even though nothing showed in so few steps; expected all memory in buffers registered in attach()"
        )


def check_memory_is_bounded(subject: Subject) -> None:
    """What the strategy holds takes the same room after n steps and after 2 n."""
    for announced in ANNOUNCED:
        made = taught(loop(subject, announce_shifts=announced))
        for name, buffer in made.learner.strategy.named_buffers():
            assert buffer.grad_fn is None, (
                f"{name} holds on to all it was computed from (its grad_fn is {buffer.grad_fn.name()}), which grows "
                "from step to step; expected buffers to be written under @torch.no_grad(), or from .detach()ed values"
            )
        half, before = held(made.learner.strategy), sizes(made.learner.strategy)
        whole, after = held(taught(made).learner.strategy), sizes(made.learner.strategy)
        grown = [name for name, size in after.items() if size > before.get(name, 0)]
        assert half >= whole, (
            f"it holds {half} bytes after {STEPS} steps and {whole} after {2 * STEPS}, of which more in "
            f"{' and '.join(grown) or 'a place unknown'}; "
            "expected the same: allocate a buffer of fixed size in attach(), as Reservoir does"
        )


def check_off_switch(subject: Subject) -> None:
    """With the arguments of `off` it is plain fine-tuning, to the bit."""
    off = subject.cls.off
    if off is None:
        raise SkipTest(f"{subject.cls.__name__} declares no off-switch (its class attribute `off`)")
    for name in off.keys() - parameters(subject.cls).keys():
        raise AssertionError(
            f"its class attribute `off` cannot be used: {unknown_key(name, subject.cls)}"
        )
    switched = Recipe(subject.cls, {**subject.args, **off})
    tuned = recipe(Strategy, lr=switched.build().lr)
    one, other = (taught(loop(each)).learner.network.state_dict() for each in (switched, tuned))
    found = difference(one, other)
    call = ", ".join(f"{name}={value!r}" for name, value in off.items())
    assert not found, (
        f"{subject.cls.__name__}({call}) is declared to be plain fine-tuning by the class attribute `off`, and is "
        f"not: {found}; expected every hook to do nothing then: no arithmetic on loss, gradients or weights, not even "
        "adding zero times something; penalty() returns 0.0"
    )
    defaults = {name: p.default for name, p in parameters(subject.cls).items()}
    if any(
        (defaults | subject.args)[name] != value for name, value in off.items()
    ) and not difference(_of_network(ended(subject).state), other):
        raise SkipTest(
            f"it is plain fine-tuning with the arguments it was given, too, for {STEPS} steps and two shifts: is the "
            "name of a hook misspelt? If it begins later, check it with arguments that let it begin sooner"
        )


def check_works_on_every_network(subject: Subject) -> None:
    """On each network of plasticity.networks everything trainable moves, and stays finite."""
    for name, network in discover(networks.__name__).items():
        made = loop(subject, recipe(network, width=8, depth=1))
        made.setup("fit")
        trainable = {id(p) for p in made.learner.trainable()}
        before = {n: p.detach().clone() for n, p in made.named_parameters() if id(p) in trainable}
        assert len(before) == len(trainable), (
            f"on {name}, trainable() holds {len(trainable) - len(before)} parameters that are neither the network's "
            "nor the strategy's; expected to find them as attributes of a module, because a checkpoint does"
        )
        after = dict(taught(made).named_parameters())
        for n, old in before.items():
            assert torch.isfinite(after[n]).all(), f"on {name}, {n} is no longer finite"
            assert not torch.equal(after[n], old), (
                f"on {name}, {n} is among trainable() and did not move in {STEPS} steps; expected a gradient: "
                "is it used at all, and does what was attached reach this kind of layer?"
            )


def _unmoved(
    subject: Subject, edit: Edit | None, what: str, hint: str, scored: bool = False
) -> None:
    """Runs with and without the edit, scored and not, end in the same state, and predict the same.

    Raises:
        AssertionError: they do not; `what` and `hint` are in the message.
        SkipTest: they do not without an edit, either.
    """
    for announced in ANNOUNCED:
        other = loop(subject, announce_shifts=announced)
        taught(other, edit=edit or (lambda batch, key: (batch, key)), scored=scored)
        (state, said), (again, answered) = ended(subject, announced), end(other)
        found = difference(state, again)
        if not found and not torch.equal(said, answered):
            found = "their logits differ"
        if scored:
            _can_be_told(subject, found)
        assert not found, (
            f"{what} ended differently, with shifts {'' if announced else 'not '}announced: {found}; {hint}"
        )


def _can_be_told(subject: Subject, found: str) -> None:
    """Nothing happens if nothing was found, or if runs can be compared at all.

    Raises:
        SkipTest: they cannot: two runs of one seed, and nothing else, differ already.
    """
    if found and difference(ended(subject).state, taught(loop(subject)).state_dict()):
        raise SkipTest(
            "two runs of one seed differ already, so that nothing can be told: mend `reproducible`"
        )


def _walked(cell: Cell, made: Prequential, stop: int) -> None:
    """The learner goes on from its checkpoint, if there is one.

    Raises:
        AssertionError: it cannot be loaded.
    """
    try:
        fit(cell, made, StreamDataModule(world(stop), stretch=STEPS // 2), TrainerConfig())
    except Damaged as error:
        found = str(error).partition("loading state_dict for ")[2].partition("; to start")[0]
        if not found:
            raise
        why = one_line(found.partition(": ")[2])
        raise AssertionError(
            f"its checkpoint cannot be loaded into a new learner: {why} Expected attach() to register every buffer "
            "and parameter in its final shape, because a checkpoint is loaded right after"
        ) from error


def _lost(subject: Subject, trained: Strategy) -> str:
    """What a checkpoint leaves out, as the beginning of a message; empty if nothing is found."""
    fresh = loop(subject)
    fresh.setup("fit")
    told = _named(parts_that_differ(fresh.learner.strategy, trained) - trained.state_dict().keys())
    return f"{told} changed while it learned, and no checkpoint holds it; " if told else ""


def _of_network(state: Mapping[str, Any]) -> dict[str, Any]:
    """The network's part of a loop's state."""
    prefix = "learner.network."
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _named(parts: Collection[str]) -> str:
    return " and ".join(f"self.{name}" for name in sorted(parts))


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(value.shape) if isinstance(value, Tensor) else ()


STRATEGY_CHECKS = [
    check_reproducible,
    check_leaves_global_randomness_alone,
    check_never_reads_the_answer_key,
    check_reaches_no_answer_key,
    check_prediction_is_causal,
    check_learns_from_asked_positions_only,
    check_does_not_ascend,
    check_moves_what_is_trainable,
    check_attach_allocates,
    check_memory_is_bounded,
    check_off_switch,
    check_works_on_every_network,
    check_resumes_exactly,
]
"""Cheap ones first."""
