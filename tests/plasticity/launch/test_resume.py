"""Kill -9 in the middle of deploy, resume, and the record is that of a run nobody killed, to the bit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plasticity.results.store import Run

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


def killed_in(cell: str, folder: Path, *words: str | Path) -> None:
    """Start a command and SIGKILL it once the cell has written part 8 of its steps."""
    process = subprocess.Popen(command(*words), env=environment())
    awaited = folder / "cells" / f"{cell}-seed0" / "steps" / "00008.parquet"
    deadline = time.monotonic() + 120
    while not awaited.exists():
        assert process.poll() is None and time.monotonic() < deadline, f"{cell} was never reached"
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "cells" / f"{cell}-seed0" / "summary.json").exists()


def test_every_strategy_resumes_to_the_bit(uninterrupted: tuple[Path, Run], tmp_path: Path) -> None:
    """Killed once in the deploy phase of every strategy."""
    file, whole = uninterrupted
    folder = tmp_path / "cut"
    labels = [cell.label for cell in whole.cells()]
    assert labels == ["Frozen", "Finetune", "EWC", "Replay", "LoRA"]
    killed_in(labels[0], folder, "run", file, "--run-dir", folder)
    for label in labels[1:]:
        killed_in(label, folder, "resume", folder)
    subprocess.run(command("resume", folder), check=True, env=environment())
    for one, other in zip(whole.cells(), Run(folder).cells(), strict=True):
        assert one.label == other.label
        assert one.steps.read().equals(other.steps.read()), f"{one.label}: steps differ"
        assert one.probes.read().equals(other.probes.read()), f"{one.label}: probes differ"
        numbers, again = one.summary, other.summary
        assert numbers.pop("cost/ms_per_step") > 0 and again.pop("cost/ms_per_step") > 0
        assert numbers == again


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
