"""Kill -9 in the middle of deploy, resume, and the record is that of a run nobody killed, to the bit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plasticity.store import Run

YAML = """
name: resume
out: {out}
stream:
  type: Recurring
  tunnels: [{{type: Markov, symbols: 3, concentration: 0.5}}]
  regimes: 2
  period: 20
  steps: 120
  batch: 4
  time: 8
  probe: 8
network: {{type: Transformer, width: 8, depth: 1, heads: 2}}
pretrain: {{steps: 20, batch: 4}}
strategies:
  - {{type: Frozen}}
  - {{type: Finetune}}
  - {{type: EWC, samples: 4}}
  - {{type: Replay, capacity: 10}}
  - {{type: LoRA, rank: 2}}
stretch: 5
wandb: {{mode: disabled}}
hardware: {{threads: 1}}
"""


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "plasticity", *map(str, words)]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    folder = tmp_path_factory.mktemp("resume")
    file = folder / "resume.yaml"
    file.write_text(YAML.format(out=folder / "runs"))
    subprocess.run(
        command("run", file, "--run-dir", folder / "whole"), check=True, env=environment()
    )
    return file, Run(folder / "whole")


def killed_in(cell: str, part: int, file: Path, folder: Path) -> None:
    """Start the run and SIGKILL it once the cell has written this part of its steps."""
    process = subprocess.Popen(command("run", file, "--run-dir", folder), env=environment())
    awaited = folder / "cells" / f"{cell}-seed0" / "steps" / f"{part:05d}.parquet"
    deadline = time.monotonic() + 120
    while not awaited.exists():
        assert process.poll() is None and time.monotonic() < deadline, f"{cell} was never reached"
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "cells" / f"{cell}-seed0" / "summary.json").exists()


def test_every_strategy_resumes_to_the_bit(uninterrupted: tuple[Path, Run], tmp_path: Path) -> None:
    file, whole = uninterrupted
    folder, cut = tmp_path / "cut", Run(tmp_path / "cut")
    labels = [cell.label for cell in whole.cells()]
    assert labels == ["Frozen", "Finetune", "EWC", "Replay", "LoRA"]
    killed_in(labels[0], 8, file, folder)
    for label in labels[1:]:  # resume, and kill again in the next strategy
        process = subprocess.Popen(command("resume", folder), env=environment())
        awaited = folder / "cells" / f"{label}-seed0" / "steps" / "00008.parquet"
        deadline = time.monotonic() + 120
        while not awaited.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command("resume", folder), check=True, env=environment())
    for one, other in zip(whole.cells(), cut.cells(), strict=True):
        assert one.label == other.label
        assert one.steps.read().equals(other.steps.read()), f"{one.label}: steps differ"
        assert one.probes.read().equals(other.probes.read()), f"{one.label}: probes differ"
        timing = {k for k in one.summary if k.startswith("cost/ms")}
        assert {k: v for k, v in one.summary.items() if k not in timing} == {
            k: v for k, v in other.summary.items() if k not in timing
        }


def test_a_run_directory_in_use_is_refused_and_untouched(
    uninterrupted: tuple[Path, Run],
) -> None:
    file, whole = uninterrupted
    before = sorted(whole.path.rglob("*"))
    done = subprocess.run(
        command("run", file, "--run-dir", whole.path), capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "in use" in done.stderr and f"plasticity resume {whole.path}" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(whole.path.rglob("*")) == before


def test_ctrl_c_says_how_to_go_on(uninterrupted: tuple[Path, Run], tmp_path: Path) -> None:
    file, _ = uninterrupted
    folder = tmp_path / "stopped"
    process = subprocess.Popen(
        command("run", file, "--run-dir", folder),
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    awaited = folder / "cells" / "Frozen-seed0" / "steps" / "00003.parquet"
    while not awaited.exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"plasticity resume {folder}" in stderr.replace("\n", "")
    assert "Traceback" not in stderr
