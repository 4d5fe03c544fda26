"""SCM against graphs by networkx and laws by quadrature."""

from math import log, prod

import numpy as np
import pytest

from streams.causal.graphs import dags, parent_sets
from streams.causal.scm import SCM

from ..brute import worst_gap
from .causal_brute import Block, Parents, blocks, completions, episodes, family, graphs, written

TOLERANCE = 1e-10


def evidence(tunnel: SCM, seen: list[Block]) -> float:
    """p(the values of the blocks), over graphs and laws."""
    each = [
        prod(
            family(v, parents[v], seen, tunnel.values, tunnel.concentration)
            for v in range(tunnel.variables)
        )
        for parents in graphs(tunnel.variables)
        if max(map(len, parents)) <= tunnel.most
    ]
    return sum(each) / len(each)


def known(tunnel: SCM, latent: np.ndarray, seen: list[Block]) -> float:
    """The same given the latent: laws given all other variables, 0 where they are no parents."""
    n, k = tunnel.variables, tunnel.values
    total = 1.0
    for block in seen:
        for v in range(n):
            if v != block.done:
                kept = [
                    block.values[u] if u == v or int(latent[n, v]) >> u & 1 else 0 for u in range(n)
                ]
                total *= latent[v, sum(value * k ** (n - 1 - u) for u, value in enumerate(kept))]
    return total


def wanted(tunnel: SCM, latent, past_x, past_y, x, y) -> np.ndarray:
    n, k = tunnel.variables, tunnel.values
    past = [block for row in past_x for block in blocks(row, n, k)]
    here, found = blocks(x, n, k), list[list[float]]()
    for q, block in enumerate(here):
        mass = list[float]()
        for value in range(k):
            might = [block._replace(values=c) for c in completions(block, value, k)]
            if latent is None:
                mass.append(sum(evidence(tunnel, [*past, *here[:q], b]) for b in might))
            else:
                mass.append(sum(known(tunnel, latent, [b]) for b in might))
        found.append([m / sum(mass) for m in mass])
    return np.array(found)


@pytest.mark.parametrize(
    ("tunnel", "time"),
    [
        (SCM(2), 8),
        (SCM(3), 10),
        (SCM(3, concentration=2.0, parents=1), 20),
        (SCM(2, values=3, concentration=0.3, asks=["intervention"]), 8),
        (SCM(4, asks=["intervention"], parents=1), 6),
    ],
    ids=repr,
)
def test_observers_equal_brute_force(tunnel: SCM, time: int):
    gap = worst_gap(tunnel, time, lambda *given: wanted(tunnel, *given))
    assert gap <= TOLERANCE


@pytest.mark.parametrize("tunnel", [SCM(2), SCM(2, values=3, asks=["intervention"])], ids=repr)
def test_evidence_equals_enumeration(tunnel: SCM):
    """Of every episode there is, up to every symbol, before and after an episode was absorbed."""
    n, k = tunnel.variables, tunnel.values
    rungs = [1 + ["association", "intervention"].index(rung) for rung in tunnel.asks]
    every = episodes(n, k, rungs)
    x, y = map(np.array, zip(*(written(row, n, k) for row in every), strict=True))
    chosen = prod(1 / (n * (n - 1)) * (1 / k if rung == 2 else 1) for rung in rungs)
    for past in ([], every[17]):
        before = evidence(tunnel, past)
        p = np.array([chosen * evidence(tunnel, [*past, *row]) / before for row in every])
        assert p.sum() == pytest.approx(1, abs=1e-12)
        observer = tunnel.observer()
        if past:
            observer = observer.absorb(*(np.array([each]) for each in written(past, n, k)))
        said = observer.evidence(x, y)
        for t in range(x.shape[1] + 1):
            for row in range(0, len(every), 7):
                alike = (x[:, : t + 1] == x[row, : t + 1]).all(1) & (y[:, :t] == y[row, :t]).all(1)
                assert said[row, t] == pytest.approx(log(p[alike].sum()), abs=TOLERANCE)


def test_graphs_are_all_that_are_acyclic():
    for n in (2, 3, 4):
        sets = parent_sets(n, n - 1)
        masks = sets[np.arange(n), dags(n, n - 1)]
        found: set[Parents] = {
            tuple(tuple(u for u in range(n) if mask >> u & 1) for mask in row)
            for row in masks.tolist()
        }
        assert len(masks) == len(found) and found == set(graphs(n))
    assert len(dags(5, 4)) == 29_281  # Robinson 1973
    assert len(dags(4, 1)) == sum(max(map(len, parents)) <= 1 for parents in graphs(4))


def test_a_mechanism_renewed_is_drawn_again():
    """Old units weigh graphs and the other mechanisms; the new law of the variable is a fresh one."""
    tunnel, rng = SCM(3), np.random.default_rng(0)
    n, k, c = 3, 2, tunnel.concentration
    held = np.repeat(tunnel.latents(1, rng), 4, axis=0)
    x, y = tunnel.draw(held, 20, rng)
    old, new = (
        [b for row in x[rows] for b in blocks(row, n, k)] for rows in (slice(2), slice(2, 3))
    )
    for part in range(3):
        observer = tunnel.observer().absorb(x[:2], y[:2]).renew(part)
        total = np.zeros(2)
        for parents in graphs(n):
            for i, seen in enumerate(([], new)):
                total[i] += prod(
                    family(v, parents[v], old, k, c) * family(v, parents[v], seen, k, c)
                    if v == part
                    else family(v, parents[v], [*old, *seen], k, c)
                    for v in range(n)
                )
        chosen = sum(np.log(n * (n - 1)) + np.log(2) * (b.rung == 2) for b in new)
        said = observer.evidence(x[2:3], y[2:3])[0, -1]
        assert said == pytest.approx(np.log(total[1] / total[0]) - chosen, abs=TOLERANCE)
        once = observer.renew(part).predict(x[3:], y[3:])
        np.testing.assert_array_equal(once, observer.predict(x[3:], y[3:]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variables": 6}, "variables: expected 2 to 5, got 6"),
        ({"values": 1}, "values: expected at least 2, got 1"),
        ({"asks": []}, "asks: expected some of association, intervention, got none"),
        (
            {"asks": ["intervention"], "graded": []},
            "graded: expected some of intervention, got none",
        ),
        ({"asks": ["association"], "graded": ["intervention"]}, "graded: expected some of assoc"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        SCM(**arguments)


def test_lengths_are_whole_turns():
    tunnel = SCM(3)
    with pytest.raises(ValueError, match=r"time: expected a multiple of 10 .* got 15"):
        tunnel.draw(tunnel.latents(1, np.random.default_rng(0)), 15, np.random.default_rng(0))
    assert tunnel.rung(12).tolist() == [0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0]
    only = SCM(3, graded=["intervention"])
    assert np.flatnonzero(tunnel.asked(20)).tolist() == [2, 7, 12, 17]
    assert np.flatnonzero(only.asked(20)).tolist() == [7, 17]
    latents, rng = tunnel.latents(3, np.random.default_rng(1)), np.random.default_rng
    same = zip(tunnel.draw(latents, 20, rng(2)), only.draw(latents, 20, rng(2)), strict=True)
    assert all(np.array_equal(one, other) for one, other in same)
