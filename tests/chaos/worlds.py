"""Worlds small enough to be run many times, and all numbers of a run, to be compared to the bit."""

from pathlib import Path
from typing import Any

from plasticity.results.store import KINDS, Run

WORLD = """\
name: chaos
out: {out}
stream:
  type: Recurring
  tunnels: [{{type: Markov, symbols: 3, concentration: 0.5}}]
  regimes: 2
  period: 5
  steps: 20
  batch: 4
  time: 8
  probe: 8
network: {{type: Transformer, width: 8, depth: 1, heads: 2}}
pretrain: {{steps: 20, batch: 4}}
strategies: {strategies}
stretch: 5
condition: {{every: 2, samples: 4}}
wandb: {{mode: disabled}}
hardware: {{threads: 1}}
"""
TABLES = [kind for kind in KINDS if kind != "timing"]


def record(run: Run) -> dict[str, Any]:
    """Everything that a run has found out and that no clock decides: tables and summaries, cell by cell."""
    found: dict[str, Any] = {}
    for cell in run.cells():
        assert cell.done, f"{cell.name} is not done"
        for kind in TABLES:
            found[f"{cell.name}: {kind}"] = cell.table(kind).read().to_dict(as_series=False)
        numbers = {k: v for k, v in cell.summary.items() if not k.startswith("cost/")}
        found[f"{cell.name}: summary"] = numbers
    return found


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Where two records differ: `<cell>: <table>`. NaN equals NaN."""
    return [key for key in one | other if repr(one.get(key)) != repr(other.get(key))]


def left_over(*folders: Path) -> list[Path]:
    """Files that finished runs and their cache should not hold any more."""
    names = ("*.partial", "checkpoint*", "error.txt")
    return [path for folder in folders for name in names for path in folder.rglob(name)]
