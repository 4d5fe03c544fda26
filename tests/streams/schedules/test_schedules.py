"""Every schedule keeps the contract of a stream: pure, seekable, endless where it can be, and a YAML's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch.utils.data import DataLoader, TensorDataset

from plasticity import AnswerKey, Batch, Recipe, Stream, Tunnel, recipe
from plasticity.config.schema import parse
from plasticity.config.yaml_source import Located
from plasticity.observers.reference import ReferencePredictors
from streams.schedules.adversarial import Adversarial
from streams.schedules.compositional import Compositional
from streams.schedules.from_file import FromFile
from streams.schedules.gradual import Cyclic, Gradual
from streams.schedules.nested import Nested
from streams.schedules.random import Growing, Hazard
from streams.schedules.recurring import Abrupt, Recurring
from streams.tunnels.markov import Markov

from ..exact import faced

SMALL: dict[type[Stream], dict[str, Any]] = {
    Recurring: {"regimes": 3, "period": 4},
    Abrupt: {"period": 4},
    Gradual: {"regimes": 3, "period": 6, "slide": 5},
    Cyclic: {"regimes": 3, "period": 5},
    Hazard: {"regimes": 3, "hazard": 0.3},
    Growing: {"regimes": 3, "period": 8, "visit": 3},
    Nested: {"groups": 2, "members": 3, "slow": 12, "fast": 2},
    Compositional: {"period": 4, "order": "random"},
    Adversarial: {"regimes": 3, "period": 5},
    FromFile: {"file": "regimes.csv"},
}
STEPS, FAR = 24, 10**6
every = pytest.mark.parametrize("kind", SMALL, ids=lambda kind: kind.__name__)
endless = pytest.mark.parametrize(
    "kind", [kind for kind in SMALL if kind is not FromFile], ids=lambda kind: kind.__name__
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("regimes.csv").write_text("regime,steps\n2,5\n0,9\n1,10\n")


def make(kind: type[Stream], **changes: Any) -> Stream:
    """A small world, which has been told of probes."""
    args: dict[str, Any] = {"steps": STEPS, "batch": 4, "time": 3, "probe": 3, "seed": 7}
    world = kind([Markov(2, 0.5)], **(SMALL[kind] | args | changes))
    world.on_probe(0, {0: 0.3, 1: 0.9, 2: 0.5, -1: 2.0})
    return world


def same(one: tuple[Batch, AnswerKey], other: tuple[Batch, AnswerKey]) -> bool:
    """To the bit, and their answer keys too."""
    tensors, others = ([*batch, *key[:-1]] for batch, key in (one, other))
    return all(map(torch.equal, tensors, others)) and one[1].weights == other[1].weights


@every
def test_it_builds_with_its_defaults(kind: type[Stream]) -> None:
    needed = {k: v for k, v in SMALL[kind].items() if k == "file"}
    world = kind([Markov()], **needed)
    world.on_probe(0, dict.fromkeys(range(3), 1.0))
    assert len(world) == world.steps
    assert world[0].inputs.shape == (8, 32) and world.keyed(len(world) - 1)[1].regime.shape == (8,)


@every
def test_a_batch_is_a_pure_function_of_the_step(kind: type[Stream]) -> None:
    one, other = make(kind), make(kind)
    late = {step: one.keyed(step) for step in reversed(range(STEPS))}
    assert all(same(late[step], other.keyed(step)) for step in range(STEPS))
    assert not torch.equal(late[3][0].inputs, make(kind, seed=8)[3].inputs)


@every
def test_workers_change_nothing(kind: type[Stream]) -> None:
    world = make(kind)
    alone, shared = (
        DataLoader(
            TensorDataset(torch.arange(6)),
            collate_fn=lambda rows: world.keyed(int(rows[0][0])),
            num_workers=workers,
        )
        for workers in (0, 2)
    )
    assert all(same(a, b) for a, b in zip(alone, shared, strict=True))


@every
def test_a_recipe_survives_yaml(kind: type[Stream]) -> None:
    @dataclass
    class World:
        stream: Recipe[Stream]

    args = SMALL[kind] | {"steps": STEPS, "batch": 4, "time": 3, "probe": 3}
    tunnel = recipe(Markov, symbols=2, concentration=0.5)
    tree = {"stream": recipe(kind, tunnels=[tunnel], **args).resolved()}
    read = parse(World, Located(yaml.safe_load(yaml.safe_dump(tree))), [Stream, Tunnel]).stream
    world = read.build(seed=7)
    world.on_probe(0, {0: 0.3, 1: 0.9, 2: 0.5, -1: 2.0})
    assert read.cls is kind and same(world.keyed(11), make(kind).keyed(11))


@every
def test_regimes_laws_and_shifts_agree(kind: type[Stream]) -> None:
    """What is live has weight; the law sums to 1; a shift is where what is live differs, unless they are mixed."""
    world = make(kind)
    law = None
    for step in range(STEPS):
        live, law = world.live(step), world.prior(step, law)
        assert live.dtype == np.int64 and live.shape == (4,)
        assert world.regimes is not None and 0 <= live.min() and live.max() < world.regimes
        if law is not None:
            assert sum(law.values()) == pytest.approx(1) and all(law[r] > 0 for r in live.tolist())
        if not world.mixes:
            assert len(set(live)) == 1
            moved = step > 0 and live[0] != world.live(step - 1)[0]
            assert world.shifts(step) == moved
    assert (law is None) == (kind is Adversarial)


@every
def test_what_is_over_never_comes_back(kind: type[Stream]) -> None:
    world, after = make(kind), set[int]()
    for step in reversed(range(STEPS)):
        assert not any(world.retired(regime, step) for regime in after)
        if kind in (Abrupt, Compositional, FromFile) and world.regimes:  # and what does not is over
            assert {r for r in range(world.regimes) if world.retired(r, step)} >= set(
                world.live(step).tolist()
            ) - after
        after |= set(world.live(step).tolist())
    assert kind in (Abrupt, Compositional, FromFile) or not world.retired(0, 5)


@endless
def test_a_stream_may_have_no_end(kind: type[Stream]) -> None:
    world = make(kind, steps=None)
    with pytest.raises(TypeError, match="endless"):
        len(world)
    assert same(world.keyed(FAR), make(kind, steps=None).keyed(FAR))


@endless
def test_to_seek_costs_no_more_than_to_begin(
    kind: type[Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in generators that are seeded, of which each block of draws takes one."""
    seeded, original = [], Stream.rng

    def counted(self: Stream, purpose: int, index: int) -> np.random.Generator:
        seeded.append((purpose, index))
        return original(self, purpose, index)

    world = make(kind, steps=None)
    monkeypatch.setattr(Stream, "rng", counted)
    for step in (0, FAR):
        seeded.clear()
        _ = world[step]
        assert 1 <= len(seeded) <= 12


@pytest.mark.parametrize("kind", [Abrupt, Compositional])
def test_memory_stays_flat_over_a_thousand_regimes(kind: type[Stream]) -> None:
    world = make(kind, period=1, steps=None, batch=1)
    reference = ReferencePredictors(world)
    sizes = []
    for step in range(1000):
        reference.absorb(*faced(world, step))
        sizes.append(len(reference.memory))
    assert (
        max(sizes) == sizes[-1] <= 18
    )  # sixteen are probed, one is live, and one may have an heir
    assert 999 in reference.memory


def test_where_nothing_returns_there_are_as_many_regimes_as_visits() -> None:
    for kind in (Recurring, Gradual):
        assert make(kind, regimes=None, steps=23, period=6).regimes == 4
    assert make(Abrupt, steps=23, period=6).regimes == 4
    assert make(Growing, regimes=None, steps=23, period=6).regimes == 4
    assert make(Recurring, regimes=None, steps=None, period=6).live(600)[0] == 100
    assert make(Recurring, regimes=None, steps=None, period=6).retired(3, 23)
    assert not make(Recurring, regimes=None, steps=None, period=6).retired(3, 22)
