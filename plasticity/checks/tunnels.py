"""Checks of a tunnel: it keeps the contract of Tunnel and Observer."""

from copy import deepcopy
from typing import Any

import numpy as np

from plasticity.checks.chance import global_chance_untouched
from plasticity.checks.episodes import LONGEST, ROWS, cases, lengths, middling, refusal
from plasticity.checks.evidence import (
    check_evidence_matches_frequencies,
    check_evidence_obeys_the_chain_rule,
)
from plasticity.checks.exactness import (
    check_informed_matches_frequencies,
    check_knowing_more_is_no_worse,
    check_memory_matches_frequencies,
    check_posterior_is_calibrated,
    check_posterior_matches_frequencies,
)
from plasticity.checks.hypotheses import check_hypotheses_add_up
from plasticity.config.recipe import parameters
from plasticity.core.tunnel import Tunnel
from plasticity.engine import archive

EXACT = 1e-9
"""Largest gap between probabilities that ought to be equal."""
EVERY = np.arange(ROWS)


def check_lengths(tunnel: Tunnel) -> None:
    """Draw refuses a length only by a ValueError that names it; asked() is a mask of the length."""
    for time in range(1, LONGEST + 1):
        why = refusal(tunnel, time)
        assert why is None or str(time) in why, (
            f"draw refused time={time} by ValueError({why!r}); expected a message that names the length"
        )
    for time in lengths(tunnel):
        asked = tunnel.asked(time)
        assert asked.shape == (time,) and asked.dtype == bool, (
            f"asked({time}) is {asked.dtype} of shape {asked.shape}; expected bool of shape ({time},)"
        )


def check_posterior_is_a_distribution(tunnel: Tunnel) -> None:
    """Every row of every observer is float64, finite, nonnegative and sums to 1; symbols are in range."""
    for time in {lengths(tunnel)[0], middling(tunnel)}:
        for who, observer, x, y in cases(tunnel, time):
            for name, drawn, size in (("inputs", x, tunnel.vocab), ("targets", y, tunnel.symbols)):
                assert drawn.dtype == np.int64 and drawn.shape == (ROWS, time), (
                    f"draw made {name} of {drawn.dtype}, shape {drawn.shape}; expected int64, "
                    f"one row per latent and {time} columns"
                )
                assert 0 <= drawn.min() and drawn.max() < size, (
                    f"draw made {name} from {drawn.min()} to {drawn.max()}; expected 0 to {size - 1}"
                )
            for rows in (EVERY, EVERY[:1]):
                p = observer(rows).predict(x[rows], y[rows])
                shape = (len(rows), time, tunnel.symbols)
                assert p.shape == shape and p.dtype == np.float64, (
                    f"{who} predicted {p.dtype} of shape {p.shape}; expected float64 of shape {shape}"
                )
                assert np.isfinite(p).all() and (p >= 0).all(), (
                    f"{who} predicted {p.min()}; probabilities are finite and nonnegative"
                )
                total = p.sum(-1).ravel()
                worst = np.abs(total - 1).argmax()
                assert abs(total[worst] - 1) <= 1e-10, (
                    f"{who}: the row at position {worst % time} sums to {total[worst]:.12g}; "
                    "expected 1 within 1e-10"
                )


def check_posterior_is_causal(tunnel: Tunnel) -> None:
    """A prediction at t depends on inputs up to t and on targets before t, and on no more."""
    time = middling(tunnel)
    for who, observer, x, y in cases(tunnel, time):
        whole = observer(EVERY).predict(x, y)
        for t in np.flatnonzero(tunnel.asked(time)):
            inputs, targets = x.copy(), y.copy()  # with another episode's future
            inputs[:, t + 1 :] = np.roll(x, 1, axis=0)[:, t + 1 :]
            targets[:, t:] = np.roll(y, 1, axis=0)[:, t:]
            moved = _gap(observer(EVERY).predict(inputs, targets)[:, t], whole[:, t])
            assert moved <= EXACT, (
                f"{who}: its prediction at position {t} moved by {moved:.2g} when only inputs[:, {t + 1}:] and "
                f"targets[:, {t}:] were changed; expected to depend on inputs[:, :{t + 1}] and targets[:, :{t}] only"
            )
        for shorter in (s for s in lengths(tunnel) if s < time):
            both = tunnel.asked(shorter) & tunnel.asked(time)[:shorter]
            alone = observer(EVERY).predict(x[:, :shorter], y[:, :shorter])
            moved = _gap(alone[:, both], whole[:, :shorter][:, both])
            assert moved <= EXACT, (
                f"{who}: predictions for the first {shorter} symbols alone differ by {moved:.2g} from those "
                f"for all {time}; expected the same, what comes later says nothing about what came first"
            )


