"""Checks of a strategy: it keeps the contract of Strategy in a little world."""

from collections.abc import Callable, Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import SkipTest

import torch
from torch import Tensor

from plasticity import networks
from plasticity.checks.chance import difference, global_chance_untouched
from plasticity.checks.memory import held, parts_that_differ, sizes
from plasticity.checks.world import SPEC, STEPS, learner, taught, world
from plasticity.forward import Forward
from plasticity.learner import Learner
from plasticity.recipes import Recipe, one_line, parameters, recipe, unknown_key
from plasticity.store import Cell
from plasticity.strategy import Strategy
from plasticity.tunnel import Batch
from plasticity.walk import Hardware, walk

Subject = Recipe[Strategy]
"""How to make the strategy: each run needs a new one."""
ANNOUNCED = (True, False)
CHANCE = "self.rng(learner), a torch.Generator"
"""Where randomness comes from, for messages."""


def check_reproducible(subject: Subject) -> None:
    """Two runs of one seed end in the same state, to the bit."""
    _unmoved(subject, None, "two runs of one seed", f"take randomness from {CHANCE}")


def check_never_reads_the_answer_key(subject: Subject) -> None:
    """Batches whose posterior is NaN, or sure of what came, lead to the same state, to the bit."""

    def nothing(batch: Batch) -> Batch:
        return batch._replace(posterior=torch.full_like(batch.posterior, torch.nan))

    def sure(batch: Batch) -> Batch:
        hit = torch.nn.functional.one_hot(batch.targets, SPEC.symbols)
        return batch._replace(posterior=hit.to(batch.posterior))

    for edit, what in ((nothing, "NaN"), (sure, "1 for the symbol that came and 0 elsewhere")):
        _unmoved(
            subject,
            edit,
            f"two runs, in one of which batch.posterior was {what},",
            "batch.posterior is the answer key: a strategy may read inputs, targets and asked",
        )


def check_never_reads_the_regime(subject: Subject) -> None:
    """Batches whose regime is always 0 lead to the same state, to the bit."""
    _unmoved(
        subject,
        lambda batch: batch._replace(regime=torch.zeros_like(batch.regime)),
        "two runs, in one of which batch.regime was always 0,",
        "which regime is live is hidden: a strategy may read inputs, targets and asked; shift() tells it of changes",
    )


def check_learns_from_asked_positions_only(subject: Subject) -> None:
    """Other targets at positions that are not asked lead to the same state, but for a memory that kept them."""

    def edit(batch: Batch) -> Batch:
        other = (batch.targets + 1) % SPEC.symbols
        return batch._replace(targets=torch.where(batch.asked, batch.targets, other))

    one, other = taught(learner(subject)), taught(learner(subject), edit=edit)
    found = difference(one.network.state_dict(), other.network.state_dict())
    _can_be_told(subject, found)
    assert not found, (
        f"targets at positions that are not asked were changed, and the network moved: {found}; "
        "expected a loss over asked positions only, as learner.nll(logits, targets, asked) is"
    )


def check_leaves_global_randomness_alone(subject: Subject) -> None:
    """No global generator is drawn from or seeded, neither in the constructor nor in any hook."""
    with global_chance_untouched(subject.cls.__name__, CHANCE):
        taught(learner(subject))


