"""Files for a paper: tables as LaTeX, the methods paragraph, PDF and PNG; and what is bold is surely the best."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from plasticity.plots.skill_bars import bars
from plasticity.plots.style import figure_of
from plasticity.plots.vector import printed
from plasticity.report import tex
from plasticity.report.methods import methods
from plasticity.report.page import NumberTable
from plasticity.report.run_report import COLUMNS, Row, best
from plasticity.report.run_report import read as read_run
from plasticity.report.sections import gather
from plasticity.report.verdict import leader
from plasticity.results.store import Run


def row(title: str, skills: list[float], forgetting: list[float], strategy: bool = True) -> Row:
    numbers: dict[str, list[float | None]] = {
        "skill": [*skills],
        "forgetting/chaudhry2018": [*forgetting],
    }
    return Row(title, numbers, strategy, tuple(range(len(skills))))


def marked(found: set[tuple[int, int]]) -> set[tuple[int, str]]:
    return {(line, COLUMNS[column].title) for line, column in found}


def test_bold_is_who_is_surely_ahead_of_all_and_fewer_bits_are_better() -> None:
    """An observer is no rival; of two that differ by chance neither is bold; one seed proves nothing."""
    rows = [
        row("A", [0.90, 0.91, 0.92], [0.5, 0.1, 0.9]),
        row("B", [0.70, 0.72, 0.71], [0.01, 0.02, 0.03]),
        row("C", [0.50, 0.51, 0.53], [0.90, 0.92, 0.91]),
        row("continual", [1.0, 1.0, 1.0], [0.0, 0.0, 0.0], strategy=False),
    ]
    assert marked(best(rows)) == {(0, "skill")}
    rows[0] = row("A", [0.90, 0.91, 0.92], [0.50, 0.51, 0.53])
    assert marked(best(rows)) == {(0, "skill"), (1, "forgetting")}
    still = row("Frozen", [0.0, -0.01, 0.01], [0.0, 0.0, 0.0])
    assert marked(best([*rows, still])) == {(0, "skill"), (1, "forgetting")}, "it never moved"
    assert (
        best([r._replace(numbers={k: v[:1] for k, v in r.numbers.items()}) for r in rows]) == set()
    )


def test_who_leads_agrees_with_the_correction_for_all_pairs() -> None:
    """A p of .03 alone is none of .05 among three pairs; who shares no seed with all others does not lead."""
    base = {0: 0.5, 1: 0.5, 2: 0.5}
    near = {0: 0.40, 1: 0.45, 2: 0.42}
    assert leader({"A": base, "B": near}) == "A"
    others = {f"C{i}": {0: 0.0 + i, 1: 0.9 - i, 2: 0.1} for i in range(8)}
    assert leader({"A": base, "B": near, **others}) is None
    assert leader({"A": base, "B": {7: 0.1}}) is None
    assert leader({"A": base}) is None


class Parsed:
    """What a tabular says, read back by its grammar and not by the code that wrote it."""

    def __init__(self, text: str):
        body = re.search(
            r"\\begin\{tabular\}\{@\{\}(\w+)@\{\}\}(.*)\\end\{tabular\}", text, re.DOTALL
        )
        assert body, text
        self.sides = body[1]
        lines = [line.strip() for line in body[2].strip().splitlines()]
        self.rules = [line for line in lines if line.startswith(("\\top", "\\mid", "\\bottom"))]
        rows = [line.removesuffix(r" \\") for line in lines if line not in self.rules]
        self.rows = [re.split(r"(?<!\\) ?& ?", line) for line in rows]


def test_a_table_is_a_tabular_of_its_cells() -> None:
    lines = [
        (["EWC & co_1", "-0.25±0.10", "12,345", "-"], False),
        (["50% {x}", "0.50 ± 0.01", "3 (2 never)", "no: 0.1±0.2"], False),
        (["continual", "1.00", "-", "diverged at 7"], True),
    ]
    table = NumberTable(["", "skill", "n", "α<b"], lines, best={(1, 1)})
    found = Parsed(tex.tabular(table))
    assert found.sides == "lrrr" and all(len(r) == 4 for r in found.rows)
    assert found.rules == [r"\toprule", r"\midrule", r"\midrule", r"\bottomrule"]
    assert found.rows[1] == [r"EWC \& co\_1", r"$-0.25 \pm 0.10$", "$12{,}345$", "--"]
    assert found.rows[2][:3] == [
        r"$50$\% \{x\}", r"\textbf{\boldmath $0.50 \pm 0.01$}", "$3$ (2 never)"
    ]  # fmt: skip
    assert found.rows[2][3] == r"no: 0.1$\pm$0.2"
    assert found.rows[3] == ["continual", "$1.00$", "--", "diverged at 7"]
    assert found.rows[0][3] == r"α\textless{}b"


@pytest.mark.parametrize("text", ["\\input{/etc/passwd}", "a^b~c", "#1 $x$", "two\nlines"])
def test_nothing_that_a_stranger_wrote_is_a_command(text: str) -> None:
    left = tex.escaped(text)
    for known in ("\\textbackslash{}", "\\textasciicircum{}", "\\textasciitilde{}"):
        left = left.replace(known, "")
    left = re.sub(r"\\[&%$#_{}]", "", left)
    assert not set(left) & set("\\&%$#_{}~^\n")


def test_the_methods_say_what_was_run(tmp_path: Path) -> None:
    run = Run(tmp_path / "one")
    text = """
