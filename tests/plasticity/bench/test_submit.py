"""The command line of the benchmark; and submit takes what was found, and refuses each kind of tampering by key."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plasticity.bench import document, submit
from plasticity.bench.ideals import BenchWorld, worlds
from plasticity.bench.leaderboard import rows
from plasticity.bench.results import read
from plasticity.bench.submit import lucky, verify
from plasticity.bench.suite import FORMER, Suite

from ...calling import Call
from .arena import TINY, suite
from .forging import Tamper, edit, faults, forge


def test_what_was_found_is_accepted(made: Path, call: Call) -> None:
    done = call("bench", "submit", str(made / "results.json"), "--suite", str(made / "tiny.yaml"))
    assert done.code == 0, done.err
    assert "6 cells: all of 2 strategies and 1 contenders" in done.out
    assert done.out.count("verified") == 4 and "L2Init (contender)" in done.out
    assert "trust: the learner's own numbers (kl.model," in done.out
    assert "taken on faith; --rerun K runs K cells again" in done.out


def test_the_observers_are_those_of_the_record(made: Path) -> None:
    """By another way: sums of p log2(p / q) over the stream, without a learner."""
    results = read(made / "results.json")
    found = {(world.name, world.seed): world for world in worlds(suite(made))}
    assert found.keys() == {("markov", 0), ("markov", 1)}
    for cell in results.cells:
        world = found[cell.stream, cell.seed]
        assert world.steps == 20
        assert {who: cell.kl[who] for who in world.bits} == pytest.approx(world.bits, abs=1e-12)
        assert world.skill(cell.kl["model"]) == pytest.approx(cell.skill, abs=1e-12)


def test_what_is_shipped_is_accepted(call: Call) -> None:
    """And so is what was published under the hash of an older form: the suite's numbers are the same."""
    shipped = (Path(__file__).parents[3] / "experiments" / "cpu-small.json").read_text()
    now = json.loads(shipped)["suite"]["hash"]
    Path("older.json").write_text(shipped.replace(now, FORMER[now]))
    done = call("bench", "submit", "older.json")
    assert done.code == 0, done.err
    assert "192 cells: all of 8 strategies and 0 contenders" in done.out
    assert "all 12 worlds" in done.out


def test_the_second_version_is_accepted_too(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the worlds that count the first seed's are computed again, but for the long one; all by `make chaos`."""

    def few(whole: Suite, tuning: bool = False) -> Iterator[BenchWorld]:
        streams = {name: each for name, each in whole.streams.items() if name != "long-markov"}
        first = replace(whole, streams=streams, seeds=whole.seeds[:1])
        return worlds(whole if tuning else first, tuning)

    if os.environ.get("CHAOS") != "full":
        monkeypatch.setattr(submit, "worlds", few)
    shipped = Path(__file__).parents[3] / "experiments" / "cpu-small-v2.json"
    done = call("bench", "submit", str(shipped))
    assert done.code == 0, done.err
    assert "650 cells: all of 13 strategies and 0 contenders" in done.out
    found = {row.strategy: row for row in rows(read(shipped))}
    assert min(np.mean(found[who].skill) for who in ("KalmanMixture", "EvidenceMixture")) > 0.9
    others = (row for name, row in found.items() if "Mixture" not in name)
    assert max(np.mean(row.skill) for row in others) < 0.85, "as the log says"


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (edit("suite/hash", "0" * 16), "suite.hash: expected"),
        (edit("suite/version", "2"), "suite.version: expected 1, got 2"),
        (
            edit("environment/packages/torch", ...),
            "environment.packages.torch: expected the version",
        ),
        (
            edit("environment/packages/torch", ""),
            "environment.packages.torch: expected the version",
        ),
        (edit("cells/2", ...), "cells: markov Transformer L2Init seed 0 is missing"),
        (
            lambda v: v["cells"].append(v["cells"][1]),
            "cells.6: markov Transformer Finetune seed 0 is",
        ),
        (edit("cells/3/seed", 7), "cells.3: markov Transformer Frozen seed 7 is no cell"),
        (edit("cells/1/skill", 0.99), "cells.1.skill: expected"),
        (edit("cells/1/skill", None), "cells.1.skill: expected"),
        (edit("cells/1/lr", 0.5), "cells.1.lr: expected"),
        (edit("rates/1/lr", 0.5), "rates.1.lr: expected"),
        (edit("rates/1/skills/0.0001", 9.0), "rates.1.lr: expected 0.0001, the best"),
        (edit("rates/1/skills/0.01", ...), "rates.1.skills: expected the grid 0.0001, 0.01"),
        (edit("rates/1", ...), "rates: no entry for Transformer Finetune"),
        (edit("strategies/Finetune/lr", 0.5), "strategies.Finetune: expected"),
        (edit("contenders", []), "strategies.L2Init: it is none of the suite's"),
        (edit("contenders", ["L2Init", "Frozen"]), "strategies.Frozen: expected a strategy of the"),
        (edit("cells/4/kl/continual", ...), "cells.4.kl.continual: expected"),
        (edit("cells/4/kl/amnesic", 3.0), "cells.4.kl.amnesic: expected"),
        (edit("cells/4/ms_per_step", float("nan")), "cells.4.ms_per_step: expected"),
        (edit("cells/4/skill", float("inf")), "cells.4.skill: expected"),
        (edit("cells/4/skill", "high"), "cells.4.skill: expected a number or null, got 'high'"),
        (edit("cells/4/forgetting", ...), "cells.4: missing key 'forgetting'"),
        (edit("cells/4/foo", 1), "cells.4.foo: unknown key 'foo'"),
        (edit("schema", 2), "schema: expected 1, got 2"),
        (edit("environment", ...), "missing key 'environment'"),
    ],
)
def test_tampering_is_refused_by_key(tamper: Tamper, said: str, made: Path, tmp_path: Path) -> None:
    told = faults(made, tmp_path, tamper)
    assert any(said in line for line in told), told


