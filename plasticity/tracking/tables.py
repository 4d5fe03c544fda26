"""Tables that wandb is given at the end of a cell."""

from typing import Any

import numpy as np
import torch

from plasticity.core.predictors import AMNESIC, CONTINUAL, INFORMED
from plasticity.core.stream import Stream
from plasticity.core.tunnel import Batch
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.learner import OnlineLearner
from plasticity.metrics.visits import probed
from plasticity.plots.letters import letter
from plasticity.results.store import Cell

CHECKPOINTS = 200
"""Checkpoints of a probe matrix, at most: evenly spread."""
REGIMES, POSITIONS, SYMBOLS, CONTEXT = 4, 4, 16, 8
"""What the table of posteriors holds at most: regimes, asked positions of each, symbols of each; symbols before it."""
Rows = list[list[Any]]


def probe_matrix(cell: Cell) -> dict[str, Any]:
    """`probe_matrix`, a table of bits per (step, regime)."""
    held = probed(cell.probes.read())
    keep = np.unique(np.linspace(0, len(held.at) - 1, CHECKPOINTS).round().astype(int))
    rows: Rows = [
        [int(held.at[c]), letter(int(regime)), float(held.bits[c, r])]
        for c in keep
        for r, regime in enumerate(held.regimes)
        if np.isfinite(held.bits[c, r])
    ]
    return {"probe_matrix": _table(["step", "regime", "bits"], rows)}


def posteriors(learner: OnlineLearner, data: StreamDataModule) -> dict[str, Any]:
    """`posteriors`: what the model says at some asked positions of the last probes, beside three exact observers."""
    columns = ["regime", "position", "context", "symbol", "came"]
    columns += ["informed", "continual", "amnesic", "model"]
    rows = [
        row
        for regime in [r for r in data.stream.probed if r >= 0][:REGIMES]
        for row in _regime(learner, data, regime)
    ]
    return {"posteriors": _table(columns, rows)}


def _table(columns: Any, rows: Any) -> Any:
    """Rows as wandb's table, whose lists are invariant."""
    import wandb

    return wandb.Table(columns=columns, data=rows)


def _regime(learner: OnlineLearner, data: StreamDataModule, regime: int) -> Rows:
    """Rows of the first sequence of one regime's probe."""
    stream: Stream = data.stream
    batch, key = stream.keyed_probes()[stream.probed.index(regime)]
    truth = data.reference.predict(batch, key, stream.probe_groups(regime))[:, 0]
    first = Batch(*(each.to(learner.device) for each in batch.rows(slice(1))))
    with torch.no_grad():
        logits = learner.strategy.predict(learner, first)[0, first.asked]
    model = logits.double().softmax(-1).cpu().numpy()
    asked = np.flatnonzero(batch.asked.numpy())
    rows: Rows = []
    for i in np.unique(np.linspace(0, len(asked) - 1, POSITIONS).round().astype(int)):
        at = int(asked[i])
        before = batch.inputs[0, max(0, at + 1 - CONTEXT) : at + 1].tolist()
        likely = np.sort(np.argsort(-truth[INFORMED, i], kind="stable")[:SYMBOLS])
        for symbol in likely.tolist():
            said = [float(truth[who, i, symbol]) for who in (INFORMED, CONTINUAL, AMNESIC)]
            head = [letter(regime), at, " ".join(map(str, before)), symbol]
            came = int(batch.targets[0, at]) == symbol
            rows.append([*head, came, *said, float(model[i, symbol])])
    return rows
