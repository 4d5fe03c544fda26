"""Checks of a schedule: it keeps the contract of Stream, and its law is that of what it draws."""

from collections import Counter
from copy import deepcopy
from unittest import SkipTest

import numpy as np
import torch

from plasticity.checks.chance import global_chance_untouched
from plasticity.checks.frequencies import most_surprising
from plasticity.config.recipe import Recipe
from plasticity.core.stream import Belief, Stream
from plasticity.core.tunnel import IGNORE_INDEX, AnswerKey, Batch

Subject = Recipe[Stream]
"""How to make the schedule, its tunnels among its arguments."""
LOOKED = 24
"""Batches that are drawn."""
HORIZON = 400
"""Steps whose regimes are looked at."""
SEEDS = 300
"""Streams from which the law is estimated."""
FIRST = 12
"""Steps at which it is, spread over the horizon, each with the step after it."""
EXACT = 1e-9
"""Largest gap between sums of probabilities that ought to be equal."""


def build(subject: Subject, seed: int = 0) -> Stream:
    """The stream of this seed, which has been told of probes, as a run tells it before its first step."""
    made = subject.build(seed=seed)
    made.on_probe(0, {regime: 1.0 / (2 + regime % 7) for regime in made.probed})
    return made


def horizon(stream: Stream, most: int) -> int:
    """Its steps, as far as they are looked at."""
    return min(stream.steps or most, most)


def check_batches_are_pure(subject: Subject) -> None:
    """Batch `step` is a function of (seed, step): in any order, of another instance, of a copy in a worker."""
    stream = build(subject)
    steps = range(horizon(stream, LOOKED))
    first = [stream.keyed(step) for step in steps]
    others = {
        "when it was asked for again, the last step first": stream,
        "of another stream of the same seed": build(subject),
        "of a copy, as a worker has it,": deepcopy(build(subject)),
    }
    for what, other in others.items():
        for step in reversed(steps):
            assert same(first[step], other.keyed(step)), (
                f"batch {step} was another one {what}; expected a pure function of (seed, step): draw from the rng "
                "that schedule() is handed, or from self.rng(SCHEDULE, ...), and keep nothing from call to call"
            )
    other = build(subject, seed=1)
    assert not all(same(first[step], other.keyed(step)) for step in steps), (
        "seeds 0 and 1 give the same batches; expected `seed` to reach super().__init__(..., seed)"
    )


def check_leaves_global_randomness_alone(subject: Subject) -> None:
    """No global generator is drawn from or seeded."""
    with global_chance_untouched(subject.cls.__name__, "self.rng(SCHEDULE, ...)"):
        stream = build(subject)
        for step in range(horizon(stream, LOOKED)):
            stream.keyed(step)


def check_regimes_are_its_own(subject: Subject) -> None:
    """Schedule makes a whole number for each sequence, a regime of its own; one for all, unless it mixes them."""
    stream = build(subject)
    for step in range(horizon(stream, HORIZON)):
        live = stream.live(step)
        what = f"schedule({step}) of {subject.cls.__name__}"
        assert live.shape == (stream.batch,) and np.issubdtype(live.dtype, np.integer), (
            f"{what} is {live.dtype} of shape {live.shape}; expected a whole number for each of "
            f"{stream.batch} sequences"
        )
        top = np.inf if stream.regimes is None else stream.regimes
        assert 0 <= live.min() and live.max() < top, (
            f"{what} names regimes from {live.min()} to {live.max()}; expected 0 to {top - 1}"
        )
        assert stream.mixes or len(set(live.tolist())) == 1, (
            f"{what} mixes regimes {sorted(set(live.tolist()))}; expected one for the whole batch, or `mixes = True`"
        )


def check_batches_have_their_shape(subject: Subject) -> None:
    """Symbols in range, IGNORE_INDEX just where nothing is asked, an answer key beside; probes likewise."""
    stream = build(subject)
    made = {f"batch {s}": (stream.keyed(s), stream.batch) for s in range(horizon(stream, LOOKED))}
    probes = zip(stream.probed, stream.keyed_probes(), strict=True)
    made |= {f"the probe of regime {r}": (found, stream.probe) for r, found in probes}
    for what, ((batch, key), size) in made.items():
        shape = (size, stream.time)
        for name, symbols in (("inputs", batch.inputs), ("targets", batch.targets)):
            assert symbols.shape == shape and symbols.dtype == torch.int64, (
                f"{what}: {name} are {symbols.dtype} of shape {tuple(symbols.shape)}; expected int64 of shape {shape}"
            )
        asked = batch.targets != IGNORE_INDEX
        assert bool((asked == batch.asked).all()), (
            f"{what}: targets are IGNORE_INDEX at other positions than `asked` leaves out; expected the same"
        )
        top = int(batch.targets.max())
        assert bool(((batch.inputs >= 0) & (batch.inputs < stream.vocab)).all()), (
            f"{what}: inputs up to {int(batch.inputs.max())}; expected 0 to {stream.vocab - 1}"
        )
        assert top < stream.symbols, (
            f"{what}: targets up to {top}; expected 0 to {stream.symbols - 1}"
        )
        assert abs(sum(key.weights.values()) - 1) <= EXACT, (
            f"{what}: its regimes weigh {sum(key.weights.values()):.6f} together; expected 1"
        )