def check_absorbing_adds_up(tunnel: Tunnel) -> None:
    """Episodes absorbed one by one, together, and in any order leave the same state; the informed learns nothing."""
    time, rng = middling(tunnel), np.random.default_rng(5)
    for latent in np.split(tunnel.latents(8, rng), 8):
        x, y = tunnel.draw(np.repeat(latent, 4 + ROWS, axis=0), time, rng)
        past, (x, y) = (x[:4], y[:4]), (x[4:], y[4:])
        singly = tunnel.observer()
        for i in range(4):
            singly = singly.absorb(past[0][i : i + 1], past[1][i : i + 1])
        together = tunnel.observer().absorb(*past).predict(x, y)
        backwards = tunnel.observer().absorb(past[0][::-1], past[1][::-1])
        for how, observer in (("one by one", singly), ("in reverse order", backwards)):
            gap = _gap(observer.predict(x, y), together)
            assert gap <= EXACT, (
                f"absorbing 4 episodes {how} and all at once leaves predictions that differ by {gap:.2g}; expected "
                "the same: episodes of one latent are exchangeable, and absorb() adds each to what was known"
            )
        informed = tunnel.informed(latent)
        gap = _gap(informed.absorb(*past).predict(x, y), informed.predict(x, y))
        assert gap <= EXACT, (
            f"absorbing moved the informed observer by {gap:.2g}; it knows all there is"
        )


def check_nothing_is_changed_in_place(tunnel: Tunnel) -> None:
    """Absorb returns a new state and leaves the old one; no method writes into the arrays it is given."""
    for who, of, x, y in cases(tunnel, middling(tunnel)):
        observer, copies = of(EVERY), (x.copy(), y.copy())
        before = observer.predict(x, y)
        observer.absorb(x, y)
        gap = _gap(observer.predict(x, y), before)
        assert gap == 0, (
            f"{who} predicts otherwise (by {gap:.2g}) after absorb(); expected absorb to return "
            "a new observer and to leave this one as it was"
        )
        same = np.array_equal(x, copies[0]) and np.array_equal(y, copies[1])
        assert same, f"{who} wrote into the inputs or targets it was given; copy them first"
    latents = tunnel.latents(ROWS, np.random.default_rng(6))
    copy = latents.copy()
    tunnel.draw(latents, middling(tunnel), np.random.default_rng(6))
    assert np.array_equal(latents, copy), "draw() wrote into the latents; copy them first"


def check_draw_is_seeded(tunnel: Tunnel) -> None:
    """Latents and episodes are a function of the generator that is handed in, and use no other."""
    time = middling(tunnel)
    with global_chance_untouched(f"{type(tunnel).__name__}", "the rng argument"):
        latents, again = (tunnel.latents(ROWS, np.random.default_rng(7)) for _ in range(2))
        *episodes, faced = [tunnel.draw(latents, time, np.random.default_rng(8)) for _ in range(3)]
        for observer in (tunnel.observer(), tunnel.informed(latents)):
            observer.absorb(*faced)
            observer.predict(*faced)
    assert np.array_equal(latents, again), (
        "latents() gave two results for one state of rng; expected all its randomness from rng"
    )
    same = all(map(np.array_equal, *episodes))
    assert same, (
        "draw() gave two results for one state of rng; expected all its randomness from rng"
    )


