"""A search: which trials are chosen, what they count for, and that a kill changes neither; all as ordinary runs."""

import re
import shlex
import sys
from pathlib import Path
from statistics import fmean

import polars as pl
import pytest

import plasticity
from plasticity import Batch, Learner, Prediction, Strategy
from plasticity.cli.common import contracts
from plasticity.launch.sweep import planned

from ...calling import Call, begun, refused
from .test_sweep import finished, tables, until

pytest.importorskip("optuna")
BASE = """\
experiment: good.yaml
set: {"stream.probe": 2, strategies: [{type: Finetune}]}
"""
SEARCH = f"""\
{BASE}space:
  optimizer: {{choices: [{{type: SGD}}, {{type: AdamW}}]}}
  optimizer.lr: {{low: 1.0e-3, high: 1.0, log: true}}
sampler: {{type: tpe, trials: 13}}
seeds: [0]
"""


def search(text: str = SEARCH) -> None:
    Path("search.yaml").write_text(text)


def trials(folder: str = "runs") -> pl.DataFrame:
    """One row per cell, in the order of the trials."""
    return pl.read_csv(f"{folder}/tiny-sweep/sweep.csv").sort("trial", "seed")


def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(call: Call) -> None:
    """In the middle of a batch; past the trials that are chosen at random. And more trials begin with the fewer."""
    search()
    process = begun("sweep", "search.yaml", "--jobs", "1")
    try:
        until(lambda: len(finished(Path("runs"))) >= 6)
    finally:
        process.kill()
        process.join()
    before = finished(Path("runs"))
    assert len(before) < 13
    again = call("sweep", "search.yaml", "--jobs", "1")
    assert again.code == 0 and f"{13 - len(before)} of 13 cells done now" in again.out, again
    assert finished(Path("runs")).items() >= before.items()
    search(SEARCH.replace("trials: 13", "trials: 6"))
    assert call("sweep", "search.yaml", "--jobs", "1", "--to", "quiet").code == 0
    search()
    more = call("sweep", "search.yaml", "--jobs", "1", "--to", "quiet")
    assert "7 of 13 cells done now" in more.out
    keys = ["run", "trial", "objective", "best", "optimizer", "optimizer.lr", "seed", "skill"]
    found = trials().select(keys)
    assert found["trial"].to_list() == [*range(13)] and found["objective"].n_unique() > 10
    assert found.equals(trials("quiet").select(keys))
    undisturbed = tables(Path("quiet"))
    for name, table in tables(Path("runs")).items():
        assert table.equals(undisturbed[name], null_equal=True), name


def test_the_best_is_by_the_mean_over_seeds_and_its_line_runs_it(call: Call) -> None:
    """What diverges is the worst, whichever direction is better; what is chosen twice is done once."""
    dimension = "optimizer.lr: {choices: [0.01, 0.3, 1.0e+30]}"
    text = (
        BASE.replace("set: {", "set: {optimizer: {type: SGD}, ")
        + f"space: {{{dimension}}}\nseeds: [0, 1]\n"
    )
    sampler = "{type: random, trials: 8, objective: kl/model, direction: minimize, seed: 2}"
    search(f"{text}sampler: {sampler}\n")
    done = call("sweep", "search.yaml", "--jobs", "1", "--stream.steps=12")
    assert done.code == 0, done
    assert len(finished(Path("runs"))) == 6
    found = trials()
    for _, cells in found.group_by("run"):
        (value,) = cells["objective"].unique()
        lost = cells["optimizer.lr"][0] == 1e30
        assert (value is None) == lost == (cells["diverged/step"].null_count() < 2)
        assert lost or value == pytest.approx(fmean(cells["kl/model"]))
    best = found.filter("best")
    assert len(best) == 2 and best["objective"][0] == found["objective"].min()
    assert f"best: trial {best['trial'][0]} (" in done.out
    (line,) = re.findall("^to run it: (.*)$", done.out, re.M)
    program, *words = shlex.split(line)
    assert program == "plasticity" and "--stream.steps=12" in words
    assert call(*words, "--run-dir", "alone").code == 0
    alone = plasticity.load("alone").summary
    assert fmean(alone["kl/model"]) == best["objective"][0]


class Spoiled(Strategy):
    """Fails."""

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        raise RuntimeError("as it was told")


def test_what_fails_or_cannot_be_built_is_named_and_the_search_goes_on(call: Call) -> None:
    """What is not an end of a dimension is built when it is chosen: here, odd widths cannot be."""
    text = BASE + "seeds: [0]\n"
    search(
        f"{text}space:\n  network.width: {{choices: [8, 9]}}\n  network.heads: {{choices: [1, 3]}}\n"
        "sampler: {type: random, trials: 8}\n"
    )
    told = refused(call, "validate", "search.yaml")
    assert "width 8 does not divide into 3 heads" in told
    search(
        f"{text}space:\n  network.width: {{low: 12, high: 14}}\n  network.heads: {{low: 1, high: 2}}\n"
        "  strategies.0: {choices: [{type: Finetune}, {type: Spoiled}]}\n"
        "sampler: {type: random, trials: 12}\n"
    )
    done = call("sweep", "search.yaml", "--jobs", "1", "--retries", "0")
    assert done.code == 1 and "Spoiled-seed0: RuntimeError: as it was told" in done.err, done
    said = "network.width=13, .* cannot be built, and counts as the worst: "
    assert re.search(said, done.err)
    assert "best: trial" in done.out and "Finetune" in done.out
    assert set(trials().filter(pl.col("done"))["label"]) == {"Finetune"}


