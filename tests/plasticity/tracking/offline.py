"""A run that wandb was told of offline, and what wandb itself reads of it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

YAML = """\
name: tracked
out: pretrained
stream:
  type: Recurring
  tunnels:
    - {type: Padded, tunnel: {type: Markov, symbols: 3}, vocab: 4, symbols: 3, length: 6}
  regimes: 2
  period: 20
  steps: 99
  batch: 2
  time: 6
  probe: 4
network: {type: Transformer, width: 8, depth: 1, heads: 2}
pretrain: {steps: 0}
strategies: [{type: Replay, capacity: 4}]
condition: {every: 2}
stretch: 5
seeds: [7]
hardware: {threads: 1}
"""
Records = dict[str, list[dict[str, Any]]]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "plasticity", *words]


def killed_and_resumed(folder: Path) -> Path:
    """The folder, in which a run was killed in the middle and then resumed, wandb offline, with a home of its own."""
    (folder / "home").mkdir()
    (folder / "tracked.yaml").write_text(YAML)
    outside = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "home")}
    outside |= {"MPLCONFIGDIR": str(folder / "reader"), "OMP_NUM_THREADS": "1"}
    base = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "XDG"))} | outside
    words = command("run", "tracked.yaml", "--run-dir", "run")
    with subprocess.Popen(words, cwd=folder, env=base, process_group=0) as process:
        awaited = folder / "run/cells/Replay-seed7/timing/00002.parquet"
        deadline = time.monotonic() + 120
        while not awaited.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (folder / "run/cells/Replay-seed7/summary.json").exists()
    done = subprocess.run(
        command("resume", "run"), check=True, cwd=folder, env=base, capture_output=True, text=True
    )
    (folder / "reader").mkdir(exist_ok=True)
    (folder / "reader" / "said").write_text(done.stdout)
    return folder


def inspected(file: Path) -> Records:
    """What wandb wrote down, by kind of record, read by wandb itself."""
    words = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    found: Records = {}
    for line in done.stdout.splitlines():
        record = json.loads(line)
        found.setdefault(record["type"], []).append(record[record["type"]])
    return found