def check_latents_are_an_array(tunnel: Tunnel) -> None:
    """Latents have leading axis n, row i of an episode is latent i's, and a single latent broadcasts."""
    time, rng = middling(tunnel), np.random.default_rng(9)
    for n in (1, ROWS):
        latents = tunnel.latents(n, rng)
        assert isinstance(latents, np.ndarray) and latents.shape[:1] == (n,), (
            f"latents({n}) has shape {np.shape(latents)}; expected an array whose leading axis is {n}"
        )
    single = tunnel.latents(1, rng)
    repeated = np.repeat(single, ROWS, axis=0)
    x, y = tunnel.draw(repeated, time, rng)
    gap = _gap(tunnel.informed(single).predict(x, y), tunnel.informed(repeated).predict(x, y))
    assert gap <= EXACT, (
        f"informed() of one latent and of {ROWS} copies of it predict differently (by {gap:.2g}); "
        "expected a single latent to broadcast over the batch"
    )


def check_rows_are_independent(tunnel: Tunnel) -> None:
    """Permuting the rows of a batch permutes predictions, and a row alone is predicted as in company."""
    turned = np.random.default_rng(10).permutation(ROWS)
    for case in cases(tunnel, middling(tunnel)):
        whole = case.predict(EVERY)
        for what, rows in (("in another order", turned), ("alone", EVERY[-1:])):
            gap = _gap(case.predict(rows), whole[rows])
            assert gap <= EXACT, (
                f"{case.who}: rows predicted {what} differ by {gap:.2g}; "
                "expected predictions for a row to depend on that row only"
            )


def check_state(tunnel: Tunnel) -> None:
    """What the continual observer knows survives a checkpoint, and a tunnel the way to a worker."""
    time, rng = middling(tunnel), np.random.default_rng
    x, y = tunnel.draw(tunnel.latents(1, rng(4)).repeat(ROWS, 0), time, rng(5))
    known = tunnel.observer().absorb(x, y)
    who = f"{type(known).__name__}, once it has absorbed"
    try:
        data = archive.packed(known.state())
    except TypeError as error:
        raise AssertionError(f"{who}, cannot be checkpointed: {error}") from error
    again = tunnel.observer().restored(archive.unpacked(data))
    for one, other in ((known, again), (known.absorb(x, y), again.absorb(x, y))):
        gap = _gap(other.predict(x, y), one.predict(x, y))
        assert gap == 0, (
            f"{who}, restored from its state, predicts otherwise (by {gap:.2g}); expected state() and "
            "restored() to keep all that absorb() changes"
        )
    try:
        copy = deepcopy(tunnel)
    except Exception as error:
        raise AssertionError(f"the tunnel cannot be copied: {error}") from error
    same = np.array_equal(copy.latents(ROWS, rng(11)), tunnel.latents(ROWS, rng(11)))
    assert same, "a copy of the tunnel draws other latents"


def check_arguments_are_kept(tunnel: Tunnel) -> None:
    """Constructor arguments are stored under their own names, and make the same tunnel again."""
    cls, args = type(tunnel), dict[str, Any]()
    for name in parameters(cls):
        assert hasattr(tunnel, name), (
            f"{cls.__name__} takes {name!r} and has no attribute of that name; "
            f"expected self.{name} = {name}, so that a run can record what it was made of"
        )
        args[name] = getattr(tunnel, name)
    again, call = cls(**args), ", ".join(f"{name}={value!r}" for name, value in args.items())
    one, other = (t.latents(ROWS, np.random.default_rng(12)) for t in (tunnel, again))
    assert np.array_equal(one, other), f"{cls.__name__}({call}) draws other latents than its origin"


def _gap(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference; infinite where one of them is not a number."""
    return float(np.nan_to_num(np.abs(one - other), nan=np.inf).max(initial=0.0))


TUNNEL_CHECKS = [
    check_arguments_are_kept,
    check_lengths,
    check_latents_are_an_array,
    check_draw_is_seeded,
    check_posterior_is_a_distribution,
    check_posterior_is_causal,
    check_rows_are_independent,
    check_nothing_is_changed_in_place,
    check_absorbing_adds_up,
    check_state,
    check_evidence_obeys_the_chain_rule,
    check_hypotheses_add_up,
    check_posterior_is_calibrated,
    check_knowing_more_is_no_worse,
    check_posterior_matches_frequencies,
    check_memory_matches_frequencies,
    check_informed_matches_frequencies,
    check_evidence_matches_frequencies,
]
"""Cheap ones first."""
