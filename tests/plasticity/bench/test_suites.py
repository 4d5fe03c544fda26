"""The suites that are shipped say what they mean, and every part of them can be built."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

import plasticity
from plasticity.bench.contest import Contest
from plasticity.bench.results import TunedRate
from plasticity.bench.suite import FORMER, Budget, Suite, find, shipped
from plasticity.config import recipe
from plasticity.core.errors import ConfigError
from plasticity.core.stream import Stream
from plasticity.launch import cells
from plasticity.launch.validate import build_all
from plasticity.networks.matched import parameters

from .arena import suite

SIZES = {
    "v1/cpu-small": (4, 2, 8, 3),
    "v1/gpu": (6, 4, 12, 3),
    "cpu-small": (5, 2, 13, 5),
    "cpu-small-x8": (2, 1, 6, 5),
    "gpu": (9, 4, 21, 3),
}


@pytest.fixture(params=SIZES, scope="module")
def found(request: pytest.FixtureRequest) -> Suite:
    here = ("--hardware.accelerator=cpu", "--hardware.precision=32-true")
    return suite(Path(), *here, file=find(request.param))


def test_they_are_shipped() -> None:
    newest = {"v2/gpu", "v2/cpu-small", "v2/cpu-small-x8"}
    assert SIZES.keys() | newest == shipped().keys()
    assert shipped()["cpu-small"] == shipped()["v2/cpu-small"] != shipped()["v1/cpu-small"]
    home = Path(str(plasticity.__file__)).parent
    assert all(path.is_relative_to(home) for path in shipped().values())


def test_their_sizes(found: Suite, request: pytest.FixtureRequest) -> None:
    sizes = tuple(map(len, (found.streams, found.networks, found.strategies, found.seeds)))
    assert sizes == SIZES[request.node.callspec.params["found"]]


def test_every_part_is_built(found: Suite) -> None:
    """Every network in every world, every strategy once; and skill has a meaning in each."""
    worlds = [each for t in (True, False) for each in found.experiments("runs", t).values()]
    build_all(replace(worlds[0], networks=found.networks[:1]))
    for each in worlds:
        build_all(replace(each, strategies=found.strategies[:1]))
        stream = each.stream.build(seed=0)
        assert all(map(stream.holds, range(stream.regimes or 1)))


def test_no_world_answers_to_the_learner(found: Suite) -> None:
    """Else the observers' numbers would not be the same for all who face it."""
    for stream in (*found.streams.values(), *found.tuning.streams.values()):
        assert stream.cls.on_probe is Stream.on_probe


def test_their_networks_are_of_one_size(found: Suite) -> None:
    """Within 3 % of the first."""
    stream = next(iter(found.streams.values())).build(seed=0)
    given = {"vocab": stream.vocab, "symbols": stream.symbols}
    sizes = [parameters(network.build(**given)) for network in found.networks]
    assert all(abs(size / sizes[0] - 1) < 0.03 for size in sizes)


def test_the_whole_of_cpu_small(tmp_path: Path) -> None:
    contest = Contest(suite(tmp_path, file=find("v1/cpu-small")), str(tmp_path), 2)
    assert [who for who, how in contest.how.items() if how == "none"] == [
        ("Transformer", "Frozen"),
        ("LSTM", "Frozen"),
    ]
    tuning = contest.tuning()
    assert len(tuning) == 2 * 7 * 4 * 2 * 2  # networks, strategies, rates, worlds, seeds
    counted = contest.counted([TunedRate(*who, how, None, {}) for who, how in contest.how.items()])
    assert len(counted) == 4 * 2 * 8 * 3
    assert len(contest.networks()) == 2 * (3 * 3 + 2 * 2), "two worlds share their tunnel"
    assert len({each.cell(tmp_path).path for each in tuning + counted}) == len(tuning + counted)
    assert len(contest) == len(contest.networks()) + len(tuning) + len(counted)


def test_a_strategy_that_leaves_the_optimizer_nothing_has_no_rate(tmp_path: Path) -> None:
    words = (
        "--strategies=[{type: Kalman}, {type: Finetune}, {type: LoRA, lr: 0.1}]",
        "--streams.markov.probe=2",
    )
    contest = Contest(suite(tmp_path, *words), str(tmp_path), 1)
    assert [how for how in contest.how.values()] == ["none", "tuned", "own"]
    assert {each.strategy for each in contest.tuning()} == {"Finetune"}


