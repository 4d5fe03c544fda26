"""Causal tunnels in streams: one mechanism drawn anew, an arrow turned round, a common cause added."""

from itertools import combinations, permutations
from math import prod

import networkx as nx
import numpy as np
import polars as pl
import pytest

from plasticity.core.predictors import AMNESIC, CONTINUAL, INFORMED
from plasticity.core.stream import Stream
from plasticity.observers.reference import ReferencePredictors
from streams import Abrupt, Compositional, Hazard, Markov, Padded
from streams.causal.causal_tunnel import CausalTunnel
from streams.causal.counterfactual import CounterfactualSCM
from streams.causal.episodes import RUNGS
from streams.causal.graph_edits import edits
from streams.causal.revised import Revised
from streams.causal.scm import SCM

from ..exact import faced
from .causal_brute import Parents, blocks, family, graphs

Arrows = frozenset[tuple[int, int]]


def arrows(parents: Parents) -> Arrows:
    return frozenset((u, v) for v, each in enumerate(parents) for u in each)


def changes(graph: Arrows, n: int, kind: str) -> list[Arrows]:
    """Every graph that one change of the kind makes; the graph itself if there is none."""
    found = list[Arrows]()
    if kind == "reversal":
        found = [graph - {(x, y)} | {(y, x)} for x, y in graph]
    else:
        for z in range(n):
            for x, y in combinations([v for v in range(n) if v != z], 2):
                if not any({a, b} in ({z, x}, {z, y}) for a, b in graph):
                    found.append(graph | {(z, x), (z, y)})
    return [g for g in found if nx.is_directed_acyclic_graph(nx.DiGraph(list(g)))] or [graph]


@pytest.mark.parametrize("kind", ["reversal", "confounder"])
def test_revisions_are_uniform_among_those_that_the_graph_allows(kind):
    tunnel, rng, seen = SCM(3), np.random.default_rng(0), set[Arrows]()
    for latent in tunnel.latents(400, rng)[:, None]:
        before, after = latent[0, -1], (revised := tunnel.revise(latent, kind, rng))[0][0, -1]
        old, new = (
            frozenset((u, v) for u, v in permutations(range(3), 2) if int(masks[v]) >> u & 1)
            for masks in (before, after)
        )
        assert new in changes(old, 3, kind)
        kept = before[:3] == after[:3]
        same = (latent[0, :3] == revised[0][0, :3]).all(1)
        np.testing.assert_array_equal(kept, same)
        assert edits(3)[revised[1] - 3].kind == kind
        seen.add(new)
    assert len(seen) > 10


@pytest.mark.parametrize("kind", ["reversal", "confounder"])
def test_the_observer_who_is_told_the_change_is_exact(kind):
    """Over old graphs, the changes that each allows, and laws that stay or are fresh: all enumerated."""
    tunnel, rng, n, k = SCM(3), np.random.default_rng(1), 3, 2
    c = tunnel.concentration
    for _ in range(4):
        base = tunnel.latents(1, rng)
        latent, part = tunnel.revise(base, kind, rng)
        x, y = tunnel.draw(np.repeat(base, 2, axis=0), 20, rng)
        v, w = tunnel.draw(np.repeat(latent, 2, axis=0), 20, rng)
        old, new = ([b for row in each for b in blocks(row, n, k)] for each in (x, v))
        edit, total = edits(n)[part - n], np.zeros(2)
        for parents in graphs(n):
            before = arrows(parents)
            might = changes(before, n, kind)
            after = before - set(edit.gone) | set(edit.new)
            if after not in might or (after == before) != (not edit.new):
                continue
            for i, seen in enumerate(([], new)):
                total[i] += prod(
                    family(u, parents[u], [*old, *seen], k, c)
                    if (now := tuple(p for p in range(n) if (p, u) in after)) == parents[u]
                    else family(u, parents[u], old, k, c) * family(u, now, seen, k, c)
                    for u in range(n)
                ) / len(might)
        chosen = sum(np.log(n * (n - 1)) + np.log(k) * (b.rung == 2) for b in new)
        observer = tunnel.observer().absorb(x, y).renew(part)
        first = observer.evidence(v[:1], w[:1])[0, -1]
        second = observer.absorb(v[:1], w[:1]).evidence(v[1:], w[1:])[0, -1]
        assert first + second == pytest.approx(np.log(total[1] / total[0]) - chosen, abs=1e-10)


