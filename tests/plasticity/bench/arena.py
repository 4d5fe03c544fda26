"""A suite small enough to run in a moment."""

from pathlib import Path

from plasticity import Detector, Network, Optimizer, Strategy, Stream, Tunnel
from plasticity.bench.suite import Suite
from plasticity.config import plugins
from plasticity.config.schema import parse
from plasticity.config.yaml_source import read

TINY = """\
name: tiny
version: "1"
streams:
  markov:
    type: Recurring
    tunnels: [{type: Markov, symbols: 3, concentration: 0.3}]
    regimes: 2
    period: 5
    steps: 20
    batch: 2
    time: 8
    probe: 4
networks: [{type: Transformer, width: 8, depth: 1, heads: 2}]
strategies: [{type: Frozen}, {type: Finetune}]
seeds: [0, 1]
tuning:
  streams:
    held-out:
      type: Abrupt
      tunnels: [{type: Markov, symbols: 3, concentration: 0.5}]
      period: 5
      steps: 10
      batch: 2
      time: 8
      probe: 4
  lrs: [1.0e-4, 1.0e-2]
pretrain: {steps: 4, batch: 4}
stretch: 5
hardware: {threads: 1}
"""


def suite(folder: Path, *overrides: str, file: Path | None = None) -> Suite:
    """The tiny suite, or that of a file, with some keys overridden."""
    plugins.load()
    if file is None:
        file = folder / "tiny.yaml"
        file.write_text(TINY)
    contracts = [Tunnel, Stream, Network, Strategy, Optimizer, Detector]
    return parse(Suite, read(file, overrides), contracts)
