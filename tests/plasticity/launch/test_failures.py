"""One bad cell stops no other; a run folder is taken up only as it was written, by one process at a time."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import plasticity
from plasticity import Stream
from plasticity.observers.reference import ReferencePredictors
from plasticity.results.store import Cell, Run
from strategies import Finetune

from ...calling import Call
from ...chaos.worlds import differing, record

RUN = ("run", "good.yaml", "--run-dir", "run", "--stream.steps=40")


def falls(monkeypatch: pytest.MonkeyPatch, error: BaseException, step: int) -> None:
    """Finetune raises this after this step."""

    def after_batch(self: Any, learner: Any, batch: Any) -> None:
        if learner.step == step:
            raise error

    monkeypatch.setattr(Finetune, "after_batch", after_batch)


@pytest.fixture
def right(call: Call) -> dict[str, Any]:
    """The numbers of a run that nothing happened to."""
    assert call("run", "good.yaml", "--run-dir", "whole", "--stream.steps=40").code == 0
    return record(Run(Path("whole")))


@pytest.fixture
def cut(call: Call, right: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Cell:
    """The cell of a run that failed in its 23rd step, four stretches after it began."""
    with monkeypatch.context() as patched:
        falls(patched, ValueError("the plugin is wrong"), 22)
        assert call(*RUN, "--strategies=[{type: Finetune}, {type: Frozen}]").code == 101
    return next(cell for cell in Run(Path("run")).cells() if cell.label == "Finetune")


def test_a_cell_that_fails_is_named_and_the_others_go_on(
    cut: Cell, call: Call, right: dict[str, Any]
) -> None:
    frozen = next(cell for cell in Run(Path("run")).cells() if cell.label == "Frozen")
    assert frozen.done and not cut.done, "Frozen stands after it"
    assert "ValueError: the plugin is wrong" in cut.error.read_text()
    again = call("resume", "run")
    assert again.code == 0 and "Frozen-seed0: already done" in again.out
    assert not cut.error.exists() and not differing(record(Run(Path("run"))), right)


def test_what_is_said_of_it(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    falls(monkeypatch, ValueError("the plugin\nis [red]wrong"), 3)
    done = call(*RUN)
    assert done.code == 101 and "Traceback" not in done.out + done.err
    assert "Finetune-seed0: failed: the plugin is [red]wrong; see run/cells/Finetune-se" in done.out
    assert done.err == (
        "1 cells failed (Finetune-seed0): error.txt in their folders tells why; to try them again: plasticity "
        "resume run\n"
    )


def test_a_finished_cell_has_all_its_steps(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A StopIteration would end Lightning's loop as if the stream were over, in a strategy or where data are made."""
    with monkeypatch.context() as patched:
        falls(patched, StopIteration(), 31)
        assert call(*RUN).code == 101
    cell = Run(Path("run")).cells()[-1]
    assert not cell.done and "a StopIteration within step 31, which" in cell.error.read_text()

    def keyed(self: Stream, step: int) -> Any:
        if step == 31:
            raise StopIteration
        return whole(self, step)

    whole = Stream.keyed
    with monkeypatch.context() as patched:
        patched.setattr(Stream, "keyed", keyed)
        assert call("resume", "run").code == 101
    assert not cell.done and "a StopIteration where step 31 is made" in cell.error.read_text()


