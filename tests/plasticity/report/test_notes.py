"""What must be known before any verdict stands before it, on the page and in a terminal."""

from pathlib import Path

import pytest

from plasticity.cli.common import print_table
from plasticity.report import compare_page
from plasticity.report.comparison import compared
from plasticity.report.notes import notes
from plasticity.report.run_page import write
from plasticity.report.run_report import answer, read
from plasticity.results.store import Run

from ..results.runs import made

SKILLS = {"Frozen": [-0.9, -0.8, -1.0], "EWC": [0.1, 0.2, 0.3]}


def far(run: Run, gap: float | None, network: str = "LSTM") -> Run:
    """As if its network had come so far from the amnesic observer, who is at 1, 1.1 and 1.2 bits."""
    for cell in run.cells():
        meta = cell.meta | {"pretrained_gap": gap, "network": {"type": network}}
        cell.begin(meta, cell.identity, run.digest)
    return run


def test_a_network_that_hardly_learned_is_called_untrained_before_the_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = far(made(tmp_path / "run", SKILLS), 0.9)
    (note,) = notes(read(run))
    assert note.startswith("The LSTM is untrained: before any update it is 0.900 bits from the")
    assert "who is 1.100 from the truth" in note
    text = write([read(run)], tmp_path / "page.html").read_text()
    assert text.index("The LSTM is untrained") < text.index(answer(read(run)).answer)
    print_table(read(run))
    told = capsys.readouterr().out
    assert "The LSTM is untrained" in told and "gain" in told


def test_a_pretrained_one_is_not_and_one_that_never_was_is_judged_by_its_first_probe(
    tmp_path: Path,
) -> None:
    run = made(tmp_path / "run", SKILLS)
    assert notes(read(far(run, 0.5))) == []
    assert notes(read(far(run, None))) == [], "there is no probe on fresh latents here"
    for cell in run.cells():
        cell.end(cell.summary | {"in_context/first": 0.8})
    assert notes(read(far(run, None)))[0].startswith(
        "The LSTM is untrained: before any update it is 0.8"
    )


def test_a_run_that_did_not_count_answers_says_that_it_has_no_code_lengths(tmp_path: Path) -> None:
    run = made(tmp_path / "run", SKILLS)
    for cell in run.cells():
        frame = cell.steps.read().drop("answers")
        cell.steps.write(0, {name: frame[name].to_numpy() for name in frame.columns})
        (cell.path / "summary.json").unlink()
    (note,) = notes(read(run))
    assert note.startswith("No code lengths: this run was stored before the number of answers")


def test_a_comparison_says_it_of_each_run(tmp_path: Path) -> None:
    runs = [far(made(tmp_path / "old", SKILLS), 0.9), far(made(tmp_path / "new", SKILLS), 0.1)]
    found = compared(runs)
    assert [note.partition(" is untrained")[0] for note in found.notes] == ["old: The LSTM"]
    text = compare_page.write(found, tmp_path / "page.html").read_text()
    assert text.index("old: The LSTM is untrained") < text.index(found.verdict.answer)
