"""A revolution: one truth all along, and who finds out when."""

from itertools import product
from typing import Any

import numpy as np
import polars as pl
import pytest

from plasticity.core.predictors import PREDICTORS
from plasticity.metrics.regret import code_lengths
from plasticity.observers.reference import ReferencePredictors
from streams.laws.laws import Laws, numbers
from streams.laws.revolution import (
    ANOMALOUS,
    ANOMALOUS_OLD,
    ERA,
    REVOLUTION,
    UNSEEN,
    UNSEEN_OLD,
    Revolution,
)
from streams.tunnels.markov import Markov

from ..exact import faced
from .accounts import mixture, shortest
from .grammar import trees, values

M, NOISE = 3, 0.4
LAWS = Laws(M, 17.0, NOISE)


@pytest.fixture(autouse=True)
def _small_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "plasticity.observers.reference.SAMPLE", 512
    )  # their exactness is not what is tested


def stream(seed: int = 0, **changed: Any) -> Revolution:
    arguments: dict[str, Any] = {"era": 8, "steps": 40, "rate": 0.05, "unseen": 1, "time": 14}
    return Revolution([LAWS], **(arguments | {"batch": 4, "probe": 16} | changed), seed=seed)


def said(world: Revolution, old: bool) -> np.ndarray:
    return LAWS.book.values[world.revision.old if old else world.revision.revised]


@pytest.mark.parametrize("seed", range(8))
def test_the_revision_agrees_with_the_old_law_but_for_the_region(seed: int):
    world, texts = stream(seed), LAWS.book.texts
    differs = np.flatnonzero(said(world, old=True) != said(world, old=False))
    assert differs.tolist() == world.revision.region.tolist() and len(differs) == M
    a, b = np.divmod(differs, M)
    assert len({*((a + b) % M).tolist()}) == 1 or len({*((a - b) % M).tolist()}) == 1
    assert sorted(a) == sorted(b) == list(range(M)), "no value of a variable is new"
    assert "if" not in texts[world.revision.old]
    assert {"a", "b"} <= set(texts[world.revision.old]), "both variables are in it"
    assert LAWS.book.bits[world.revision.old] < LAWS.book.bits[world.revision.revised]


def test_revisions_are_drawn_by_their_length():
    """Frequencies against every pair that the grammar of the tests finds."""
    small, extra = Laws(M, 17.0, NOISE), 3 + np.log2(M)
    least = dict[tuple[int, ...], float]()
    for bits, text in sorted(trees(M, 17.0 - extra - 2)):
        least.setdefault(values(text, M), bits)
    inputs = list(product(range(M), repeat=2))
    wanted = dict[tuple[tuple[int, ...], tuple[int, ...]], float]()
    for (one, n), (old, k), v, c in product(least.items(), least.items(), (1, -1), range(M)):
        inside = [(a + v * b) % M == c for a, b in inputs]
        square = np.reshape(old, (M, M))
        both = np.ptp(square, axis=0).any() and np.ptp(square, axis=1).any()
        apart = all(x != y for x, y, here in zip(one, old, inside, strict=True) if here)
        if n + k + extra <= 17 and both and apart:
            new = tuple(np.where(inside, one, old).tolist())
            bits = [small.book.bits[small.book.find(np.array(law, np.uint8))] for law in (old, new)]
            if bits[1] > bits[0]:  # else it is no exception to anything
                wanted[old, new] = wanted.get((old, new), 0.0) + 2.0 ** -(n + k)
    assert len(wanted) > 10
    total, drawn = sum(wanted.values()), dict[Any, int]()
    worlds = [Revolution([small], unseen=1, time=5, batch=1, seed=s) for s in range(300)]
    for world in worlds:
        pair = tuple(
            tuple(small.book.values[i].tolist())
            for i in (world.revision.old, world.revision.revised)
        )
        drawn[pair] = drawn.get(pair, 0) + 1
    assert drawn.keys() <= wanted.keys()
    for pair, mass in wanted.items():
        p = mass / total
        assert abs(drawn.get(pair, 0) - 300 * p) <= 5 * np.sqrt(300 * p * (1 - p)) + 1


