"""The switching observer against brute force: every path of regimes, weighed by its law and its likelihood.

A path is a regime for each step. Its probability is written out here for each schedule; the likelihood of
the episodes is a product of transition probabilities, or of Polya's urns where no latent is held.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise, product
from math import prod
from typing import Any

import numpy as np
import pytest

from plasticity import Stream, Updates
from plasticity.core.predictors import AMNESIC, INFORMED, SWITCHING
from plasticity.engine.datamodule import StreamDataModule
from plasticity.observers.reference import ReferencePredictors
from plasticity.observers.switching import SwitchingObserver
from streams.schedules.adversarial import Adversarial
from streams.schedules.compositional import Compositional
from streams.schedules.from_file import FromFile
from streams.schedules.gradual import Cyclic, Gradual
from streams.schedules.nested import Nested
from streams.schedules.random import Growing, Hazard
from streams.schedules.recurring import Abrupt, Recurring
from streams.tunnels.filtering_hmm import FilteringHMM
from streams.tunnels.markov import Markov

Path = tuple[int, ...]
Law = Callable[[Path], float]
TUNNELS = [Markov(2, 0.5)]
SMALL: dict[str, Any] = {"batch": 2, "time": 3, "probe": 1, "seed": 5}
STEPS = 4


def arrays(world: Stream, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of a step, as they were drawn."""
    batch, key = world.keyed(step)
    return batch.inputs.numpy(), key.drawn.numpy()


def told(world: Stream, regime: int, x: list[int], y: list[int]) -> list[np.ndarray]:
    """p(x_{t+1} | regime, x_0..x_t) of one episode, for each t."""
    if world.holds(regime):
        return [world.latent(regime)[0, here] for here in x]
    counts, said = np.full((2, 2), 0.5), list[np.ndarray]()
    for here, there in zip(x, y, strict=True):
        said.append(counts[here] / counts[here].sum())
        counts[here, there] += 1
    return said


def likelihood(world: Stream, regime: int, x: list[int], y: list[int]) -> float:
    said = told(world, regime, x, y)
    return 0.5 * prod(p[there] for p, there in zip(said, y, strict=True))


def brute(world: Stream, law: Law, step: int, row: int, t: int, seen: int) -> np.ndarray:
    """p(target t of a row | all batches before, the first `seen` rows of this one, and the row so far)."""
    assert world.regimes is not None
    episodes = [world[s] for s in range(step + 1)]
    each = [list(zip(b.inputs.tolist(), b.targets.tolist(), strict=True)) for b in episodes]
    row_so_far = each[step][row][0][: t + 1], each[step][row][1][:t]
    each[step] = each[step][:seen]
    likely = {
        (s, regime): prod(likelihood(world, regime, x, y) for x, y in each[s])
        for s, regime in product(range(step + 1), range(world.regimes))
    }
    mass = np.zeros(2)
    for path in product(range(world.regimes), repeat=step + 1):
        if weight := law(path):
            weight *= prod(map(likely.__getitem__, enumerate(path)))
            x, y = row_so_far
            said = told(world, path[-1], x, [*y, 0])
            mass += weight * prod(p[there] for p, there in zip(said, y, strict=False)) * said[-1]
    return mass / mass.sum()


def hazardous(path: Path) -> float:
    """Three regimes; 0.3 for a change, to two others alike."""
    return 1 / 3 * prod(0.7 if a == b else 0.15 for a, b in pairwise(path))


def growing(path: Path) -> float:
    """A visit is two steps; visits 0, 1, 2 choose among 1, 2 and 3."""
    visits = [path[i : i + 2] for i in range(0, len(path), 2)]
    fits = all(len(set(visit)) == 1 and visit[0] <= n for n, visit in enumerate(visits))
    return fits / prod(n + 1 for n in range(len(visits)))


