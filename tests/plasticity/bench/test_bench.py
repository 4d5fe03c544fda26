"""The benchmark does each cell once, whatever happens, and takes the rates that did best where nothing counts."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plasticity import recipe
from plasticity.bench.contest import Contest, best
from plasticity.bench.results import BenchResults
from plasticity.config import plugins
from plasticity.config.recipe import plain
from plasticity.launch import cells
from plasticity.launch import run as launch
from plasticity.metrics.summary import summarise
from strategies import Chain, Finetune

from ...calling import begun
from .arena import TINY, suite


def numbers(results: BenchResults) -> list[dict[str, Any]]:
    """Of every cell, timings aside."""
    return [{k: v for k, v in plain(c).items() if k != "ms_per_step"} for c in results.cells]


@pytest.fixture(scope="module")
def contest(tmp_path_factory: pytest.TempPathFactory) -> Contest:
    """The tiny suite, run."""
    folder = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("plasticity.observers.reference.SAMPLE", 512)
        made = Contest(suite(folder), str(folder / "runs"), 1)
        done = list(made.run())
    assert len(done) == len(made) == 3 + 2 + 4  # networks, rates of Finetune, cells
    assert not any(each.kept for each in done)
    return made


def test_every_cell_is_there_and_says_what_its_record_says(contest: Contest) -> None:
    results = contest.results()
    assert [(c.strategy, c.seed) for c in results.cells] == [
        ("Frozen", 0),
        ("Finetune", 0),
        ("Frozen", 1),
        ("Finetune", 1),
    ]
    for case, score in zip(contest.counted(contest.choices()), results.cells, strict=True):
        steps = case.cell(contest.places).steps.read()
        assert len(steps) == 20 and score.ms_per_step > 0
        bits = {who: steps[f"kl/{who}"].to_numpy().mean() for who in score.kl}
        assert score.kl == pytest.approx(bits)
        gap = bits["amnesic"] - bits["continual"]
        assert score.skill == pytest.approx((bits["amnesic"] - bits["model"]) / gap)


def test_what_is_done_is_not_done_again(contest: Contest, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it was done already")

    made = {p: p.stat().st_mtime_ns for p in contest.folder.parent.parent.rglob("*.p*")}
    monkeypatch.setattr(launch, "run_cell", never)
    monkeypatch.setattr("plasticity.engine.pretrain.pretrained", never)
    again = Contest(contest.suite, contest.out, 1)
    done = list(again.run())
    assert len(done) == 9 and all(each.kept for each in done)
    assert made == {p: p.stat().st_mtime_ns for p in contest.folder.parent.parent.rglob("*.p*")}
    assert numbers(again.results()) == numbers(contest.results())


def test_a_contender_costs_its_own_cells_only(
    contest: Contest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plasticity.observers.reference.SAMPLE", 512)
    folder = Path(contest.out).parent
    words = "--contenders=[{type: L2Init, strength: 0.1}, {type: Finetune, lr: 0.02}]"
    joined = Contest(suite(folder, words), contest.out, 1)
    new = [each.name for each in joined.run() if not each.kept]
    l2 = [f"held-out Transformer L2Init lr {lr} seed 100" for lr in ("0.0001", "0.01")]
    assert new[:2] == l2 and len(new) == 2 + 4
    results = joined.results()
    assert results.contenders == ["L2Init", "Finetune(lr=0.02)"]
    assert results.suite == contest.results().suite, "they are no part of the suite"
    own = {c.lr for c in results.cells if c.strategy == "Finetune(lr=0.02)"}
    assert own == {None}
    mine = [c for c in numbers(results) if c["strategy"] in ("Frozen", "Finetune")]
    assert mine == numbers(contest.results())


def test_the_rate_is_the_one_that_did_best_where_nothing_counts(contest: Contest) -> None:
    frozen, finetune = contest.choices()
    assert (frozen.how, frozen.lr, frozen.skills) == ("none", None, {})
    found: dict[float, float] = {}
    for case in contest.tuning():
        assert (case.seed, case.stream, case.strategy) == (100, "held-out", "Finetune")
        cell = case.cell(contest.places)
        skill = summarise(cell.steps.read(), cell.probes.read())["skill"]
        assert case.lr is not None
        found[case.lr] = skill
    assert len({*found.values()}) == 2
    assert finetune.lr == max(found, key=lambda lr: found[lr])
    assert finetune.skills == {f"{lr:g}": pytest.approx(s) for lr, s in found.items()}


def test_ties_go_to_the_lowest_rate_and_the_undefined_never_wins() -> None:
    assert best({1e-3: 0.5, 1e-2: 0.5, 1e-1: 0.4}) == 1e-3
    assert best({1e-3: None, 1e-2: -3.0}) == 1e-2
    assert best({1e-3: None, 1e-2: None}) == 1e-3
    assert best({}) is None


def test_a_cell_is_named_by_all_that_decides_its_numbers(contest: Contest) -> None:
    case = contest.counted(contest.choices())[1]
    e = case.experiment
    changed = [
        replace(e, seed=7),
        replace(e, stretch=4),
        replace(e, announce_shifts=False),
        replace(e, strategy=contest.suite.strategies[0]),
        replace(e, stream=replace(e.stream, args=e.stream.args | {"period": 4})),
        replace(e, optimizer=replace(e.optimizer, args={"lr": 0.5})),
    ]
    places = [case._replace(experiment=each).cell(Path()).path for each in (e, *changed)]
    assert len({*places}) == 1 + len(changed)
    same = [replace(e, name="another"), replace(e, out="elsewhere")]
    assert {case._replace(experiment=each).cell(Path()).path for each in same} == {places[0]}


class Deep(Finetune):
    """Of this file, and so a stranger to the packages."""


def test_a_cell_is_named_by_the_code_that_is_not_ours(
    contest: Contest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours by its format, which changes where numbers do; a stranger's by its text, that of its ancestors too."""
    case = contest.counted(contest.choices())[1]
    assert case.inputs()["code"] == {"format": plugins.FORMAT, "sources": {}}

    class Deeper(Deep):
        """A stranger's child."""

    foreign = case._replace(experiment=replace(case.experiment, strategy=recipe(Deeper)))
    nested = recipe(Chain, parts=[recipe(Deeper)])
    for each in (foreign, case._replace(experiment=replace(case.experiment, strategy=nested))):
        assert each.inputs()["code"]["sources"].keys() == {
            plugins.full_name(cls) for cls in (Deep, Deeper)
        }
    text = dict(plugins.code_identity([Deeper])["sources"])
    places = [case.cell(Path()).path, foreign.cell(Path()).path]
    monkeypatch.setattr(plugins, "_source", lambda cls: text[plugins.full_name(cls)])
    assert foreign.cell(Path()).path == places[1]
    text[plugins.full_name(Deep)] = "another"
    places.append(foreign.cell(Path()).path)
    monkeypatch.setattr(plugins, "FORMAT", plugins.FORMAT + 1)
    places += [case.cell(Path()).path, foreign.cell(Path()).path]
    assert len({*places}) == len(places)


