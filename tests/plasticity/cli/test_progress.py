"""What a run says while it goes on where no bar moves, and its table in a terminal of any width."""

import re
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.cells import cell_len
from rich.console import Console

from plasticity.cli import common
from plasticity.engine import progress
from plasticity.engine.progress import bars
from plasticity.report.run_report import COLUMNS, read

from ...calling import Call
from ..results.runs import made

MANY = "--networks=[{type: LSTM, width: 4, depth: 1}, {type: MLP, width: 4, depth: 1}]"


def test_pretraining_has_a_line_of_its_own_and_its_time_is_no_cells(call: Call) -> None:
    """Once for each network; made now, or from the cache."""
    words = ("run", "good.yaml", "--network=null", MANY, "--pretrain.steps=150")
    first, again = call(*words, "--run-dir=a"), call(*words, "--run-dir=b")
    assert first.code == again.code == 0, first.err
    for done, how in ((first, r"pretrained in \d+ s"), (again, "from the cache")):
        lines = [line for line in done.out.splitlines() if line.startswith("pretrain")]
        assert len(lines) == 2, done.out
        for line, network in zip(lines, ("LSTM", "MLP"), strict=True):
            wanted = rf"pretrain-{network}-seed0: {how}, \d\.\d{{3}} bits from the amnesic observer"
            assert re.fullmatch(wanted, line), line
    order = [line.partition(":")[0] for line in first.out.splitlines()[1:7]]
    assert order[:3] == ["pretrain-LSTM-seed0", "LSTM-Frozen-seed0", "LSTM-Finetune-seed0"]
    assert "pretrain" not in call("run", "good.yaml", "--run-dir=c").out


def test_a_cells_seconds_begin_after_its_pretraining(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plasticity.launch import restore

    made, clock = restore.pretrained_network, [0.0]

    def slow(*words: object) -> object:
        clock[0] += 1000
        return made(*words)  # pyright: ignore[reportArgumentType] as it was called

    monkeypatch.setattr(restore, "pretrained_network", slow)
    ticking = SimpleNamespace(perf_counter=lambda: clock[0])
    monkeypatch.setattr("plasticity.launch.run.time", ticking)
    told = call("run", "good.yaml", "--run-dir=a", "--pretrain.steps=2").out
    assert "pretrain-seed0: pretrained in 1000 s" in told and "Frozen-seed0: done in 0 s" in told


def test_where_no_bar_moves_a_line_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PAUSE", 0.02)
    out = StringIO()
    with bars(Console(file=out, force_terminal=False, width=200)) as shown:
        old = shown.add_task("Frozen-seed0", total=4, note="")
        task = shown.add_task("Finetune-seed0", total=200, note="")
        shown.update(old, completed=4)
        shown.update(task, completed=50, note="0.100 bits")
        for _ in range(500):
            if out.getvalue().count("\n") > 1:
                break
            progress.threading.Event().wait(0.01)
    lines = out.getvalue().splitlines()
    assert len(lines) > 1 and set(lines) == {"Finetune-seed0: 50/200, 0.100 bits"}


def test_a_quiet_console_hears_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    before = progress.threading.active_count()
    with bars(Console(quiet=True)):
        assert progress.threading.active_count() == before


@pytest.mark.parametrize("width", [50, 60, 80, 100, 300])
def test_the_table_fits_the_terminal_and_says_what_a_step_costs(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path / "run", {"Frozen": [0.0, 0.1], "EvidenceMixture-of-all": [0.5, 0.6]})
    monkeypatch.setattr(common.out, "_width", width)
    common.print_table(read(run))
    text = capsys.readouterr().out
    lines = text[: text.index("skill: 0 is")].splitlines()
    assert all(cell_len(line) <= width for line in lines) and "\u2026" not in text
    assert "ms/step" in text and "2.0" in text and "0.55" in text
    if width == 300:
        words = " ".join(text.split())
        assert all(word in words for column in COLUMNS for word in column.title.split())
