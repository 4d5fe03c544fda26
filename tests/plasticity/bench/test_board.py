"""Several results files: what differs between two, and one board of all, by hand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from plasticity.bench.board import TITLES, board, page, reproductions
from plasticity.bench.diff import diff
from plasticity.bench.results import BenchResults, Environment, Identity, Score, TunedRate
from plasticity.bench.suite import Suite, find, shipped
from plasticity.cli.common import contracts
from plasticity.config.schema import parse
from plasticity.config.yaml_source import read as read_yaml

from ...calling import Call

ROOT = Path(__file__).parents[3]
FLAGSHIP = ROOT / "experiments" / "cpu-small.json"


def made(
    skills: dict[str, list[float | None]], ms: float = 2.0, commit: str = "a" * 40
) -> BenchResults:
    """Two streams, one network, two seeds; None: the learner's weights were lost."""
    cells = [
        Score(
            ("calm", "wild")[i // 2], "LSTM", name, i % 2, 0.01, value, 0.1, 5.0, ms + i, 10, 64 + i, 0.02,
            {"model": None if value is None else 1.0 - value, "amnesic": 1.0, "continual": 0.0},
            None if value is not None else 7,
        )
        for name, each in skills.items()
        for i, value in enumerate(each)
    ]  # fmt: skip
    return BenchResults(
        1,
        Identity("tiny", "1", "0123456789abcdef"),
        {name: {"type": name, "strength": 1.0} for name in skills},
        [],
        Environment("3.11", {"torch": "2.11"}, commit, False, "x86", 2, 1, ["plasticity", "bench"]),
        [TunedRate("LSTM", name, "tuned", 0.01, {"0.01": 0.5}) for name in skills],
        cells,
    )


BEFORE = made({"A": [0.5, 0.6, 0.7, 0.9], "B": [0.1, 0.2, 0.3, 0.4], "C": [0.1, 0.1, 0.1, 0.1]})


def test_a_difference_is_paired_by_cell_and_over_blocks() -> None:
    after = made({"C": [0.1, None, 0.1, 0.1], "A": [0.6, 0.5, 0.9, 1.0], "D": [0.0, 0.0, 0.0, 0.0]})
    found = diff(BEFORE, after)
    a, c = found.rows
    assert (a.strategy, a.cells, c.strategy) == ("A", 4, "C")
    np.testing.assert_allclose(np.array([a.before, a.after], float), [0.675, 0.75])
    assert a.difference is not None
    np.testing.assert_allclose(a.difference.values, [0.0, 0.15])  # of calm, of wild
    assert not a.difference.sure
    assert c.difference is None and c.before is None, "a diverged learner has no level"


def test_of_one_block_the_seeds_are_paired_and_what_is_sure_is_corrected() -> None:
    def alone(results: BenchResults) -> BenchResults:
        each = [replace(c, stream="calm", seed=i % 4) for i, c in enumerate(results.cells)]
        return replace(results, cells=each)

    after = made(
        {"A": [0.4, 0.5, 0.6, 0.79], "B": [0.1, 0.2, 0.3, 0.4], "C": [0.1, 0.1, 0.1, 0.11]}
    )
    rows = {row.strategy: row.difference for row in diff(alone(BEFORE), alone(after)).rows}
    assert rows["A"] and rows["B"] and rows["C"]
    np.testing.assert_allclose(rows["A"].values, [-0.1, -0.1, -0.1, -0.11])
    assert [apart.sure for apart in rows.values() if apart] == [True, False, False]


def test_what_was_asked_or_used_otherwise_is_named() -> None:
    after = made({"A": [0.5, 0.6, 0.7, 0.9]}, commit="b" * 40)
    after = replace(
        after,
        suite=Identity("tiny", "2", "fedcba9876543210"),
        strategies={"A": {"type": "A", "strength": 2.0}},
        rates=[TunedRate("LSTM", "A", "tuned", 0.1, {"0.1": 0.5})],
        environment=replace(after.environment, command=["other"], threads=2),
    )
    found = {key: (here, there) for key, here, there in diff(BEFORE, after).changes}
    assert found["strategies.A.strength"] == ("1.0", "2.0")
    assert found["strategies.B.type"] == ("B", "not there")
    assert found["learning rate.LSTM A"] == ("0.01", "0.1")
    assert found["suite.version"] == ("1", "2")
    assert found["environment.commit"] == ("a" * 40, "b" * 40)
    assert not any("command" in key or "threads" in key for key in found)
    assert not diff(BEFORE, BEFORE).changes


def test_reproduced_is_measured_anew_and_alike_in_all_cells() -> None:
    near = made({"A": [0.51, 0.6, 0.7, 0.9], "B": [0.1, 0.2, 0.3, 0.44], "C": [0.1] * 4}, ms=3.0)
    copy = replace(BEFORE, environment=replace(BEFORE.environment, commit="c" * 40))
    other = replace(near, suite=Identity("tiny", "1", "another"))
    retold = replace(
        near, strategies={k: {**v, "strength": 3.0} for k, v in near.strategies.items()}
    )
    files = {"mine": BEFORE, "near": near, "copy": copy, "other": other, "retold": retold}
    assert [*reproductions("mine", "A", files)] == ["near"]
    assert [*reproductions("mine", "B", files)] == [], ".04 of skill in one cell is another number"
    assert [*reproductions("near", "A", files)] == ["mine", "copy"]


def test_a_board_has_every_strategy_of_every_file_with_its_provenance() -> None:
    files = {"x.json": BEFORE, "y.json": made({"A": [0.9, 0.9, 0.9, 0.9]}, ms=5.0)}
    lines = [dict(zip(TITLES, row.cells, strict=True)) for row in board(files)]
    assert [(line[""], line["file"]) for line in lines] == [
        ("A", "y.json"), ("A", "x.json"), ("B", "x.json"), ("C", "x.json")
    ]  # fmt: skip
    best = lines[0]
    assert (best["suite"], best["hash"], best["commit"]) == ("tiny 1", "01234567", "aaaaaaaa")
    assert best["skill"].startswith("0.90±") and best["memory"] == "67"
    assert (best["budget"], best["tuned on"]) == ("-", "held-out worlds")
    html = page(files).html()
    assert html.count("<tr class=") == 4 and "reproduced by" in html


def test_of_a_shipped_suite_the_board_knows_budget_and_tuning() -> None:
    suite = parse(Suite, read_yaml(find("v1/cpu-small"), []), contracts())
    results = replace(BEFORE, suite=Identity(suite.name, suite.version, suite.hash))
    line = dict(zip(TITLES, board({"x": results}, [suite])[0].cells, strict=True))
    assert line["budget"] == "1 per batch"
    worlds, seeds, rates = suite.tuning.streams, suite.tuning.seeds, suite.tuning.lrs
    assert line["tuned on"] == f"{', '.join(worlds)} x {len(seeds)} x {len(rates)}"


def test_the_commands_print_and_write(call: Call, tmp_path: Path) -> None:
    other = json.loads(FLAGSHIP.read_text())
    for cell in other["cells"]:
        cell["ms_per_step"] *= 1.5
        cell["skill"] -= 0.25 * (cell["strategy"] == "Replay")
    (tmp_path / "other.json").write_text(json.dumps(other))
    done = call("bench", "diff", str(FLAGSHIP), "other.json")
    assert done.code == 0, done
    [line] = (line.split() for line in done.out.splitlines() if line.startswith("Replay "))
    assert line[3:7] == ["-0.250", "±", "0.000", "yes"] and line[7] == "24"
    done = call("bench", "board", str(FLAGSHIP), "other.json", "--to", "b.html")
    assert done.code == 0 and "board: b.html" in done.out
    html = (tmp_path / "b.html").read_text()
    assert "cpu-small.json" in html and "1 per batch" in html
    lost = call("bench", "diff", str(FLAGSHIP), "no.json")
    assert lost.code == 2 and "no.json" in lost.err and "Traceback" not in lost.err


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_suite_is_known_to_the_board(name: str) -> None:
    assert parse(Suite, read_yaml(find(name), []), contracts()).hash