def test_killed_and_run_again_gives_what_nobody_killed(tmp_path: Path) -> None:
    """SIGKILL within a cell, to the leader alone; its workers end with it, and the rest is done here."""
    longer = "--streams.markov.steps=60"
    (tmp_path / "tiny.yaml").write_text(TINY.replace("steps: 20", "steps: 60"))
    words = ("--jobs", "2", "--out", tmp_path / "cut")
    process = begun("bench", tmp_path / "tiny.yaml", *words)
    places, deadline = tmp_path / "cut/bench/tiny/cells", time.monotonic() + 300
    while not (cut := [*places.glob("*/checkpoint.*")]):
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    process.join()
    with cells.alone(cut[0].parent):  # what a worker of it was in, it has left
        pass
    assert not (tmp_path / "cut/bench/tiny/results.json").exists()
    resumed = Contest(suite(tmp_path, longer), str(tmp_path / "cut"), 1)
    whole = Contest(suite(tmp_path, longer), str(tmp_path / "whole"), 1)
    kept = [each.kept for each in resumed.run()]
    assert any(kept) and not all(kept)
    assert not any([each.kept for each in whole.run()])
    assert numbers(resumed.results()) == numbers(whole.results())
    assert plain(resumed.choices()) == plain(whole.choices())
    assert sorted(p.name for p in places.iterdir()) == sorted(
        p.name for p in whole.places.iterdir()
    )


def test_two_are_never_in_one_cell(tmp_path: Path) -> None:
    inside = threading.Event()

    def enter() -> None:
        with cells.alone(tmp_path):
            inside.set()

    with cells.alone(tmp_path):
        other = threading.Thread(target=enter)
        other.start()
        assert not inside.wait(0.1)
    other.join(10)
    assert inside.is_set()
