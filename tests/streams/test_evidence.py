"""Evidence against the enumeration of every latent, hidden state and random choice."""

from collections.abc import Sequence
from functools import cache
from math import prod

import numpy as np
import pytest
from jaxtyping import Float

from plasticity import Observer, Symbols, Tunnel
from streams import (
    HMM,
    BeliefRevision,
    Bijection,
    Binding,
    ContextTree,
    Markov,
    Recall,
    Recurrence,
    Urn,
)

from .runs import Episode, law
from .worlds import World, headers, worlds

TOLERANCE = 1e-10
WORLDS, HEADERS = worlds(), headers()


@cache
def laws(which: int, header: bool = False) -> list[dict[Episode, float]]:
    """The law of an episode under each latent of a world; a last target that is not asked is left out."""
    world = (HEADERS if header else WORLDS)[which]
    blind, found = not world.tunnel.asked(world.time)[-1], list[dict[Episode, float]]()
    for _, latent in world.prior:
        merged = dict[Episode, float]()
        for (x, y), p in law(lambda choose, latent=latent: world.program(latent, choose)).items():
            shown = x, (*y[:-1], 0) if blind else y
            merged[shown] = merged.get(shown, 0.0) + p
        found.append(merged)
    return found


def wanted(
    weights: Sequence[float], every: list[dict[Episode, float]], episodes: list[Episode]
) -> Float[np.ndarray, "batch entries"]:
    """Log of the sum over latents and over all episodes that begin as these do."""
    begun = dict[Episode, float]()
    for w, of_latent in zip(weights, every, strict=True):
        for (x, y), p in of_latent.items():
            for t in range(len(x)):
                begun[x[: t + 1], y[:t]] = begun.get((x[: t + 1], y[:t]), 0.0) + w * p
            begun[x, y] = begun.get((x, y), 0.0) + w * p
    rows = [
        [begun.get((x[: t + 1], y[:t]), 0.0) for t in range(len(x))] + [begun.get((x, y), 0.0)]
        for x, y in episodes
    ]
    with np.errstate(divide="ignore"):
        return np.log(rows) - np.log(np.sum(weights))


def arrays(episodes: Sequence[Episode]) -> tuple[Symbols, Symbols]:
    x, y = np.array(episodes).swapaxes(0, 1)
    return x, y


def assert_equal(
    observer: Observer, weights: Sequence[float], every: list[dict[Episode, float]], episodes
) -> None:
    said = observer.evidence(*arrays(episodes))
    assert said.dtype == np.float64
    np.testing.assert_allclose(said, wanted(weights, every, episodes), rtol=0, atol=TOLERANCE)


def everything(every: list[dict[Episode, float]], world: World, seed: int = 0) -> list[Episode]:
    """Every episode there is, or some 300 of them, and some that cannot be: of two that are, halves."""
    rng = np.random.default_rng(seed)
    known = sorted(set().union(*every))
    episodes = [known[i] for i in rng.permutation(len(known))[:300]]
    for (x, y), (v, w) in zip(episodes[:20], episodes[1:21], strict=False):
        cut = int(rng.integers(1, world.time + 1))
        episodes.append(((*x[:cut], *v[cut:]), (*y[:cut], *w[cut:])))
    if world.tunnel.asked(world.time).all():  # a chain that is broken
        x, y = episodes[0]
        episodes.append(((x[0], *((k + 1) % world.tunnel.symbols for k in y[:-1])), y))
    return episodes