@pytest.mark.parametrize("error", [StopIteration, GeneratorExit])
@pytest.mark.parametrize(
    ("method", "step", "where"),
    [
        ("predict", 31, "where step 31 is shown to the observers"),
        ("absorb", 31, "where step 31 is shown to the observers"),
        ("predict", None, "where the probe of regime 0 is shown to the observers"),
    ],
)
def test_an_observer_ends_no_loop(
    error: type[BaseException],
    method: str,
    step: int | None,
    where: str,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = getattr(ReferencePredictors, method)

    def ending(self: Any, batch: Any, key: Any, groups: Any, at: int | None = None) -> Any:
        if at == step:
            raise error
        return whole(self, batch, key, groups, at)

    monkeypatch.setattr(ReferencePredictors, method, ending)
    done = call(*RUN)
    assert done.code == 102 and "Traceback" not in done.out + done.err
    said = f"a {error.__name__} {where}, which would end the loop"
    for cell in Run(Path("run")).cells():
        assert not cell.done and said in cell.error.read_text()
        assert f"{cell.name}: failed: {said}; see" in done.out


@pytest.mark.parametrize("optimizer", ["{type: SGD, lr: 10.0}", "{type: AdamW, lr: 1.0e+6}"])
def test_a_strategy_that_diverges_is_measured_to_the_end(optimizer: str, call: Call) -> None:
    done = call(*RUN, f"--optimizer={optimizer}", "--condition.every=1")
    assert done.code == 0, done
    frozen, lost = Run(Path("run")).cells()
    assert lost.done and lost.summary["diverged/step"] is not None and frozen.done
    assert frozen.summary["diverged/step"] is None


def test_pretraining_that_diverges_says_so_and_is_not_kept(call: Call) -> None:
    done = call(*RUN, "--pretrain={steps: 200, batch: 4, lr: 1.0e+9}", "--out=here", "--seed=3")
    assert done.code == 102 and "Traceback" not in done.out + done.err
    said = re.search(
        r"failed: pretraining of Transformer, seed 3, diverged .* 1000000000", done.out
    )
    assert said, done.out
    assert not list(Path("here/pretrained").iterdir())


def test_the_checkpoint_is_read_once(
    cut: Cell, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is looked at is what is taken up, whatever becomes of the file in between."""
    read = list[Path]()

    def counted(path: Path) -> bytes:
        data = whole(path)
        if path.name == cut.checkpoint.name:
            read.append(path)
        return data

    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", counted)
    assert call("resume", "run").code == 0
    assert [path.resolve() for path in read] == [cut.checkpoint.resolve()]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda cell: cell.checkpoint.write_bytes(cell.checkpoint.read_bytes()[:500]), "damaged"),
        (lambda cell: cell.checkpoint.write_bytes(b""), "checkpoint.safetensors: it is empty"),
        (lambda cell: (cell.path / "steps/00001.parquet").unlink(), "part 1 is missing"),
        (lambda cell: (cell.path / "steps/00003.parquet").unlink(), "not all of them are in"),
        (lambda cell: shutil.rmtree(cell.path / "steps"), "not all of them are in this table"),
        (
            lambda cell: shutil.copy(
                cell.path / "steps/00001.parquet", cell.path / "steps/00002.parquet"
            ),
            "00002.parquet: it is damaged, or was written for another place",
        ),
    ],
)
def test_no_harm_is_taken_for_a_record(harm: Any, said: str, cut: Cell, call: Call) -> None:
    """The cell is refused by name, and the way to start it over is right."""
    harm(cut)
    done = call("resume", "run")
    assert done.code == 101 and "Traceback" not in done.out + done.err, done
    assert said in done.out, done.out
    remedy = re.search(r"to start this cell over, remove its folder: rm -r (\S+?);", done.out)
    assert remedy, done.out
    shutil.rmtree(remedy[1])
    assert call("resume", "run").code == 0


def test_another_yaml_is_refused(cut: Cell, call: Call) -> None:
    """But for what decides no number."""
    file = Path("run/experiment.yaml")
    text = file.read_text()
    file.write_text(text.replace("period: 5", "period: 6"))
    for words in (("resume", "run"), ("report", "run")):
        done = call(*words)
        assert done.code == 2 and done.err.startswith("run/experiment.yaml: it is not what")
    file.write_text(text.replace("mode: disabled", "mode: offline"))
    assert call("report", "run").code == 0


def test_a_cell_of_another_place_is_refused(cut: Cell, call: Call) -> None:
    shutil.copy("run/cells/Frozen-seed0/cell.json", cut.path / "cell.json")
    done = call("resume", "run")
    assert done.code == 2 and "Finetune-seed0/cell.json: it is of the cell Frozen-se" in done.err


def test_a_cell_of_another_run_is_refused(cut: Cell, call: Call) -> None:
    call("run", "good.yaml", "--run-dir", "other", "--stream.steps=40", "--stream.period=4")
    shutil.rmtree("run/cells/Frozen-seed0")
    shutil.copytree("other/cells/Frozen-seed0", "run/cells/Frozen-seed0")
    for words in (("resume", "run"), ("report", "run")):
        done = call(*words)
        assert done.code == 2 and "Frozen-seed0/cell.json: it was begun under another" in done.err


HOLD = """
import sys, time
from pathlib import Path
from plasticity.results.lock import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_told_who_works_here(cut: Cell, call: Call) -> None:
    words = [sys.executable, "-c", HOLD, str(Path("run").absolute())]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        done = call("resume", "run")
        holder.kill()
    assert done.code == 2
    who = rf"run: in use by process {holder.pid} on \S+ since 20\d\d-\S+ \S+: wait until it"
    assert re.match(who, done.err), done.err
    assert call("resume", "run").code == 0, "a process that was killed holds nothing"


def test_a_kill_before_the_yaml_leaves_a_folder_that_can_be_used(call: Call) -> None:
    call(*RUN)
    shutil.rmtree("run/cells")
    Path("run/report.html").unlink()
    Path("run/experiment.yaml").unlink()
    assert call(*RUN).code == 0


def test_a_kill_after_the_summary_leaves_no_checkpoint_for_ever(call: Call) -> None:
    call(*RUN)
    cell = Run(Path("run")).cells()[0]
    cell.checkpoint.write_bytes(b"left behind")
    assert call("resume", "run").code == 0 and not cell.checkpoint.exists()


def test_a_run_that_is_linked_to_counts_once(call: Call) -> None:
    call(*RUN)
    Path("all").mkdir()
    shutil.move("run", "all/run")
    Path("all/again").symlink_to("run")
    assert len(plasticity.load("all").summary) == 2