def test_a_suite_is_another_if_anything_is_asked_otherwise(tmp_path: Path) -> None:
    plain = suite(tmp_path).hash
    for words in (
        "--stretch=4",
        "--seeds=[0, 2]",
        "--tuning.lrs=[0.1]",
        "--streams.markov.period=4",
        "--pretrain.lr=0.1",
        "--pretrain.tunnels=[{type: Bijection, size: 3}]",
        "--hardware.precision=bf16-mixed",
    ):
        assert suite(tmp_path, words).hash != plain
    for words in (
        "--contenders=[{type: EWC}]",
        "--name=other",
        "--hardware.threads=2",
        "--hardware.devices=2",
        "--pretrain.tunnels=[]",
        "--budget=null",
    ):
        assert suite(tmp_path, words).hash == plain


def test_what_is_published_rests_on_these_defaults() -> None:
    """The former hash is of every argument of the suite, but for those that came later.

    Who comes here with a new argument that changes no number puts it in YOUNGER, and here; who changed a default, or
    what an argument means, raises the suite's version, for its results are to be found again.
    """
    found = suite(Path(), file=find("v1/cpu-small"))
    former = json.loads(json.dumps(recipe.plain(found)))
    del former["hardware"]["devices"], former["pretrain"]["tunnels"], former["pretrain"]["meta"]
    del former["budget"], former["pretrain"]["episodes"], former["pretrain"]["checkpoints"]
    text = json.dumps(former, sort_keys=True).encode()
    assert FORMER == {found.hash: hashlib.sha256(text).hexdigest()[:16]}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--tuning.seeds=[1]", "tuning: seed 1 counts already"),
        ("--tuning.lrs=[0.1, 0.01]", "tuning.lrs: expected rates in ascending order"),
        ("--tuning.lrs=[]", "tuning.lrs: expected at least one"),
        ("--seeds=[]", "seeds: expected at least one"),
        ("--seeds=[0, 0]", "seeds: each seed once"),
        ("--streams={}", "streams: expected at least one"),
        ("--strategies=[{type: EWC}, {type: EWC}]", "strategies: EWC is there twice"),
        ("--name=a/b", "name: expected 1 to 100 printable bytes"),
        ("--nets=3", "unknown key 'nets'"),
        ("--budget={backwards: 2}", "Did you mean 'backward'"),
        ("--budget={backward: 0}", "budget.backward: expected"),
    ],
)
def test_a_suite_that_makes_no_sense_is_refused(words: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        suite(tmp_path, words)
    assert said in str(refused.value)


def test_one_world_is_pretrained_for_once(tmp_path: Path) -> None:
    contest = Contest(suite(tmp_path), str(tmp_path), 1)
    wanted = cells.networks([*contest.tuning(), *contest.tuning()])
    assert [name for name, _ in wanted.values()] == ["pretraining: held-out Transformer seed 100"]


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("{forward: 1, backward: 1, memory_bytes: 0}", None),
        ("{forward: 0.9}", "budget.forward: expected at most 0.9, got 1, by "),
        ("{backward: 0.5}", "budget.backward: expected at most 0.5, got 1, by .*Finetune"),
    ],
)
def test_a_budget_is_held_against_what_cells_measure(
    tmp_path: Path, budget: str, said: str | None
) -> None:
    """Frozen takes a forward pass alone, Finetune both, and neither remembers anything."""
    words = f"--budget={budget}", "--seeds=[0]"
    contest = Contest(suite(tmp_path, *words), str(tmp_path / "runs"), 1)
    if said is None:
        assert len(list(contest.run())) == len(contest)
    else:
        with pytest.raises(ConfigError, match=said):
            list(contest.run())


def test_a_budget_of_memory_is_in_bytes() -> None:
    assert Budget(memory_bytes=100).excess({"cost/memory_bytes": 100}) == []
    took = Budget(memory_bytes=100, backward=2.0).excess(
        {"cost/memory_bytes": 101, "cost/backward": 2.0}
    )
    assert took == [("memory_bytes", "expected at most 100, got 101")]
