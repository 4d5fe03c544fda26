"""Stretches: the record of a cell as dashboards show it, one row of numbers per stretch."""

import math
from collections.abc import Iterator

import polars as pl

from plasticity.metrics.skill import skill
from plasticity.results.store import Cell


class Stretches:
    """The rows of a cell that were stored since it was last asked: of a run that goes on, and of one long done.

    A dashboard is told the record and nothing else, so that whoever reads the record can fill in what it missed.

    | key | what it is |
    |---|---|
    | stream/step | updates made so far: the x axis of all others |
    | stream/regime, stream/visit | where the world was at the last step; visits are counted from 0 |
    | stream/alarms | how often the detector raised the alarm so far |
    | window/<metric>/<predictor> | mean over the stretch, in bits; left out where it is not finite |
    | window/skill | of the stretch; left out where it is undefined |
    | probe/regime<r> | KL(informed || model) on the held-out probe of a regime, in bits |
    | probe/fresh<i> | the same of tunnel i under fresh latents |
    | condition/<column> | the state of the network, where it was looked at |
    | cost/ms_per_step | milliseconds |

    Args:
        cell: whose; begun.
    """

    def __init__(self, cell: Cell):
        self.cell = cell
        kinds = "timing", "steps", "probes", "condition"
        self._tables = {kind: cell.table(kind) for kind in kinds}  # each holds what it read last
        self._next = self._visit = self._alarms = 0

    def new(self) -> Iterator[tuple[int, dict[str, float]]]:
        """(number, row) of every row not yet given; 0 is the probe before any update, n the stretch n - 1."""
        while row := self._row(self._next):
            yield self._next, {k: v for k, v in row.items() if math.isfinite(v)}
            self._next += 1

    def _row(self, number: int) -> dict[str, float]:
        """Empty where the stretch is not over. Its timing is written last."""
        timing, steps = (self._tables[kind].part(number - 1) for kind in ("timing", "steps"))
        probes, condition = (self._tables[kind].part(number) for kind in ("probes", "condition"))
        if not len(probes if number == 0 else timing):
            return {}
        row = {"stream/step": 0.0 if number == 0 else float(timing["step"][0])}
        if len(steps):
            row |= self._window(steps)
            row["cost/ms_per_step"] = 1000 * float(timing["seconds"][0]) / len(steps)
        for regime, bits in probes.select("regime", "kl/model").iter_rows() if len(probes) else ():
            row[f"probe/regime{regime}" if regime >= 0 else f"probe/fresh{-1 - regime}"] = bits
        row |= {f"condition/{c}": float(condition[c][0]) for c in condition.columns if c != "step"}
        return row

    def _window(self, steps: pl.DataFrame) -> dict[str, float]:
        """Where the world was, and what was scored."""
        self._visit += int(steps.filter(pl.col("step") > 0)["shift"].sum())
        self._alarms += int(steps["alarm"].sum())
        found = {
            "stream/regime": float(steps["regime"][-1]),
            "stream/visit": float(self._visit),
            "stream/alarms": float(self._alarms),
        }
        scores = (c for c in steps.columns if "/" in c)
        found |= {f"window/{c}": float(steps[c].to_numpy().mean()) for c in scores}
        value = skill(steps)
        return found if value is None else found | {"window/skill": value}