def bits(stream: Stream, steps: int, rung: int | None = None) -> np.ndarray:
    """KL(informed || each predictor) at each step of a walk, for all rungs or for one."""
    reference, found = ReferencePredictors(stream), list[np.ndarray]()
    tunnel = stream.tunnels[0]
    for step in range(steps):
        now = faced(stream, step)
        said = reference.predict(*now)
        if rung is not None and isinstance(tunnel, CausalTunnel):
            said = said[:, :, tunnel.rung(stream.time)[now[0].asked.numpy()] == rung]
        truth = said[INFORMED]
        ratio = np.divide(truth, said, out=np.ones_like(said), where=truth > 0)
        found.append((truth * np.log2(ratio)).sum(-1).mean((1, 2)))
        reference.absorb(*now)
    return np.array(found)


def test_after_a_change_the_rest_is_still_known():
    """At the first step after a shift the continual observer is nearer the truth than the amnesic."""
    for tunnel, kind in (
        (SCM(3), Compositional),
        (SCM(3), Revised),
        (CounterfactualSCM(3), Revised),
    ):
        found = bits(kind([tunnel], period=8, steps=64, time=30, probe=4, seed=1), 17)
        assert found[8, CONTINUAL] < 0.7 * found[8, AMNESIC]
        if kind is Revised:  # the change is taken back
            assert found[16, CONTINUAL] < 0.2 * found[16, AMNESIC]
    fresh = bits(Abrupt([SCM(3)], period=8, steps=64, time=30, probe=4, seed=1), 9)
    assert fresh[8, CONTINUAL] == pytest.approx(fresh[8, AMNESIC], abs=1e-12)


def test_each_visit_of_a_revised_world_changes_one_thing():
    stream = Revised([SCM(3)], period=5, steps=60, time=20, probe=4)
    assert [int(stream.live(step)[0]) for step in range(0, 60, 5)] == [0, 1, 0, 2, 0, 3] * 2
    assert [stream.parent(r) for r in range(4)][0] is None
    first = stream.latent(0)
    for regime, kind in enumerate(stream.changes, start=1):
        base, (part,) = stream.parent(regime) or (None, [None])
        assert base == 0 and part is not None
        changed = (stream.latent(regime)[0, :3] != first[0, :3]).any(1)
        wanted = [part] if kind == "mechanism" else edits(3)[part - 3].changed
        assert np.flatnonzero(changed).tolist() == wanted


def test_the_rungs_are_scored_apart():
    """One world, graded on one rung at a time, is the same world; its scores are those of the whole, split."""
    found = list[np.ndarray]()
    for rung, name in enumerate(("association", "intervention"), start=1):
        split = Abrupt([SCM(3, graded=[name])], period=20, steps=20, time=30, probe=4)
        whole = Abrupt([SCM(3)], period=20, steps=20, time=30, probe=4)
        found.append(bits(split, 5)[:, CONTINUAL])
        np.testing.assert_allclose(found[-1], bits(whole, 5, rung)[:, CONTINUAL], atol=1e-12)
    assert not np.array_equal(found[0], found[1])


def test_other_schedules_and_padding():
    padded = Padded(SCM(3), vocab=20, symbols=4, length=20)
    other = Padded(Markov(4), vocab=20, symbols=4, length=20)
    stream = Hazard([padded, other], hazard=0.2, regimes=2, steps=30, time=24, probe=4)
    assert np.isfinite(bits(stream, 30)).all()


def test_what_is_no_causal_task_is_refused():
    for tunnels in ([Markov(3)], [SCM(3), SCM(3)], []):
        with pytest.raises(ValueError, match="tunnels: expected one SCM or CounterfactualSCM"):
            Revised(tunnels)
    with pytest.raises(ValueError, match="changes: expected at least one"):
        Revised([SCM(3)], changes=[])