name: world
stream: {type: Recurring, tunnels: [{type: Markov, symbols: 6}], regimes: 3, period: 50,
  steps: 1200, batch: 8, time: 32}
network: {type: Transformer, width: 64}
pretrain: {steps: 1000, batch: 64, target: posterior}
strategies: [{type: Frozen}, {type: Chain, parts: [{type: EWC, strength: 50.0}, {type: Replay}]}]
announce_shifts: false
updates: {per: chunk, steps: 2}
"""
    run.begin(
        text,
        {
            "commit": "abcdef0123456789",
            "python": "3.11.2",
            "packages": {"torch": "2.11.0"},
            "machine": "x86_64",
            "threads": 1,
        },
    )
    said = " ".join(methods(gather(read_run(run), {})))
    for part in (
        "Recurring (regimes 3, period 50) of Markov (symbols 6), 1,200 batches of 8 sequences of 32 symbols",
        "Shifts were not announced.",
        "Transformer (width 64), pretrained on 1,000 steps of 64 sequences",
        "target: posterior",
        "Frozen; Chain (parts [EWC (strength 50), Replay])",
        "2 updates per chunk",
        "Holm",
        "Python 3.11.2, torch 2.11.0 (commit abcdef012345), on x86_64, 1 thread.",
    ):
        assert part in said, part


@pytest.mark.parametrize("ending", ["pdf", "png"])
def test_a_picture_for_print_is_the_same_bytes_whenever_it_is_drawn(ending: str) -> None:
    def drawn() -> Axes:
        return bars({"A": [0.1, 0.2], "B": [0.5]})

    first = printed(drawn(), ending)  # pyright: ignore[reportArgumentType]
    assert first == printed(drawn(), ending)  # pyright: ignore[reportArgumentType]
    assert first.startswith({"pdf": b"%PDF", "png": b"\x89PNG"}[ending])
    if ending == "pdf":
        assert b"/TrueType" in first or b"/Type0" in first or b"/FontFile2" in first
        assert b"/Type3" not in first, "journals refuse Type 3 fonts"


def test_numbers_are_read_as_numbers() -> None:
    assert [tex._cell(c) for c in ("3", "-1.5", "1e-4x", "v1.2")] == [
        "$3$",
        "$-1.5$",
        "1e-4x",
        "v1.2",
    ]
    assert np.all([tex._cell(c) == c for c in ("yes", "no")])


def test_latex_prints_a_bar_as_a_bar() -> None:
    """In the fonts that LaTeX begins with, `|` is a dash."""
    assert tex.escaped("KL(p || q)") == "KL(p \\textbar{}\\textbar{} q)"


def test_in_a_column_text_is_of_eight_points_and_nothing_is_cut() -> None:
    """Drawn narrower: its 11.5 points are 8 once the width is the column's; a small picture stays as it is."""
    ax = bars({"A strategy of a long name": [-0.3, 0.2, 0.1], "B": [0.5, 0.4, 0.6]})
    size = figure_of(ax).get_size_inches().tolist()

    def width(column: float | None) -> float:
        box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", printed(ax, "pdf", column=column))
        assert box
        return float(box[1]) / 72

    assert width(None) == pytest.approx(size[0], abs=0.01)
    assert size[0] > 3.4 * 11.5 / 8
    assert width(3.4) == pytest.approx(3.4 * 11.5 / 8, abs=0.01)
    assert width(30.0) == width(None) and figure_of(ax).get_size_inches().tolist() == size
    figure_of(ax).set_size_inches(3.4 * 11.5 / 8, size[1])
    figure_of(ax).draw_without_rendering()
    seen = figure_of(ax).get_tightbbox()
    assert seen.x0 >= 0 and seen.x1 <= 3.4 * 11.5 / 8
