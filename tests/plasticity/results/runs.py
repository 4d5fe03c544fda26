"""Small runs made up of tables, without any learner."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from plasticity.engine.trainer import SCORES
from plasticity.metrics.summary import summarise
from plasticity.results.store import Cell, Run


def made(
    folder: Path,
    skills: Mapping[str, Sequence[float]],
    seeds: Sequence[int] = (0, 1, 2),
    name: str = "world",
    period: int = 20,
    lr: float = 0.001,
    unfinished: str = "",
) -> Run:
    """A run in a world A B A B whose observers depend on the seed alone, and whose strategies have these skills.

    KL(continual) is 0.1 and KL(amnesic) 1 + seed / 10, both at every step.
    """
    run = Run(folder)
    stream = {"type": "Recurring", "period": period, "tunnels": [{"type": "Markov", "symbols": 3}]}
    config = {"name": name, "stream": stream, "optimizer": {"type": "AdamW", "lr": lr}}
    run.begin(yaml.safe_dump(config), {"commit": "abc", "packages": {"torch": "2"}})
    pairs = [(label, i) for label in skills for i in range(len(skills[label]))]
    for index, (label, i) in enumerate(pairs):
        cell = Cell(run.path / "cells" / f"{label}-seed{seeds[i]}")
        meta = {"label": label, "seed": seeds[i], "index": index, "pretrained_gap": None}
        cell.begin(meta | {"strategy": {"type": label}}, f"made up {index}", run.digest)
        _fill(cell, 4 * period, period, skills[label][i], 1 + seeds[i] / 10)
        if label != unfinished:
            numbers = summarise(cell.steps.read(), cell.probes.read())
            cell.end(numbers | {"cost/ms_per_step": 2.0})
    return run


def _fill(cell: Cell, steps: int, period: int, skill: float, amnesic: float) -> None:
    step = np.arange(steps)
    table = {name: np.ones(steps) for name in SCORES}
    table["kl/amnesic"], table["kl/continual"] = np.full(steps, amnesic), np.full(steps, 0.1)
    table["kl/model"] = np.full(steps, amnesic - skill * (amnesic - 0.1))
    regime, shift = (step // period % 2).astype(np.int32), (step % period == 0) & (step > 0)
    answers = np.full(steps, 12, np.int32)
    cell.steps.write(
        0, {"step": step, "regime": regime, "shift": shift, "answers": answers, **table}
    )
    at = np.repeat(np.arange(0, steps + 1, period), 2)
    probed = {"step": at, "regime": np.tile(np.arange(2, dtype=np.int32), len(at) // 2)}
    cell.probes.write(0, probed | {name: np.ones(len(at)) for name in SCORES})
    cell.timing.write(0, {"step": np.array([steps]), "seconds": np.array([1.5])})


def spoil(run: Run, label: str, seed: int, since: int) -> None:
    """As if the learner's bits had been no numbers from a step on, in one cell of a finished run."""
    cell = Cell(run.path / "cells" / f"{label}-seed{seed}")
    for table in (cell.steps, cell.probes):
        frame = table.read()
        own = [name for name in frame.columns if name.endswith("/model")]
        lost = pl.when(pl.col("step") >= since).then(np.nan)
        frame = frame.with_columns(lost.otherwise(pl.col(name)).alias(name) for name in own)
        table.write(0, {name: frame[name].to_numpy() for name in frame.columns})
    cell.end(summarise(cell.steps.read(), cell.probes.read()))
