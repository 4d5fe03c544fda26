"""CounterfactualSCM against every graph, function, kind and setting of the noise."""

from collections.abc import Sequence
from itertools import product
from math import log, prod

import numpy as np
import pytest

from plasticity import Symbols
from streams.causal.counterfactual import CounterfactualSCM
from streams.causal.episodes import RUNGS
from streams.causal.graphs import units

from ..brute import worst_gap
from .causal_brute import (
    Block,
    Machines,
    Values,
    blocks,
    completions,
    episodes,
    index,
    likelihood,
    machines,
    noise_law,
    run,
    written,
)

TOLERANCE = 1e-10


def one(tunnel: CounterfactualSCM, latent: np.ndarray) -> Machines:
    """The hypothesis that a latent is."""
    n = tunnel.variables
    parents = tuple(tuple(u for u in range(n) if int(latent[n, v]) >> u & 1) for v in range(n))
    functions = list[dict[Values, int]]()
    for v in range(n):
        table = dict[Values, int]()
        for context in product(range(2), repeat=len(parents[v])):
            values = [0] * n
            for u, value in zip(parents[v], context, strict=True):
                values[u] = value
            table[context] = int(latent[v, index(values)])
        functions.append(table)
    law = noise_law(latent[:n, -1].tolist(), tunnel.noise)
    return Machines(np.ones(1), np.array([law]), np.array([run(parents, functions)]))


def wanted(tunnel: CounterfactualSCM, latent, past_x, past_y, x, y) -> np.ndarray:
    n = tunnel.variables
    found = machines(n, tunnel.noise) if latent is None else one(tunnel, latent)
    weights = found.prior
    for row in past_x:
        weights = weights * likelihood(found, blocks(row, n, 2))
    here, said = blocks(x, n, 2), list[list[float]]()
    for q, block in enumerate(here):
        mass = list[float]()
        for value in range(2):
            might = [index(c) for c in completions(block, value, 2)]
            every = likelihood(found, here[: q + 1], lambda made, might=might: np.isin(made, might))
            mass.append(float(weights @ every))
        said.append([m / sum(mass) for m in mass])
    return np.array(said)


@pytest.mark.parametrize(
    ("tunnel", "time"),
    [
        (CounterfactualSCM(2), 12),
        (CounterfactualSCM(2, 0.7, asks=["intervention", "counterfactual"]), 16),
        (CounterfactualSCM(3, 0.1, asks=["association", "counterfactual"]), 10),
    ],
    ids=repr,
)
def test_observers_equal_abduction_action_prediction(tunnel: CounterfactualSCM, time: int):
    gap = worst_gap(tunnel, time, lambda *given: wanted(tunnel, *given))
    assert gap <= TOLERANCE


def chain(kind: int) -> np.ndarray:
    """A latent in which each variable but the first is what the one before it is, but for the noise."""
    latent = np.zeros((1, 4, 9), dtype=np.int64)
    latent[0, 3, :3] = 0b000, 0b001, 0b010
    latent[0, 1, :8], latent[0, 2, :8] = units(3, 2)[:, 0], units(3, 2)[:, 1]
    latent[0, :3, -1] = kind
    return latent


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("rungs", [2, 3])
def test_what_variables_owe_to_each_other_is_remembered(kind: int, rungs: int):
    """Where causes matter: counterfactuals refute graphs, the lower rungs only make them unlikely."""
    asks = (RUNGS[0], RUNGS[2], RUNGS[1]) if rungs == 3 else RUNGS[:2]
    tunnel, rng = CounterfactualSCM(3, 0.2, asks=asks), np.random.default_rng(kind)
    x, y = tunnel.draw(np.repeat(chain(kind), 5, axis=0), 30, rng)
    said = tunnel.observer().absorb(x[:3], y[:3]).predict(x[3:], y[3:])
    for row, p in zip((3, 4), said, strict=True):
        exact = wanted(tunnel, None, x[:3], y[:3], x[row], y[row])
        np.testing.assert_allclose(p[tunnel.asked(30)], exact, atol=TOLERANCE)