RANDOM: dict[str, tuple[Stream, Law]] = {
    "hazard": (Hazard(TUNNELS, 3, 0.3, steps=STEPS, **SMALL), hazardous),
    "some hold": (
        Hazard(TUNNELS, 3, 0.3, steps=STEPS, hold=["regime", "episode", "regime"], **SMALL),
        hazardous,
    ),
    "growing": (Growing(TUNNELS, 3, period=2, visit=2, steps=STEPS, **SMALL), growing),
}
named = pytest.mark.parametrize(("world", "law"), RANDOM.values(), ids=RANDOM)


@named
def test_it_is_the_sum_over_all_paths_of_regimes(world: Stream, law: Law) -> None:
    reference = ReferencePredictors(world)
    for step in range(STEPS):
        keyed, groups = world.keyed(step), world.groups(step)
        said = reference.predict(*keyed, groups, step)[SWITCHING]
        for row, t in product(range(2), range(3)):
            np.testing.assert_allclose(said[row, t], brute(world, law, step, row, t, 0), atol=1e-10)
        reference.absorb(*keyed, groups, step)


def test_episode_by_episode_the_rows_before_are_seen() -> None:
    world, law = RANDOM["hazard"]
    data = StreamDataModule(world, 2)
    data.updates = Updates(per="episode")
    for step in range(3):
        said = data._predictions(*world.keyed(step), world.groups(step), step)[SWITCHING]
        for row, t in product(range(2), range(3)):
            wanted = brute(world, law, step, row, t, row)
            np.testing.assert_allclose(said[row, t], wanted, atol=1e-10)


def test_a_checkpoint_holds_what_it_believes() -> None:
    world, _ = RANDOM["hazard"]
    one, other = StreamDataModule(world, 2), StreamDataModule(world, 2)
    for step in range(3):
        one.reference.absorb(*world.keyed(step), world.groups(step), step)
    other.load_state_dict(one.state_dict())
    a, b = (data.reference.switching.predict(*arrays(world, 3), 3) for data in (one, other))
    assert np.array_equal(a, b)


def drifting(kind: type[Stream], step: int) -> dict[int, float]:
    """Weights by hand: Gradual of period 3 and slide 2; Cyclic of period 2."""
    if kind is Gradual:
        return [{0: 1.0}, {0: 1.0}, {0: 0.75, 1: 0.25}, {0: 0.25, 1: 0.75}, {1: 1.0}][step]
    return [{0: 1.0}, {0: 0.5, 1: 0.5}, {1: 1.0}, {1: 0.5, 2: 0.5}, {2: 1.0}][step]


@pytest.mark.parametrize(
    "world",
    [
        Gradual(TUNNELS, 3, period=3, slide=2, steps=6, **SMALL),
        Gradual(TUNNELS, 3, period=3, slide=2, steps=6, hold=["episode", "regime"], **SMALL),
        Cyclic(TUNNELS, 3, period=2, steps=6, **SMALL),
    ],
)
def test_where_batches_mix_each_episode_is_weighed_alone(world: Stream) -> None:
    reference = ReferencePredictors(world)
    for step in range(STEPS):
        (batch, key), groups = world.keyed(step), world.groups(step)
        said = reference.predict(batch, key, groups, step)[SWITCHING]
        weights = drifting(type(world), step)
        for row, t in product(range(2), range(3)):
            x, y = batch.inputs[row, : t + 1].tolist(), batch.targets[row, :t].tolist()
            mass = np.zeros(2)
            for regime, weight in weights.items():
                foretold = told(world, regime, x, [*y, 0])
                weight *= prod(p[there] for p, there in zip(foretold, y, strict=False))
                mass += weight * foretold[-1]
            np.testing.assert_allclose(said[row, t], mass / mass.sum(), atol=1e-10)
        reference.absorb(batch, key, groups, step)


