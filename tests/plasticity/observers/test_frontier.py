"""The frontier against enumeration: every latent, held or fresh, with its probability."""

import numpy as np
import pytest

from plasticity import Stream
from plasticity.core.predictors import FRONTIER, SHARES
from plasticity.engine.datamodule import Item, StreamDataModule
from plasticity.metrics.frontier import excess
from plasticity.observers.frontier import losses, mixtures
from streams import HMM, Bijection, Markov, Recurring

TUNNEL = Bijection(size=3, pairs=3)
TIME = 5


def met(world: Stream, steps: int) -> StreamDataModule:
    data = StreamDataModule(world, 5)
    data.on_before_batch_transfer([Item(s, False, *world.keyed(s)) for s in range(steps)], 0)
    return data


def test_mixtures_are_bayes_over_every_permutation_held_or_fresh() -> None:
    """p(y_t | past) by summing over (held or fresh, permutation), with the posterior after one absorbed episode."""
    rng = np.random.default_rng(0)
    every = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
    x0, y0 = TUNNEL.draw(every[[3]], TIME, rng)
    x0, y0 = x0[:, :3], y0[:, :3]  # two pairs are known, and so the third
    continual = TUNNEL.observer().absorb(x0[:, :1], y0[:, :1])  # one pair is known
    consistent = np.array([latent[x0[0, 0]] == y0[0, 0] for latent in every], float)
    x, y = TUNNEL.draw(np.repeat(every[[1]], 4, 0), TIME, rng)
    found = mixtures(continual, TUNNEL.observer(), x, y)
    for share, rows in zip(SHARES, found, strict=True):
        weights = (1 - share) * consistent / consistent.sum() + share / len(every)
        for row in range(4):
            mass = weights.copy()
            for t in range(0, TIME, 2):
                if mass.sum() == 0:
                    break  # the held latent alone was believed in, and is ruled out
                wanted = [mass[every[:, x[row, t]] == k].sum() / mass.sum() for k in range(3)]
                np.testing.assert_allclose(rows[row, t], wanted, atol=1e-12)
                mass = mass * (every[:, x[row, t]] == y[row, t])


def test_ends_of_the_curve_are_the_continual_and_the_amnesic_observer() -> None:
    world = Recurring([Markov(4, 0.3)], regimes=2, period=20, steps=40, batch=4, time=12, probe=64)
    data = met(world, 20)
    probes = dict(zip(world.probed, world.keyed_probes(), strict=True))
    bits = losses(data.reference, 0, probes)
    assert bits is not None
    row = dict(zip(FRONTIER, bits, strict=True))
    assert row["live/b0"] == 0 and row["fresh/b1"] == pytest.approx(0, abs=1e-12)
    live, fresh = ([row[f"{where}/b{b:g}"] for b in SHARES] for where in ("live", "fresh"))
    assert all(np.diff(live) > 0) and all(np.diff(fresh) < 0)
    batch, key = probes[0]
    said = data.reference.predict(batch, key, world.probe_groups(0))
    p, continual, amnesic = said[0], said[2], said[3]
    kl = [(p * np.log2(p / q)).sum(-1).mean() for q in (continual, amnesic)]
    assert row["live/b1"] == pytest.approx(kl[1] - kl[0], rel=1e-9)


def test_a_hedged_observer_cannot_be_beaten_on_both() -> None:
    """A mixture of constant weights, which does not weigh by evidence, lies above the curve."""
    world = Recurring([Markov(4, 0.3)], regimes=2, period=20, steps=40, batch=4, time=12, probe=256)
    data = met(world, 20)
    probes = dict(zip(world.probed, world.keyed_probes(), strict=True))
    bits = losses(data.reference, 0, probes)
    curve = np.array(bits).reshape(2, -1)
    tunnel, known = world.tunnels[0], data.reference.known(0)
    assert known is not None
    point = []
    for number in (0, -1):
        batch, key = probes[number]
        x, y = batch.inputs.numpy(), key.drawn.numpy()
        sure = known.predict(x, y), tunnel.observer().predict(x, y)
        q = 0.5 * sure[0] + 0.5 * sure[1]
        p = tunnel.informed(world.latent(0)).predict(x, y) if number == 0 else sure[1]
        gap = (p * np.log2(p / q)).sum(-1).mean()
        point.append(gap - (p * np.log2(p / sure[0])).sum(-1).mean() if number == 0 else gap)
    above = excess(np.array(point[:1]), np.array(point[1:]), curve[None])
    assert above[0] > 0.05


def test_nothing_is_said_where_nothing_is_held_or_evidence_is_missing() -> None:
    fresh = Recurring([Markov(4, 0.3)], 2, 5, 10, batch=2, time=6, hold="episode", probe=4)
    data = met(fresh, 3)
    assert (
        losses(data.reference, 0, dict(zip(fresh.probed, fresh.keyed_probes(), strict=True)))
        is None
    )
    held = Recurring([HMM(states=3, symbols=4)], 2, 5, 10, batch=2, time=6, probe=4)
    before = StreamDataModule(held, 5)  # nothing is known yet
    assert (
        losses(before.reference, 0, dict(zip(held.probed, held.keyed_probes(), strict=True)))
        is None
    )