def test_views_ask_of_one_rung_and_of_what_a_change_changed() -> None:
    """Against the informed answers, question by question, and the exact posterior of the whole probe."""
    tunnel = CounterfactualSCM(3)
    stream = Revised([tunnel], period=5, steps=60, time=30, probe=32, seed=3)
    probes = dict(zip(stream.probed, stream.keyed_probes(), strict=True))
    regimes = 4
    views = dict(enumerate(stream.views, regimes))
    assert {view for _, view in views.values()} == {
        "association", "intervention", "counterfactual", "changed", "unchanged"
    }  # fmt: skip
    rungs = tunnel.rung(30)
    kept = np.ones(regimes)
    for number, (regime, view) in views.items():
        if number not in probes:
            assert view in ("changed", "unchanged")
            continue
        (probe, key), (whole, _) = probes[number], probes[regime]
        asked = np.flatnonzero(probe.asked.numpy())
        assert np.array_equal(stream.latent(number), stream.latent(regime))
        assert probe.inputs.shape == whole.inputs.shape
        x, y = probe.inputs.numpy(), key.drawn.numpy()
        if view in ("changed", "unchanged"):
            assert asked.tolist() == [np.flatnonzero(rungs == 2)[-1]] and regime > 0
            before, after = (
                tunnel.informed(stream.latent(r)).predict(x, y)[:, asked[0]] for r in (0, regime)
            )
            moved = np.abs(before - after).max(-1)
            assert (moved > 1e-9).all() if view == "changed" else (moved < 1e-9).all()
        else:
            assert np.array_equal(x, whole.inputs.numpy())
            assert {*rungs[asked]} == {1 + RUNGS.index(view)}
            kept[regime] += len(asked)
    assert (kept == 1 + probes[0][0].asked.numpy().sum()).all()  # the rungs share the whole


def test_the_ladder_is_read_from_the_table_of_probes() -> None:
    stream = Revised([SCM(3)], period=5, steps=60, time=20, probe=8)
    numbers = np.array(stream.probed)
    table = pl.DataFrame(
        {"step": 0 * numbers, "regime": numbers.astype(np.int32), "kl/model": numbers / 10.0}
    )
    rows = stream.ladder(table).rows()
    asked = [number for number in stream.probed if number >= 4]
    assert len(rows) == len(asked) > 8
    for number, (step, regime, view, bits) in zip(asked, rows, strict=True):
        assert (regime, view) == stream.views[number - 4] and step == 0
        assert bits == pytest.approx(number / 10)


def test_findings_are_read_where_they_should_be() -> None:
    """Bits that name their own regime, view and step; visits are 0 1 0 2 0 3 of ten steps each."""
    stream = Revised([SCM(3)], period=10, steps=60, time=20, probe=8, seed=1)
    every = pl.DataFrame(
        [(step, number) for step in range(0, 61, 5) for number in stream.probed],
        schema=["step", "regime"],
        orient="row",
    ).with_columns(pl.col("regime").cast(pl.Int32))
    names = dict(enumerate(stream.views, 4))
    kinds = ["association", "intervention", "changed", "unchanged"]
    bits = [
        1000.0 * regime + 100 * kinds.index(names[number][1]) + step
        if (number in names and (regime := names[number][0]) is not None)
        else -1.0
        for step, number in every.rows()
    ]
    found = stream.summary(pl.DataFrame(), every.with_columns(pl.Series("kl/model", bits)))
    for regime, kind in enumerate(("mechanism", "reversal", "confounder"), 1):
        begun, over = 10 * (2 * regime - 1), 20 * regime
        changed, left = (
            4 + stream.views.index((regime, view)) in stream.probed
            for view in ("changed", "unchanged")
        )
        wanted = [2200 + begun, 2200 + over, 2300 + over]
        wanted = [bits + 1000 * (regime - 2) for bits in wanted]
        for name, bits, there in zip(
            ("before", "repaired", "collateral"), wanted, (changed, changed, left), strict=True
        ):
            assert found[f"{name}/{kind}"] == (bits if there else None)
    assert len([bits for bits in found.values() if bits is None]) < 4
    live = [0, 0, 0, 1, 1, 0, 0, 2, 2, 0, 0, 3, 3]
    wanted = np.mean([1000 * r + 100 + step for r, step in zip(live, range(0, 61, 5), strict=True)])
    assert found["rung/intervention"] == pytest.approx(wanted)
    margins = [stream.causal.confounding(stream.latent(r))[0].sum() / 6 for r in (0, 1, 0, 2, 0, 3)]
    assert found["seeing_for_doing"] == pytest.approx(np.mean(margins))
