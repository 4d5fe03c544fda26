"""The ladder's rungs against pgmpy, the identities of do-calculus and d-separation by networkx."""

from itertools import permutations, product
from typing import Any

import networkx as nx
import numpy as np
import pytest

from streams.causal.counterfactual import CounterfactualSCM
from streams.causal.episodes import ASSOCIATION, INTERVENTION
from streams.causal.graphs import given, joint, units
from streams.causal.observers import LadderObserver
from streams.causal.scm import SCM

TOLERANCE = 1e-10
RUNGS = ("association", "intervention")


def graph_of(latent: np.ndarray, n: int) -> nx.DiGraph:
    """From the bit masks of the parents."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(
        (u, v) for u, v in permutations(range(n), 2) if int(latent[-1, v]) >> u & 1
    )
    return graph


def asked(tunnel: SCM, rung: int, x: int, a: int, y: int) -> tuple[np.ndarray, np.ndarray]:
    """An episode of one block, of which all that counts is the question."""
    n, k = tunnel.variables, tunnel.values
    inputs = np.array([[k + n * rung + x, a, k + y, 0, *[0] * (n - 2)]])
    return inputs, np.zeros_like(inputs)


def by_association(observer: LadderObserver, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The predictions of one who takes seeing for doing: p(y | x) where p(y | do(x)) is asked; else the observer's."""
    blocks = observer.ladder.read(x)
    mass = observer.foretold(blocks)
    for q in np.flatnonzero(blocks.rungs == INTERVENTION):
        rungs = blocks.rungs.copy()
        rungs[q] = ASSOCIATION  # of this block alone: what came before is learned from as ever
        mass[:, q] = observer.foretold(blocks._replace(rungs=rungs))[:, q]
    return observer.ladder.answers(blocks, mass, x.shape[1])


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_first_two_rungs_equal_pgmpy_on_100_random_graphs():
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.inference import VariableElimination
    from pgmpy.models import DiscreteBayesianNetwork

    rng = np.random.default_rng(0)
    ladders = [SCM(n, values=k, asks=[rung]) for n, k in ((3, 2), (4, 2), (3, 3)) for rung in RUNGS]
    for trial in range(100):
        see, do = ladders[2 * (trial % 3)], ladders[2 * (trial % 3) + 1]
        n, k = see.variables, see.values
        latent = see.latents(1, rng)
        graph, laws = graph_of(latent[0], n), see.mechanisms.known(latent, None)[0]
        model = DiscreteBayesianNetwork()
        model.add_nodes_from([str(v) for v in range(n)])
        model.add_edges_from([(str(u), str(v)) for u, v in graph.edges])
        for v in range(n):
            parents = sorted(graph.predecessors(v))
            rows = list[np.ndarray]()
            for context in product(range(k), repeat=len(parents)):
                fits = (units(n, k)[:, parents] == context).all(1)
                rows.append(
                    np.array([laws[v, fits & (units(n, k)[:, v] == a)][0] for a in range(k)])
                )
            table = np.array(rows).T
            names, sizes = [str(u) for u in parents], [k] * len(parents)
            model.add_cpds(TabularCPD(str(v), k, table, names, sizes))
        x, y = map(int, rng.permutation(n)[:2])
        mutilated: Any = model.do([str(x)])
        law_of_x = TabularCPD(str(x), k, np.full((k, 1), 1 / k))
        mutilated.remove_cpds(*[cpd for cpd in mutilated.cpds if cpd.variable == str(x)])
        mutilated.add_cpds(law_of_x)
        for tunnel, network in ((see, model), (do, mutilated)):
            engine: Any = VariableElimination(network)
            for a in range(k):
                wanted = engine.query([str(y)], {str(x): a}, show_progress=False).values
                question = asked(tunnel, 1 if tunnel is see else 2, x, a, y)
                said = tunnel.informed(latent).predict(*question)[0, 2]
                np.testing.assert_allclose(said, wanted, atol=TOLERANCE)


def laws_of(tunnel: SCM, arrows: list[tuple[int, int]], rng: np.random.Generator) -> np.ndarray:
    """Random laws in a graph that is given."""
    latent = tunnel.latents(1, rng)
    latent[:, -1] = 0
    for cause, effect in arrows:
        latent[0, -1, effect] += 1 << cause
    return tunnel.mechanisms.known(latent, None)


def test_back_door_adjustment():
    """p(y | do(x)) = sum_z p(y | x, z) p(z), with z common causes of x and y (Pearl 2009, theorem 3.3.2)."""
    tunnel, rng = SCM(4), np.random.default_rng(1)
    z, w, x, y = range(4)
    for _ in range(20):
        laws = laws_of(tunnel, [(z, w), (z, x), (w, x), (z, y), (w, y), (x, y)], rng)
        p = joint(laws).reshape(2, 2, 2, 2)
        p_zw = p.sum((2, 3), keepdims=True)
        adjusted = (p / p.sum(3, keepdims=True) * p_zw).sum((0, 1))
        said = given(joint(laws, np.array([x])), x, y, 2)[0]
        np.testing.assert_allclose(said, adjusted, atol=TOLERANCE)