def arrays(rows: Sequence[list[Block]], n: int) -> tuple[Symbols, Symbols]:
    x, y = zip(*(written(row, n, 2) for row in rows), strict=True)
    return np.array(x), np.array(y)


@pytest.mark.parametrize("asks", [(1, 3), (2, 3)])
def test_evidence_equals_enumeration(asks: tuple[int, int]):
    """Of every episode there is, up to every symbol, before and after an episode was absorbed."""
    tunnel = CounterfactualSCM(2, 0.3, asks=[RUNGS[rung - 1] for rung in asks])
    found, every = machines(2, 0.3), episodes(2, 2, asks)
    x, y = arrays(every, 2)
    chosen = prod(1 / 2 * (1 / 2 if rung == 2 else 1) for rung in asks)
    for past in ([], every[5]):
        weights = found.prior * likelihood(found, past) if past else found.prior
        p = np.array([chosen * weights @ likelihood(found, row) for row in every]) / weights.sum()
        assert p.sum() == pytest.approx(1, abs=1e-12)
        observer = tunnel.observer().absorb(*arrays([past], 2)) if past else tunnel.observer()
        said = observer.evidence(x, y)
        for t in range(x.shape[1] + 1):
            for row in range(len(every)):
                alike = (x[:, : t + 1] == x[row, : t + 1]).all(1) & (y[:, :t] == y[row, :t]).all(1)
                mass = p[alike].sum()
                assert said[row, t] == pytest.approx(log(mass) if mass else -np.inf, abs=TOLERANCE)


def test_impossible_episodes_have_no_evidence_and_do_no_harm():
    """Halves of two episodes: a value that is no value, a real unit imagined as it was."""
    tunnel, rng = CounterfactualSCM(3, 0.4), np.random.default_rng(0)
    x, y = tunnel.draw(tunnel.latents(200, rng), 30, rng)
    for cut in range(1, 30):
        mixed = np.hstack([x[:, :cut], x[::-1, cut:]]), np.hstack([y[:, :cut], y[::-1, cut:]])
        said = tunnel.observer().evidence(*mixed)
        assert not np.isnan(said).any() and (said[:, 1:] <= said[:, :-1] + 1e-9).all()
    wrong = x.copy()
    wrong[:, 1] = tunnel.vocab - 1
    assert (tunnel.observer().evidence(wrong, y)[:, 1:] == -np.inf).all()


def test_no_number_of_experiments_tells_the_kinds_of_noise_apart():
    """Two latents that differ in kind alone agree on the first two rungs; counterfactuals part them."""
    tunnel = CounterfactualSCM(3, 0.4, asks=["association", "intervention"])
    rng = np.random.default_rng(0)
    flip, other = chain(0), chain(1)
    x, y = tunnel.draw(np.repeat(flip, 500, axis=0), 10, rng)
    np.testing.assert_allclose(
        tunnel.informed(flip).evidence(x, y), tunnel.informed(other).evidence(x, y), atol=1e-12
    )
    known = tunnel.observer().absorb(x, y)
    ladder = CounterfactualSCM(3, 0.4, asks=["association", "counterfactual"])
    x, y = ladder.draw(np.repeat(flip, 500, axis=0), 10, rng)
    right, wrong = (ladder.informed(latent).evidence(x, y)[:, -1] for latent in (flip, other))
    refuted = np.isneginf(wrong)
    assert np.isfinite(right).all() and refuted.any() and (wrong[~refuted] > -100).all()
    # Who has seen no counterfactual answers by both kinds; who has, by the right one.
    taught = ladder.observer().absorb(x[:250], y[:250])
    right = ladder.informed(flip).predict(x[250:], y[250:])[:, 7]
    gaps = [np.abs(o.predict(x[250:], y[250:])[:, 7] - right).mean() for o in (known, taught)]
    assert gaps[1] < 0.02 < gaps[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"noise": 0.0}, "noise: expected above 0 and up to 1, got 0"),
        ({"asks": ["counterfactual"]}, "asks: expected another rung before each counterfactual"),
        ({"variables": 5}, "parents: expected 2 at most with 5 variables, got 4: there are 65,536"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        CounterfactualSCM(**arguments)
