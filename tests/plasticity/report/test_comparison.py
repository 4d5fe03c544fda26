"""Differences are those of a paired t test, and only what met the same world is paired."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from plasticity.report.compare_page import write
from plasticity.report.comparison import cells, compared, titles
from plasticity.report.run_report import answer, read
from plasticity.results.store import Cell

from ...calling import Call, refused
from ..results.runs import made, spoil

FLAGSHIP = Path(__file__).parents[3] / "experiments" / "cpu-small.json"
OLD = {"Frozen": [0.0, 0.01, -0.02], "EWC": [0.30, 0.52, 0.71]}
NEW = {"EWC": [0.410, 0.631, 0.819], "Replay": [0.35, 0.58, 0.77]}


def test_differences_are_those_of_a_paired_t_test(tmp_path: Path) -> None:
    """Skills that differ more from seed to seed than between runs: unpaired, nothing would be sure."""
    runs = [made(tmp_path / "old", OLD), made(tmp_path / "new", NEW, name="other", lr=0.01)]
    found = compared(runs, "EWC")
    assert found.names == ["world", "other"]
    assert found.against.title == "EWC (world)"
    apart = found.differences("skill")["EWC (other)"]
    assert apart is not None
    np.testing.assert_allclose(apart.values, np.subtract(NEW["EWC"], OLD["EWC"]), atol=1e-9)
    p = stats.ttest_rel(NEW["EWC"], OLD["EWC"])[1]
    assert apart.sure and apart.p == pytest.approx(10 * p), "the smallest of 4 strategies and 0"
    assert np.asarray(stats.ttest_ind(NEW["EWC"], OLD["EWC"]))[1] > 0.5
    table = {line[0]: dict(zip(titles(found), line, strict=True)) for line in cells(found)}
    assert [*table] == ["EWC (other)", "Replay", "EWC (world)", "Frozen"]  # the best first
    half = stats.t.ppf(0.975, 2) * stats.sem(np.subtract(NEW["EWC"], OLD["EWC"]))
    assert table["EWC (other)"]["Δ skill"] == f"+0.11±{half:.2f}"
    assert table["EWC (other)"]["surely differs"] == "yes"
    assert table["EWC (world)"]["Δ skill"] == ""
    gained = [0.1 - (1 + s / 10 - v * (0.9 + s / 10)) for s, v in enumerate(NEW["EWC"])]
    lost = [0.1 - (1 + s / 10 - v * (0.9 + s / 10)) for s, v in enumerate(OLD["EWC"])]
    bits = found.differences("kl_return")["EWC (other)"]
    assert bits is not None
    np.testing.assert_allclose(bits.values, np.subtract(lost, gained), atol=1e-9)


def test_the_same_strategy_run_by_run_and_what_differs(tmp_path: Path) -> None:
    runs = [made(tmp_path / "old", OLD), made(tmp_path / "new", NEW, lr=0.01)]
    text = (runs[1].path / "experiment.yaml").read_text()
    runs[1].begin(text, {"commit": "def", "packages": {"torch": "2"}})
    found = compared(runs)
    assert found.names == ["old", "new"] and found.against.title == "EWC (new)"
    assert [told for told, _ in found.again()] == ["EWC (new) less EWC (old)"]
    changes = dict(found.changes)
    assert changes["optimizer.lr"] == ["0.001", "0.01"]
    assert changes["environment.commit"] == ["abc", "def"]
    assert changes["strategy Frozen.type"] == ["Frozen", "-"]
    assert not any(key.startswith("stream") or "torch" in key for key in changes)


def test_other_worlds_are_not_paired_and_the_difference_is_named(tmp_path: Path) -> None:
    runs = [made(tmp_path / "old", OLD), made(tmp_path / "new", NEW, period=30)]
    found = compared(runs, "Frozen")
    assert found.differences("skill")["EWC (new)"] is None
    assert found.unpaired == [
        "new: not paired with old, it is another world: stream.period is 30, not 20"
    ]
    assert "EWC (new)" not in found.verdict.answer + found.verdict.because
    text = write(found, tmp_path / "page.html").read_text()
    assert "stream.period is 30, not 20" in text and "not paired" in text


def test_seeds_of_one_only_are_left_out_and_named(tmp_path: Path) -> None:
    runs = [made(tmp_path / "old", OLD), made(tmp_path / "new", NEW, seeds=[2, 1, 5])]
    found = compared(runs, "EWC (old)")
    apart = found.differences("skill")["EWC (new)"]
    assert apart is not None
    np.testing.assert_allclose(apart.values, [0.41 - 0.71, 0.631 - 0.52], atol=1e-9)
    assert found.unpaired == ["new: seeds 0, 5 left out, EWC (old) and it do not both have them"]


def test_other_batches_under_one_recipe_are_found_by_their_observers(tmp_path: Path) -> None:
    """The recipe and the seed are the same, the code that draws is not."""
    runs = [made(tmp_path / "old", OLD), made(tmp_path / "new", NEW)]
    cell = Cell(runs[1].path / "cells" / "EWC-seed1")
    cell.end(cell.summary | {"kl/amnesic": 0.9})
    found = compared(runs, "EWC (old)")
    apart = found.differences("skill")["EWC (new)"]
    assert apart is not None and len(apart.values) == 2
    assert len(found.unpaired) == 1
    assert re.match(
        r"EWC \(new\): seed 1 is not paired, other batches were met: 80 steps, ideals at 0.9 and "
        r"0.1 bits; EWC \(old\): 80 steps, ideals at 1.1 and 0.1 bits",
        found.unpaired[0],
    )


def test_a_run_against_itself_and_twice(tmp_path: Path) -> None:
    run = made(tmp_path / "old", OLD)
    found = compared([run, run])
    assert [c.title for c in found.contenders] == ["Frozen", "EWC"]
    assert found.unpaired == [] and found.changes == [] and not [*found.again()]
    assert found.verdict.answer.startswith("No strategy is surely ahead; EWC leads")


def test_who_diverged_under_one_seed_is_nowhere_judged_by_the_others(tmp_path: Path) -> None:
    """Neither in the table nor in the verdict, in one run or in several; and it is said when it happened."""
    runs = [made(tmp_path / "old", OLD), made(tmp_path / "new", {"Replay": [0.9, 0.91, 0.92]})]
    spoil(runs[1], "Replay", 2, 36)
    found = compared(runs)
    assert found.against.title == "EWC"
    table = {line[0]: dict(zip(titles(found), line, strict=True)) for line in cells(found)}
    assert [*table] == ["EWC", "Frozen", "Replay"]
    assert table["Replay"]["skill"] == "diverged at 36"
    assert {table["Replay"][f"Δ {name}"] for name in ("skill", "gain", "KL return")} == {"-"}
    assert table["Replay"]["surely differs"] == "-" and table["Replay"]["pairs"] == "0"
    assert "Replay diverged (seed 2 at step 36)." in found.verdict.because
    assert "Replay" not in found.verdict.answer
    alone = answer(read(runs[1]))
    assert (alone.answer, alone.sure) == ("Every strategy diverged", False)


def test_gain_is_held_against_the_frozen_network_of_the_same_run(tmp_path: Path) -> None:
    """Of constant bits: skill s beside a frozen network of skill f is gain (s - f) / (1 - f)."""
    runs = [made(tmp_path / "old", OLD), made(tmp_path / "new", NEW)]
    table = {c.title: [*c.values("gain").values()] for c in compared(runs).contenders}
    wanted = [(s - f) / (1 - f) for s, f in zip(OLD["EWC"], OLD["Frozen"], strict=True)]
    assert table["EWC (old)"] == pytest.approx(wanted)
    assert table["Frozen"] == pytest.approx([0, 0, 0])
    assert table["EWC (new)"] == [], "Frozen did not run beside it"


def test_unknown_and_empty(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no run has a strategy 'ECW'\. Did you mean 'EWC'\?"):
        compared([made(tmp_path / "old", OLD)], "ECW")
    with pytest.raises(ValueError, match="There are: Frozen, EWC$"):
        compared([made(tmp_path / "old", OLD)], "zzzzzz")
    with pytest.raises(ValueError, match="nothing is stored yet"):
        compared([made(tmp_path / "new", {})])


def test_the_command_prints_and_writes(call: Call, tmp_path: Path) -> None:
    made(Path("old"), OLD)
    made(Path("new"), NEW, seeds=[1, 2, 3])
    done = call("compare", "old", "new", "--against", "EWC (old)", "--export", "out")
    assert done.code == 0, done
    assert "Replay" in done.out and "surely" in done.out and "compare.html" in done.out
    assert "seeds 0, 3 left out" in done.err
    assert "Which strategy?" in Path("compare.html").read_text()
    assert {
        "skill.svg",
        "skill.pdf",
        "differences.csv",
        "differences.tex",
        "difference-in-skill.csv",
    } <= {p.name for p in Path("out").iterdir()}
    assert "Did you mean 'Replay'?" in refused(call, "compare", "old", "new", "--against=Repaly")
    assert "expected the folder of a run" in refused(call, "compare", "old", "nw")


@pytest.mark.parametrize(
    "words", [("report", "old"), ("compare", "old", "old2"), ("bench", "board", str(FLAGSHIP))]
)
def test_where_nothing_can_be_written_one_line_says_so(words: tuple[str, ...], call: Call) -> None:
    """A file in the place of a folder, and a folder in the place of a file."""
    made(Path("old"), OLD)
    made(Path("old2"), OLD)
    Path("file").touch()
    Path("folder").mkdir()
    assert "file: File exists" in refused(call, *words, "--to", "file/page.html")
    assert "folder: Is a directory" in refused(call, *words, "--to", "folder")
    if words[0] != "bench":
        done = call(*words, "--export", "file")  # the page is written all the same
        assert (done.code, done.err) == (2, "file: File exists\n"), done


def test_the_report_answers_and_exports(call: Call) -> None:
    made(Path("old"), {"Replay": [0.20, 0.41, 0.60], "EWC": [0.30, 0.50, 0.71]})
    done = call("report", "old", "--export", "out")
    assert done.code == 0, done
    assert "EWC: skill 0.50 ± " in done.out and "Surely ahead of the next, Replay" in done.out
    assert Path("out/numbers.csv").exists()
    made(Path("new"), NEW)
    assert "plasticity compare old new" in call("report", "old", "new").out