def test_observers_that_agree_with_each_other_and_not_with_the_truth(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All bits are scaled alike, so that every skill still is that of its bits; of every seed."""

    def scale(value: dict[str, Any]) -> None:
        for cell in value["cells"]:
            cell["kl"] = {who: bits and 1.001 * bits for who, bits in cell["kl"].items()}

    told = faults(made, tmp_path, scale)
    assert len(told) == document.TOLD + 1
    assert any("cells.3.kl.amnesic: expected" in line for line in told), "of the second seed"
    monkeypatch.setattr(submit, "CLOSE", 1.0)
    with pytest.raises(pytest.fail.Exception):
        faults(made, tmp_path, scale)


def test_what_takes_luck_is_told(made: Path, tmp_path: Path) -> None:
    value = json.loads((made / "results.json").read_text())
    forge(0.0, 1, 4)(value)
    (tmp_path / "results.json").write_text(json.dumps(value))
    results = read(tmp_path / "results.json")
    verify(results, suite(tmp_path), tmp_path / "results.json")
    (told,) = lucky(results)
    assert told.startswith("Finetune: nearer the truth than the ideal continual learner in 2 cells")
    assert lucky(read(made / "results.json")) == []


def test_every_fault_is_told_at_once(made: Path, tmp_path: Path, call: Call) -> None:
    value = json.loads((made / "results.json").read_text())
    value["suite"]["hash"], value["cells"][1]["skill"] = "x", 0.123
    del value["cells"][5]
    (tmp_path / "bad.json").write_text(json.dumps(value))
    done = call("bench", "submit", "bad.json", "--suite", str(made / "tiny.yaml"))
    assert (done.code, done.out) == (2, "")
    lines = done.err.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["cells", "cells.1.skill", "suite.hash"]


def test_a_contender_enters_from_the_command_line(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plasticity.observers.reference.SAMPLE", 512)
    (tmp_path / "tiny.yaml").write_text(TINY)
    done = call("bench", "tiny.yaml", "--jobs=1", "--strategy", "{type: EWC, samples: 4}")
    assert done.code == 0, done.err
    assert "13/13 markov Transformer EWC" in done.out and "EWC (contender)" in done.out
    assert Path("runs/bench/tiny/report.html").read_text().startswith("<!doctype html>")
    assert read(Path("runs/bench/tiny/results.json")).contenders == ["EWC"]
    again = call("bench", "run", "tiny.yaml", "--jobs=1")
    assert "0 of 9 pretrainings and cells done now" in again.out


def test_a_contender_that_is_not_there(tmp_path: Path, call: Call) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    done = call("bench", "tiny.yaml", "--strategy", "{type: EWK}")
    assert done.code == 2 and "unknown strategy 'EWK'. Did you mean 'EWC'?" in done.err
    done = call("bench", "tiny.yaml", "--strategy", "{type: Finetune}")
    assert done.code == 2 and "Finetune is there twice" in done.err


def test_a_suite_that_is_not_there(call: Call) -> None:
    assert "Did you mean 'cpu-small'?" in call("bench", "cpu-smal").err
    assert call("bench", "cpu-smal").code == 2


def test_a_full_disk_says_how_to_go_on(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "tiny.yaml").write_text(TINY)
    monkeypatch.setattr("plasticity.engine.archive.save", full)
    done = call("bench", "tiny.yaml", "--jobs=1")
    assert done.code == 1 and "Traceback" not in done.err
    told = "No space left on device; what is done is kept; go on with the same command"
    assert done.err.strip() == told


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("steps: 20", "steps: 20000"))
    process = subprocess.Popen(
        [sys.executable, "-m", "plasticity", "bench", "tiny.yaml", "--jobs=1"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "runs").glob("bench/tiny/cells/*/steps/00009.parquet")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "go on with the same command" in stderr and "Traceback" not in stderr


def test_bits_are_finite(made: Path) -> None:
    cells = read(made / "results.json").cells
    assert np.isfinite(
        [bits for cell in cells for bits in cell.kl.values() if bits is not None]
    ).all()