@pytest.fixture
def known(tmp_path, request: pytest.FixtureRequest) -> Iterator[Stream]:
    file = tmp_path / "regimes.csv"
    file.write_text("0,2\n1,3\n0,5\n")
    kind, args = request.param
    yield kind(
        TUNNELS, **({"file": str(file)} if kind is FromFile else args | {"steps": 10}), **SMALL
    )


@pytest.mark.parametrize(
    "known",
    [
        (Recurring, {"regimes": 2, "period": 2}),
        (Recurring, {"regimes": 3, "period": 2, "hold": ["regime", "episode"]}),
        (Abrupt, {"period": 3}),
        (Nested, {"slow": 4, "fast": 2}),
        (Compositional, {"period": 2}),
        (FromFile, {}),
    ],
    indirect=True,
    ids=lambda case: case[0].__name__,
)
def test_where_the_schedule_is_known_it_is_the_informed_observer(known: Stream) -> None:
    """Or the amnesic one, where no latent is held; and so is the filter itself, the long way round."""
    reference = ReferencePredictors(known)
    for step in range(10):
        keyed, groups = known.keyed(step), known.groups(step)
        truth = reference.predict(*keyed, groups, step)
        wanted = truth[INFORMED if known.holds(groups[0].regime) else AMNESIC]
        assert np.array_equal(truth[SWITCHING], wanted)
        alone = SwitchingObserver(known).predict(*arrays(known, step), step)
        np.testing.assert_allclose(alone, wanted, atol=1e-12)
        reference.absorb(*keyed, groups, step)


def test_without_a_law_nothing_is_said() -> None:
    world = Adversarial(TUNNELS, regimes=2, period=2, steps=6, **SMALL)
    world.on_probe(0, {0: 0.0, 1: 1.0})
    reference = ReferencePredictors(world)
    for step in range(6):
        keyed, groups = world.keyed(step), world.groups(step)
        truth = reference.predict(*keyed, groups, step)
        assert (
            np.isnan(truth[SWITCHING]).all() and np.isfinite(np.delete(truth, SWITCHING, 0)).all()
        )
        reference.absorb(*keyed, groups, step)


def test_it_lies_between_the_ideals() -> None:
    """Worse than the informed and, knowing every latent, better than the amnesic: mean log loss in bits."""
    world = Hazard([Markov(4, 0.3)], 3, 0.1, steps=60, batch=4, time=8, probe=1)
    reference, loss = ReferencePredictors(world), np.zeros(7)
    for step in range(60):
        (batch, key), groups = world.keyed(step), world.groups(step)
        truth = reference.predict(batch, key, groups, step)
        hit = np.take_along_axis(truth, batch.targets.numpy()[None, ..., None], -1)
        loss -= np.log2(hit).mean((1, 2, 3)) / 60
        reference.absorb(batch, key, groups, step)
    assert loss[INFORMED] < loss[SWITCHING] < loss[AMNESIC]


def test_regimes_of_the_past_are_not_held_on_to() -> None:
    world = Gradual(TUNNELS, None, period=2, slide=2, steps=None, **SMALL)
    switching = SwitchingObserver(world)
    for step in range(100):
        assert np.isfinite(switching.predict(*arrays(world, step), step)).all()
        switching.absorb(*arrays(world, step), step)
    assert len(switching._observers) <= 2


def test_an_observer_without_evidence_leaves_it_undefined(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the prior says of a header is no closed form; the other observers face the batch all the same."""
    monkeypatch.setattr("plasticity.observers.reference.SAMPLE", 512)
    world = Hazard(
        [FilteringHMM(2, 2, 3)], 2, 0.2, steps=4, batch=2, time=17, hold="episode", probe=1
    )
    reference = ReferencePredictors(world)
    assert "has no evidence" in (reference.switching.silent or "")
    truth = reference.predict(*world.keyed(0), world.groups(0), 0)
    reference.absorb(*world.keyed(0), world.groups(0), 0)
    assert np.isnan(truth[SWITCHING]).all() and np.isfinite(np.delete(truth, SWITCHING, 0)).all()