def test_front_door_adjustment():
    """p(y | do(x)) = sum_m p(m | x) sum_x' p(y | m, x') p(x'), the cause u of x and y unseen (theorem 3.3.4)."""
    tunnel, rng = SCM(4), np.random.default_rng(2)
    u, x, m, y = range(4)
    for _ in range(20):
        laws = laws_of(tunnel, [(u, x), (x, m), (m, y), (u, y)], rng)
        p = joint(laws).reshape(2, 2, 2, 2).sum(0)
        p_x, p_m = p.sum((1, 2)), p.sum(2) / p.sum((1, 2))[:, None]
        p_y = p / p.sum(2, keepdims=True)
        front = np.einsum("xm,wmy,w->xy", p_m, p_y, p_x)
        said = given(joint(laws, np.array([x])), x, y, 2)[0]
        np.testing.assert_allclose(said, front, atol=TOLERANCE)
        seen = given(joint(laws), x, y, 2)[0]
        assert np.abs(seen - front).max() > 1e-6


@pytest.mark.parametrize("tunnel", [SCM(3), SCM(4), CounterfactualSCM(3)], ids=repr)
def test_seeing_is_doing_where_no_path_enters_the_cause(tunnel: SCM):
    """Rule 2: p(y | do(x)) = p(y | x) iff y and x are d-separated once the arrows out of x are cut."""
    rng, n = np.random.default_rng(3), tunnel.variables
    latents = tunnel.latents(60, rng)
    margins, cases = tunnel.confounding(latents), [0, 0]
    for latent, margin in zip(latents, margins, strict=True):
        graph = graph_of(latent, n)
        for x, y in permutations(range(n), 2):
            cut = graph.copy()
            cut.remove_edges_from(list(graph.out_edges(x)))
            apart = nx.is_d_separator(cut, {x}, {y}, set())
            cases[apart] += 1
            if apart:
                assert margin[x, y] == pytest.approx(0, abs=1e-12)
            elif isinstance(tunnel, SCM):  # functions may ignore their parents; random laws do not
                assert margin[x, y] > 1e-9
    assert min(cases) > 50


def test_the_association_only_baseline_loses_the_computed_margin():
    """In the exact mean over questions, knowing all laws; and it does not learn to do better."""
    tunnel, rng = SCM(3, concentration=2.0, asks=["intervention"]), np.random.default_rng(4)
    drawn = tunnel.latents(500, rng)
    confounded = drawn[tunnel.confounding(drawn).max((1, 2)) >= 0.05][:5]
    assert len(confounded) == 5
    for latent, margin in zip(confounded[:, None], tunnel.confounding(confounded), strict=True):
        known = tunnel.informed(latent)
        found = np.zeros((3, 3))
        for (x, y), a in product(permutations(range(3), 2), range(2)):
            question = asked(tunnel, 2, x, a, y)
            p = known.predict(*question)[0, 2]
            q = by_association(known, *question)[0, 2]
            found[x, y] += (p * np.log2(p / q)).sum() / 2
        np.testing.assert_allclose(found, margin, atol=TOLERANCE)
        x, y = tunnel.draw(np.repeat(latent, 400, axis=0), 50, rng)
        wise = tunnel.observer().absorb(x, y)
        truth = known.predict(x, y)[:, 2::5]

        def bits(p: np.ndarray, truth=truth) -> float:
            return float((truth * np.log2(truth / p[:, 2::5])).sum(-1).mean())

        stays = bits(by_association(known, x, y))
        assert stays == pytest.approx(margin.sum() / 6, rel=0.2)
        assert bits(by_association(wise, x, y)) == pytest.approx(stays, rel=0.3)
        assert bits(wise.predict(x, y)) < 0.1 * stays


def test_the_baseline_answers_other_rungs_exactly():
    tunnel, rng = CounterfactualSCM(3), np.random.default_rng(5)
    x, y = tunnel.draw(tunnel.latents(20, rng), 30, rng)
    exact = tunnel.observer()
    p, q = exact.predict(x, y), by_association(exact, x, y)
    rung = tunnel.rung(30)
    np.testing.assert_array_equal(p[:, rung != 2], q[:, rung != 2])
    assert np.abs(p - q)[:, rung == 2].max() > 0.01


def test_consistency_and_composition():
    """A cause of which the value makes no difference leaves y as it was, if only y obeys its function."""
    tunnel, rng = CounterfactualSCM(3), np.random.default_rng(6)
    latents = tunnel.latents(300, rng)
    x, y = tunnel.draw(latents, 15, rng)
    blocks, known = tunnel.ladder.read(x), tunnel.informed(latents)
    said = known.predict(x, y)[:, 7]
    for i, latent in enumerate(latents):
        cause, effect = blocks.cause[i, 1], blocks.effect[i, 1]
        if not nx.has_path(graph_of(latent, 3), cause, effect):
            was = units(3, 2)[blocks.unit[i, 0], effect]
            assert said[i, was] == pytest.approx(1, abs=1e-12)