@pytest.mark.parametrize("which", range(len(WORLDS)), ids=[repr(w.tunnel) for w in WORLDS])
def test_evidence_equals_enumeration(which: int):
    """The amnesic; the continual after one episode and after two; the informed, of one and of many latents."""
    world, every, rng = WORLDS[which], laws(which), np.random.default_rng(which)
    weights, latents = [w for w, _ in world.prior], [latent for _, latent in world.prior]
    episodes = everything(every, world)
    assert_equal(world.tunnel.observer(), weights, every, episodes)

    total = np.exp(wanted(weights, every, sorted(set().union(*every)))[:, -1]).sum()
    assert total == pytest.approx(1, abs=1e-12)

    some = rng.choice(len(latents), p=np.array(weights) / np.sum(weights))
    past = list(every[some])[: 2 * 7 : 7]
    for absorbed in (past[:1], past):
        after = [
            w * prod(of.get(e, 0.0) for e in absorbed) for w, of in zip(weights, every, strict=True)
        ]
        observer = world.tunnel.observer().absorb(*arrays(absorbed))
        assert_equal(observer, after, every, episodes)

    known = world.tunnel.informed(np.array([latents[some]]))
    assert_equal(known, [1.0], [every[some]], episodes)
    assert_equal(known.absorb(*arrays(past)), [1.0], [every[some]], episodes)
    origins = rng.integers(len(latents), size=len(episodes))
    many = world.tunnel.informed(np.array([latents[i] for i in origins]))
    said = many.evidence(*arrays(episodes))
    for i in range(0, len(episodes), 10):
        one = wanted([1.0], [every[origins[i]]], [episodes[i]])
        np.testing.assert_allclose(said[i : i + 1], one, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("which", range(len(HEADERS)), ids=[repr(w.tunnel) for w in HEADERS])
def test_evidence_of_a_header_that_is_known(which: int):
    """Given the latent or after an episode; before, what a header is worth has no closed form."""
    world, (one, other) = HEADERS[which], laws(which, header=True)
    episodes = everything([one, other], world)
    known = world.tunnel.informed(np.array([world.prior[0][1]]))
    read = world.tunnel.observer().absorb(*arrays(list(other)[:2]))
    assert_equal(known, [1.0], [one], episodes)
    assert_equal(read, [1.0], [other], episodes)
    with pytest.raises(NotImplementedError, match="FilteringHMM's observer has no evidence"):
        world.tunnel.observer().evidence(*arrays(episodes))


@pytest.mark.parametrize("which", range(len(WORLDS)), ids=[repr(w.tunnel) for w in WORLDS])
def test_a_part_renewed_is_drawn_again(which: int):
    """Absorb, renew, absorb, predict: over old latents and new values of the part, all enumerated."""
    world, rng = WORLDS[which], np.random.default_rng(which)
    tunnel = world.tunnel
    if tunnel.parts == 1:
        with pytest.raises(NotImplementedError, match="no independent parts"):
            tunnel.informed(tunnel.latents(1, rng)).renew(0)
        return
    every = laws(which)
    latents = [np.array(latent) for _, latent in world.prior]
    weights = [w for w, _ in world.prior]
    some = int(rng.choice(len(latents), p=np.array(weights) / np.sum(weights)))
    episodes = everything(every, world)[:40]
    for part in range(tunnel.parts):
        first, second = list(every[some])[:9:8], list(every[some])[3:4]
        old = [
            w * prod(of.get(e, 0.0) for e in first) for w, of in zip(weights, every, strict=True)
        ]
        # The others as they were, the part as the prior has it.
        others = [np.delete(latent, part, axis=0).tobytes() for latent in latents]
        kept = {o: sum(w for w, p in zip(old, others, strict=True) if p == o) for o in set(others)}
        prior = {
            o: sum(w for w, p in zip(weights, others, strict=True) if p == o) for o in set(others)
        }
        new = [kept[o] * w / prior[o] for w, o in zip(weights, others, strict=True)]
        after = [w * prod(of.get(e, 0.0) for e in second) for w, of in zip(new, every, strict=True)]
        observer = tunnel.observer().absorb(*arrays(first)).renew(part)
        assert_equal(observer, new, every, episodes)
        if sum(after):
            assert_equal(observer.absorb(*arrays(second)), after, every, episodes)


@pytest.mark.parametrize(
    ("one", "other", "time"),
    [
        (Recall(9, 5, 4, 2), Recall(9, 5, 2, 2, filler=8), 20),
        (Recurrence(3, 0.5, symbols=5), Recurrence(5), 8),
        (Recurrence(3, 0.5, "opaque", symbols=5), Recurrence(5, 0.5, "opaque"), 15),
        (Recurrence(3, 0.5, "shuffled", symbols=5), Recurrence(5, 0.5, "shuffled"), 30),
        (BeliefRevision(4, 3, 2), BeliefRevision(4, 5, 1), 24),
        (Bijection(4, 4), Binding(4, 4), 7),
        (HMM(2, 3, 2), Markov(3), 9),
        (ContextTree(3, 1), Urn([1.0, 1.0, 1.0]), 9),
    ],
    ids=repr,
)
def test_tunnels_of_one_alphabet_are_told_apart(one: Tunnel, other: Tunnel, time: int):
    """Of the two that share a stream, the one that made the episodes has more evidence, or -inf refutes the other."""
    rng = np.random.default_rng(0)
    for right, wrong in ((one, other), (other, one)):
        latents = right.latents(200, rng)
        x, y = right.draw(latents, time, rng)
        mine, other_s = right.observer().evidence(x, y), wrong.observer().evidence(x, y)
        assert np.isfinite(mine).all() and not np.isnan(other_s).any() and (other_s <= 0).all()
        assert (other_s[:, 1:] <= other_s[:, :-1] + 1e-9).all()
        assert (mine - other_s)[:, -1].mean() > 0
        known = wrong.informed(wrong.latents(1, rng)).evidence(x, y)
        assert not np.isnan(known).any()


def test_parts_are_along_axis_1():
    rng = np.random.default_rng(0)
    for world in WORLDS:
        latents = world.tunnel.latents(2, rng)
        assert world.tunnel.parts == 1 or latents.shape[1] == world.tunnel.parts
    with_parts = {type(world.tunnel).__name__ for world in WORLDS if world.tunnel.parts > 1}
    assert with_parts == {"Markov", "Binding", "Recall", "BeliefRevision"}


def test_renewing_twice_is_renewing_once_and_leaves_the_rest():
    rng = np.random.default_rng(0)
    for tunnel, time in ((Markov(4, 0.5), 30), (Binding(4, 10), 19)):
        x, y = tunnel.draw(np.repeat(tunnel.latents(1, rng), 5, axis=0), time, rng)
        seen = tunnel.observer().absorb(x[:3], y[:3])
        once, twice = seen.renew(2), seen.renew(2).renew(2)
        np.testing.assert_array_equal(once.predict(x, y), twice.predict(x, y))
        assert not np.array_equal(once.predict(x, y), seen.predict(x, y))
        for part in range(4):
            seen = seen.renew(part)
        np.testing.assert_array_equal(seen.predict(x, y), tunnel.observer().predict(x, y))