def test_anomalies_come_after_the_era_at_their_rate_and_some_never():
    world = stream(steps=400, batch=16)
    rates = list[float]()
    for step in range(400):
        x = numbers(world[step].inputs.numpy(), M)
        inside = np.isin(x, world.revision.region)
        assert inside.sum() == world.anomalies(step)
        assert not np.isin(x, world.never).any()
        rates.append(float(inside.mean()))
        assert step >= world.era or not inside.any()
    n = (400 - world.era) * 16 * 5
    assert abs(np.mean(rates[world.era :]) - 0.05) < 5 * np.sqrt(0.05 * 0.95 / n)
    assert np.isin(world.revision.region, [*world.never, *world.anomalous]).all()
    at = np.array([0, world.era, 100, 400])
    wanted = [sum(world.anomalies(s) for s in range(stop)) for stop in at]
    assert world.seen(at).tolist() == wanted


def observed(world: Revolution) -> tuple[ReferencePredictors, np.ndarray]:
    """The observers after the whole stream, and how often each input got each answer in it."""
    reference, counts = ReferencePredictors(world), np.zeros((M * M, M), int)
    for step in range(len(world)):
        now = faced(world, step)
        batch = now[0]
        reference.absorb(*now)
        x = numbers(batch.inputs.numpy(), M)
        np.add.at(counts, (x, batch.targets.numpy()[:, 1::3]), 1)
    return reference, counts