def check_prior_is_the_law(subject: Subject) -> None:
    """Prior is how often each regime is live, over seeds: to one who saw nothing, and given the step before.

    Each frequency is held against the Chernoff bound that `frequencies.compare` uses.
    """
    stream = build(subject)
    if stream.prior(0, None) is None:
        raise SkipTest(
            f"{subject.cls.__name__} tells no law of its regimes (prior): there is no switching observer"
        )
    last = horizon(stream, HORIZON)
    steps = np.unique(np.linspace(0, last - 2, FIRST).astype(int)).tolist() if last > 1 else [0]
    streams = [build(subject, seed) for seed in range(SEEDS)]
    told = told_of_nothing(stream, last)
    cells = 2 * len(steps) * max(map(len, told))
    for step in steps:
        now = [int(each.live(step)[0]) for each in streams]
        _compare(f"prior({step}) of one who saw nothing", told[step], Counter(now), cells)
        if stream.mixes or step + 1 >= last:
            continue
        then = [int(each.live(step + 1)[0]) for each in streams]
        for regime in set(now):
            law = stream.prior(step + 1, {regime: 1.0})
            came = Counter(n for before, n in zip(now, then, strict=True) if before == regime)
            _compare(f"prior({step + 1}) after regime {regime}", law, came, cells)


def told_of_nothing(stream: Stream, steps: int) -> list[Belief]:
    """The law of the live regime at every step, to one who knows the schedule and sees no episode."""
    found, belief = list[Belief](), None
    for step in range(steps):
        belief = stream.prior(step, belief)
        assert belief is not None, (
            f"prior({step}) is None and prior(0) is not; expected a law throughout, or nowhere"
        )
        total, least = sum(belief.values()), min(belief.values())
        assert abs(total - 1) <= EXACT and least >= 0, (
            f"prior({step}) sums to {total:.6f}, the least probability being {least:.4g}; expected a distribution"
        )
        found.append(belief)
    return found


def check_retired_regimes_do_not_return(subject: Subject) -> None:
    """A regime that is said to be retired is live at no later step: what is known of it is thrown away."""
    stream = build(subject)
    last, gone = horizon(stream, HORIZON), dict[int, int]()
    for step in range(last):
        for regime in set(stream.live(step).tolist()):
            assert regime not in gone, (
                f"regime {regime} is live at step {step}, and was retired after step {gone[regime]}; expected "
                "retired() to be True only where a regime surely never returns"
            )
        seen = {*stream.live(step).tolist()} | {r for r in range(min(stream.regimes or 16, 16))}
        gone |= {r: step for r in seen - gone.keys() if stream.retired(r, step)}


def same(one: tuple[Batch, AnswerKey], other: tuple[Batch, AnswerKey]) -> bool:
    """To the bit, and their answer keys too."""
    tensors, others = ([*batch, *key[:-1]] for batch, key in (one, other))
    return all(map(torch.equal, tensors, others)) and one[1].weights == other[1].weights


def _compare(what: str, law: Belief | None, came: Counter[int], cells: int) -> None:
    """Raises AssertionError where regimes came otherwise than by the law, beyond chance."""
    number, law = came.total(), law or {}
    regimes = sorted(law.keys() | came.keys())
    share = np.array([came[r] / number for r in regimes])
    p = np.array([law.get(r, 0.0) for r in regimes])
    (worst,), unlikely = most_surprising(share, p, number, cells)
    assert not unlikely, (
        f"{what} gives regime {regimes[worst]} the probability {p[worst]:.4f}, and it was live in "
        f"{share[worst]:.4f} of {number} streams; expected the share: prior() is the law by which schedule() draws"
    )


STREAM_CHECKS = [
    check_regimes_are_its_own,
    check_batches_have_their_shape,
    check_leaves_global_randomness_alone,
    check_retired_regimes_do_not_return,
    check_batches_are_pure,
    check_prior_is_the_law,
]
"""Cheap ones first."""
