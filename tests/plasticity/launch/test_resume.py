"""Kill -9 in the middle of deploy, resume, and the record is that of a run nobody killed, to the bit."""

import signal
import time
from pathlib import Path

import pytest

from plasticity.results.store import Run

from ...calling import Call, begun, refused

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


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    folder = tmp_path_factory.mktemp("resume")
    file = folder / "resume.yaml"
    file.write_text(YAML.format(out=folder / "runs"))
    done("run", file, "--run-dir", folder / "whole")
    return file, Run(folder / "whole")


def done(*words: str | Path) -> None:
    process = begun(*words)
    process.join()
    assert process.exitcode == 0


def killed_in(cell: str, folder: Path, *words: str | Path) -> None:
    """Start a command and SIGKILL it once the cell has written part 8 of its steps."""
    process = begun(*words)
    awaited = folder / "cells" / f"{cell}-seed0" / "steps" / "00008.parquet"
    deadline = time.monotonic() + 300
    while not awaited.exists():
        assert process.is_alive() and time.monotonic() < deadline, f"{cell} was never reached"
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
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
    done("resume", folder)
    for one, other in zip(whole.cells(), Run(folder).cells(), strict=True):
        assert one.label == other.label
        assert one.steps.read().equals(other.steps.read()), f"{one.label}: steps differ"
        assert one.probes.read().equals(other.probes.read()), f"{one.label}: probes differ"
        numbers, again = one.summary, other.summary
        assert numbers.pop("cost/ms_per_step") > 0 and again.pop("cost/ms_per_step") > 0
        assert numbers == again


def test_a_run_directory_in_use_is_refused_and_untouched(
    uninterrupted: tuple[Path, Run], call: Call
) -> None:
    file, whole = uninterrupted
    before = sorted(whole.path.rglob("*"))
    told = refused(call, "run", str(file), "--run-dir", str(whole.path))
    assert "in use" in told and f"plasticity resume {whole.path}" in told
    assert sorted(whole.path.rglob("*")) == before