def test_the_continual_observer_has_one_posterior_for_everything():
    """Of era, revolution and every probe; it is Bayes' rule on all that came."""
    world = stream()
    reference, counts = observed(world)
    log_mass = np.log(LAWS.book.mass)
    for x, y in np.ndindex(*counts.shape):
        right = LAWS.book.values[:, x] == y
        log_mass += counts[x, y] * np.log(NOISE / M + (1 - NOISE) * right)
    weights = np.exp(log_mass - np.logaddexp.reduce(log_mass))
    for x in range(M * M):
        inputs = np.array([[x // M, M + x % M]])
        wanted = [
            NOISE / M + (1 - NOISE) * weights[LAWS.book.values[:, x] == y].sum() for y in range(M)
        ]
        for regime in (REVOLUTION, ANOMALOUS, UNSEEN, ANOMALOUS_OLD, UNSEEN_OLD):
            known = reference.known(regime)
            assert known is not None
            found = known.predict(inputs, np.zeros_like(inputs))[0, 1]
            np.testing.assert_allclose(found, wanted, atol=1e-10)
    assert reference.known(-1) is None


def test_probes_ask_one_question_under_two_laws():
    world = stream()
    probes, keys = (
        dict(zip(world.probed, each, strict=True))
        for each in zip(*world.keyed_probes(), strict=True)
    )
    assert list(probes) == [*range(6), -1]
    for new, old, places in (
        (ANOMALOUS, ANOMALOUS_OLD, world.anomalous),
        (UNSEEN, UNSEEN_OLD, world.never),
    ):
        one, other = probes[new], probes[old]
        assert one.inputs.equal(other.inputs)
        assert keys[new].drawn[:, :-1].equal(keys[old].drawn[:, :-1])
        assert one.asked.tolist() == other.asked.tolist() == [False] * 13 + [True]
        x = numbers(one.inputs.numpy(), M)
        assert np.isin(x[:, -1], places).all()
        assert not np.isin(x[:, :-1], world.revision.region).any()
    for regime, inside in ((ERA, False), (REVOLUTION, True)):
        x = numbers(probes[regime].inputs.numpy(), M)
        assert np.isin(x, world.revision.region).any() == inside
        assert probes[regime].asked.sum() == 5


def probed(world: Revolution) -> tuple[pl.DataFrame, list[float]]:
    """The probe table of the observers, and the continual one's log odds on anomalies, by its own words."""
    reference, probes = ReferencePredictors(world), world.keyed_probes()
    rows, odds = list[dict[str, Any]](), list[float]()
    for step in range(len(world) + 1):
        for regime, (batch, key) in zip(world.probed, probes, strict=True):
            truth = reference.predict(batch, key, world.probe_groups(regime))
            bits = np.nansum(truth[0] * np.log2(truth[0] / truth), -1).mean((1, 2))
            row = {f"kl/{name}": value for name, value in zip(PREDICTORS, bits, strict=True)}
            rows.append({"step": step, "regime": regime, **row})
            if regime == ANOMALOUS:
                last = numbers(batch.inputs.numpy(), M)[:, -1]
                mine = truth[PREDICTORS.index("continual"), np.arange(len(last)), 0]
                new, old = (mine[np.arange(len(last)), said(world, o)[last]] for o in (False, True))
                odds.append(float(np.log2(new / old).mean()))
        if step < len(world):
            reference.absorb(*faced(world, step))
    return pl.DataFrame(rows), odds


@pytest.mark.parametrize("seed", range(3))
def test_the_ideal_reasoner_has_data_gravity_one_and_switches_when_its_odds_do(seed: int):
    world = stream(seed)
    table, odds = probed(world)
    found, frozen = world.verdict(table, "continual"), world.verdict(table, "amnesic")
    seen = world.seen(np.arange(len(world) + 1))
    first = max(i for i, o in enumerate(odds) if o <= 0) + 1
    assert found.gravity == found.at_least == 1.0
    assert found.switched == found.ideal == seen[first]
    last = int(np.flatnonzero(seen == 0)[-1])
    assert found.held == pytest.approx(-odds[last], abs=1e-10) and found.held > 0
    assert found.switched is not None and 0 < found.switched < 40, (
        "it took some anomalies, and not all of them"
    )
    assert found.consequences is not None, "and it carried them over to what it never saw"
    assert found.lost == found.lost_ideal
    assert frozen.switched in (None, 0), "what is not learned from does not change"
    assert frozen.gravity is None and frozen.unseen > found.unseen


def test_the_shortest_code_names_the_old_law_and_then_the_revised_one():
    """Answers in turn, each row of a batch after those above it."""
    world, observer, bits, laws = stream(1), LAWS.observer(), 0.0, list[str]()
    for step in range(len(world)):
        batch, key = world.keyed(step)
        x, y = batch.inputs.numpy(), key.drawn.numpy()
        for row in range(4):
            one = x[row : row + 1], y[row : row + 1]
            hit = np.take_along_axis(observer.predict(*one), one[1][..., None], -1)[0, 1::3, 0]
            bits -= float(np.log2(hit).sum())
            observer = observer.absorb(*one)
        law, model, data = shortest(observer)
        assert mixture(observer) == pytest.approx(bits, abs=1e-8)
        assert mixture(observer) <= model + data
        laws.append(law)
    first, last = (laws[i] for i in (world.era - 1, -1))
    assert [LAWS.book.texts.index(law) for law in (first, last)] == list(world.revision[:2])


def test_the_summary_counts_bits_over_the_truth():
    """4 episodes of 5 answers a step, in bits per answer, of predictors whose bits are given."""
    world = stream(1)
    table, _ = probed(world)
    realised = {"informed": 0.5, "model": np.linspace(2.0, 1.0, len(world)), "continual": 0.75}
    steps = pl.DataFrame({"step": range(len(world))}).with_columns(
        **{
            f"kl_realised/{who}": pl.lit(pl.Series(np.full(len(world), bits)))
            for who, bits in realised.items()
        }
    )
    found = world.summary(steps, table.with_columns(**{"kl/model": pl.col("kl/continual")}))
    assert found["code/learner"] == pytest.approx(4 * 5 * (realised["model"].sum() - 0.5 * 40))
    _, over = code_lengths(
        steps, np.array([len(world[s].inputs) * int(world[s].asked.sum()) for s in range(40)])
    )
    assert found["code/learner"] == pytest.approx(over), "the number that every world has"
    assert found["code/mixture"] == pytest.approx(4 * 5 * 0.25 * 40)
    assert found["gravity"] == 1.0


def test_a_batch_is_a_function_of_the_seed_and_the_step():
    one, other = stream(3), stream(3)
    for step in (39, 0, 20):
        assert all(a.equal(b) for a, b in zip(one[step], other[step], strict=True))
    assert one.shifts(8) and not any(one.shifts(s) for s in range(40) if s != 8)
    assert one.prior(7, None) == {ERA: 1.0} and one.prior(8, None) == {REVOLUTION: 1.0}
    assert not one.retired(ERA, 6) and one.retired(ERA, 7) and not one.retired(REVOLUTION, 39)


@pytest.mark.parametrize(
    ("tunnels", "changed", "message"),
    [
        ([Markov(3)], {}, "tunnels: expected one, Laws, got Markov"),
        ([LAWS, LAWS], {}, "tunnels: expected one, Laws, got Laws, Laws"),
        ([], {}, "tunnels: expected at least one"),
        ([LAWS], {"unseen": 3}, "unseen: expected at most 2"),
        ([Laws(3, 9.0)], {}, "tunnels: no law of .* is a revision"),
    ],
)
def test_bad_arguments_are_refused(tunnels: list[Any], changed: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        Revolution(tunnels, **({"time": 14, "unseen": 1} | changed))