def test_without_its_package_it_says_what_to_install(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    search()
    assert call("validate", "search.yaml").out == (
        "search.yaml: fine, a search of 13 trials, 13 cells at most\n"
    )
    monkeypatch.setitem(sys.modules, "optuna", None)
    told = refused(call, "sweep", "search.yaml")
    assert told == "sampler: expected its package: pip install 'plasticity-testbed[optuna]'\n"


LR = "optimizer.lr: {low: 0.1, high: 1.0}"
CHOSEN = "sampler: {type: tpe, trials: 2}"


@pytest.mark.parametrize(
    ("text", "told"),
    {
        f"space: {{{LR}}}": ":3:8: space: expected a `sampler` beside it",
        f"grid: {{stretch: [1]}}\n{CHOSEN}": ":4:10: sampler: expected a `space` beside it",
        f"space: {{{LR}}}\npoints: [{{stretch: 1}}]\n{CHOSEN}": "`choices` take their place",
        f"space: {{optimiser.lr: {{low: 1, high: 2}}}}\n{CHOSEN}": "Did you mean 'optimizer'?",
        f"space: {{optimizer.lr: {{lo: 1, high: 2}}}}\n{CHOSEN}": ":3:24: space.optimizer.lr.lo: unknown key 'lo'. "
        "Did you mean 'low'?",
        f"space: {{optimizer.lr: {{low: 2}}}}\n{CHOSEN}": "expected `low` and `high`, or `choices`",
        f"space: {{optimizer.lr: {{low: 2, high: 1}}}}\n{CHOSEN}": "high: expected more than low (2), got 1",
        f"space: {{optimizer.lr: {{low: 0, high: 1, log: true}}}}\n{CHOSEN}": "low: expected a number above 0",
        f"space: {{stretch: {{low: 1, high: 8, step: 2}}}}\n{CHOSEN}": "step: expected whole steps from 1 to 8, got 2",
        f"space: {{stretch: {{low: 0, high: 8}}}}\n{CHOSEN}": ":3:18: space.stretch: stretch: expected an integer of 1",
        f"space: {{seeds: {{choices: [[1]]}}}}\n{CHOSEN}": "space: 'seeds' is not varied",
        f"space: {{{LR}}}\nsampler: {{type: tpee, trials: 2}}": ":4:17: sampler.type: expected one of 'random', 'tpe', "
        "got 'tpee'. Did you mean 'tpe'?",
        f"space: {{{LR}}}\nsampler: {{type: tpe}}": "missing key 'trials'",
        f"space: {{{LR}}}\nsampler: {{type: tpe, trials: 2, objective: skil}}": "got 'skil'. Did you mean 'skill'?",
    }.items(),
)  # fmt: skip
def test_what_is_wrong_with_a_search_is_said_at_its_place(text: str, told: str, call: Call) -> None:
    search(f"experiment: good.yaml\nset: {{strategies: [{{type: Finetune}}]}}\n{text}\n")
    said = refused(call, "validate", "search.yaml")
    assert said.startswith("search.yaml:") or "command line" in said
    assert told in said


def test_one_strategy_is_searched_for(call: Call) -> None:
    search(SEARCH.replace(", strategies: [{type: Finetune}]", ""))
    told = refused(call, "sweep", "search.yaml")
    assert "sampler: expected one network and one strategy" in told and "got 2 of both" in told


def test_folders_are_called_by_what_tells_their_values_apart(call: Call) -> None:
    """And found again beside other values, where they would be called otherwise."""
    tunnels = "tunnels: [{type: Markov, symbols: 3, concentration: 0.5}]"
    worlds = [
        f"{{type: Recurring, {tunnels}, period: 5, steps: 10}}",
        f"{{type: Hazard, {tunnels}, hazard: 0.1, steps: 10}}",
        f"{{type: Hazard, {tunnels}, hazard: 0.2, steps: 10}}",
    ]

    def planned_for(*streams: str) -> list[Path]:
        listed = "".join(f"\n    - {each}" for each in streams)
        search(f"experiment: good.yaml\ngrid:\n  stream:{listed}\n")
        return [point.run.path for point in planned(Path("search.yaml"), [], contracts())[1]]

    two = planned_for(*worlds[:2])
    assert [re.sub("-[0-9a-f]{8}$", "", p.name) for p in two] == [
        "stream=Recurring",
        "stream=Hazard",
    ]
    three = planned_for(*worlds)
    assert [re.sub("-[0-9a-f]{8}$", "", p.name) for p in three[1:]] == [
        "stream=Hazard(hazard=0.1)",
        "stream=Hazard(hazard=0.2)",
    ]
    assert len({*three}) == 3
    two[1].mkdir(parents=True)
    assert planned_for(*worlds) == [two[0], two[1], three[2]]