def check_attach_allocates(subject: Subject) -> None:
    """After attach() a checkpoint fits: every buffer and parameter is there, in its final shape."""
    trained, fresh = taught(learner(subject)), learner(subject)
    fresh.setup("fit")
    kept, room = trained.state_dict(), fresh.state_dict()
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
    ended = dict[str, tuple[Learner, Cell]]()
    with TemporaryDirectory() as folder:
        for name, stops in (("whole", [STEPS]), ("cut", [STEPS // 2, STEPS])):
            cell = Cell(Path(folder) / name)
            for stop in stops:
                made = learner(subject)
                _walked(cell, made, stop)
                ended[name] = made, cell
        (whole, record), (cut, again) = ended.values()
        found = difference(whole.state_dict(), cut.state_dict())
        _can_be_told(subject, found)
        lost = _lost(subject, whole.strategy)
        assert not found, (
            f"a run stopped after {STEPS // 2} of {STEPS} steps and resumed ends elsewhere than one never stopped: "
            f"{found}; {lost}expected all memory in buffers registered in attach(), and randomness from "
            "self.rng(learner)"
        )
        assert record.steps.read().equals(again.steps.read()), (
            "a run stopped and resumed made other predictions than one never stopped, and has the same weights at "
            f"its end; {lost}expected all memory in buffers registered in attach()"
        )
        kept = whole.strategy.state_dict().keys()
        told = _named(parts_that_differ(whole.strategy, cut.strategy) - kept)
        assert not told, (
            f"after a run stopped and resumed, {told} is not what it is after one never stopped: no checkpoint holds "
            "it, even though nothing showed in so few steps; expected all memory in buffers registered in attach()"
        )


def check_memory_is_bounded(subject: Subject) -> None:
    """What the strategy holds takes the same room after n steps and after 2 n."""
    for announced in ANNOUNCED:
        made = taught(learner(subject, announce_shifts=announced))
        for name, buffer in made.strategy.named_buffers():
            assert buffer.grad_fn is None, (
                f"{name} holds on to all it was computed from (its grad_fn is {buffer.grad_fn.name()}), which grows "
                "from step to step; expected buffers to be written under @torch.no_grad(), or from .detach()ed values"
            )
        half, before = held(made.strategy), sizes(made.strategy)
        whole, after = held(taught(made).strategy), sizes(made.strategy)
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
    one, other = taught(learner(switched)), taught(learner(tuned))
    found = difference(one.network.state_dict(), other.network.state_dict())
    call = ", ".join(f"{name}={value!r}" for name, value in off.items())
    assert not found, (
        f"{subject.cls.__name__}({call}) is declared to be plain fine-tuning by the class attribute `off`, and is "
        f"not: {found}; expected every hook to do nothing then: no arithmetic on loss, gradients or weights, not even "
        "adding zero times something; extra() returns 0.0"
    )
    defaults = {name: p.default for name, p in parameters(subject.cls).items()}
    if any(
        (defaults | subject.args)[name] != value for name, value in off.items()
    ) and not difference(taught(learner(subject)).network.state_dict(), other.network.state_dict()):
        raise SkipTest(
            f"it is plain fine-tuning with the arguments it was given, too, for {STEPS} steps and two shifts: is the "
            "name of a hook misspelt? If it begins later, check it with arguments that let it begin sooner"
        )


def check_works_on_every_network(subject: Subject) -> None:
    """On each network of plasticity.networks everything trainable moves, and stays finite."""
    for name in networks.__all__:
        made = learner(subject, recipe(getattr(networks, name), width=8, depth=1))
        made.setup("fit")
        trainable = {id(p) for p in made.strategy.trainable(made)}
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


def _unmoved(subject: Subject, edit: Callable[[Batch], Batch] | None, what: str, hint: str) -> None:
    """Runs with and without the edit end in the same state, and predict the same.

    Raises:
        AssertionError: they do not; `what` and `hint` are in the message.
        SkipTest: they do not without an edit, either.
    """
    probe = world(1)[0].inputs
    for announced in ANNOUNCED:
        one = taught(learner(subject, announce_shifts=announced))
        other = taught(learner(subject, announce_shifts=announced), edit=edit or (lambda b: b))
        found = difference(one.state_dict(), other.state_dict())
        if not found and not torch.equal(one(probe), other(probe)):
            found = "their logits differ"
        if edit:
            _can_be_told(subject, found)
        assert not found, (
            f"{what} ended differently, with shifts {'' if announced else 'not '}announced: {found}; {hint}"
        )


def _can_be_told(subject: Subject, found: str) -> None:
    """Nothing happens if nothing was found, or if runs can be compared at all.

    Raises:
        SkipTest: they cannot: two runs of one seed, and nothing else, differ already.
    """
    if found and difference(*(taught(learner(subject)).state_dict() for _ in range(2))):
        raise SkipTest(
            "two runs of one seed differ already, so that nothing can be told: mend `reproducible`"
        )


def _walked(cell: Cell, made: Learner, stop: int) -> None:
    """The learner goes on from its checkpoint, if there is one.

    Raises:
        AssertionError: it cannot be loaded.
    """
    try:
        walk(cell, made, Forward(world(stop), stretch=STEPS // 4), Hardware())
    except RuntimeError as error:
        if "loading state_dict" not in str(error):
            raise
        why = one_line(str(error).partition("\n")[2])
        raise AssertionError(
            f"its checkpoint cannot be loaded into a new learner: {why} Expected attach() to register every buffer "
            "and parameter in its final shape, because a checkpoint is loaded right after"
        ) from error


def _lost(subject: Subject, trained: Strategy) -> str:
    """What a checkpoint leaves out, as the beginning of a message; empty if nothing is found."""
    fresh = learner(subject)
    fresh.setup("fit")
    told = _named(parts_that_differ(fresh.strategy, trained) - trained.state_dict().keys())
    return f"{told} changed while it learned, and no checkpoint holds it; " if told else ""


def _named(parts: Collection[str]) -> str:
    return " and ".join(f"self.{name}" for name in sorted(parts))


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(value.shape) if isinstance(value, Tensor) else ()


STRATEGY_CHECKS = [
    check_reproducible,
    check_leaves_global_randomness_alone,
    check_never_reads_the_answer_key,
    check_never_reads_the_regime,
    check_learns_from_asked_positions_only,
    check_attach_allocates,
    check_memory_is_bounded,
    check_off_switch,
    check_works_on_every_network,
    check_resumes_exactly,
]
"""Cheap ones first."""
