"""Revised: a causal world of which each visit changes one thing, and which comes back in between."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import polars as pl

from plasticity import Batch, Count, Latents, Tunnel
from plasticity.stream import LATENT, PROBE, SCHEDULE, Group
from streams.causal_tunnel import CausalTunnel
from streams.edits import Kind
from streams.ladder import INTERVENTION, RUNGS
from streams.schedules import Recurring

CHANGED, UNCHANGED = "changed", "unchanged"
ROWS = ("inputs", "targets", "posterior", "regime")
"""Of a batch, what has one row per sequence."""
SAME = 1e-9
"""Two probabilities that differ by less are one."""


class Revised(Recurring):
    """A first world and its revisions, by turns: 0 1 0 2 0 3 0 1 ..., each visit `period` steps long.

    Regime r >= 1 is regime 0 after one change of the kind changes[r - 1]: one mechanism is drawn anew; an
    arrow of the graph is turned round; or one variable becomes a common cause of two others. The
    mechanisms of variables whose parents change are drawn anew, all else is as it was. So every
    shift makes one change or takes it back, and the rest need not be learned again.
    The continual observer of a revised regime begins with what is known of regime 0 and is told the
    change; from then on it learns from its own episodes.

    Every regime is probed as it is, and again by each of its `views`: one rung of the ladder alone; and
    of a revision, interventions whose exact answer the change did change, and those whose answer it left.
    So the table of probes tells whether a learner repairs what was broken, and that only.

    Args:
        tunnels: one causal task, SCM or CounterfactualSCM.
        changes: the kind of each revision.
        period: steps per visit.
        steps: length of the stream, in steps; null: without end.
        batch: sequences per step.
        time: symbols per sequence.
        probe: held-out sequences per regime.
        seed: of everything random here.

    Raises:
        ValueError: there are several tunnels, or the one is not causal; there are no changes.
    """

    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        changes: Sequence[Kind] = ("mechanism", "reversal", "confounder"),
        period: Count = 100,
        steps: Count | None = 600,
        batch: Count = 8,
        time: Count = 30,
        probe: Count = 64,
        seed: int = 0,
    ):
        if len(tunnels) != 1 or not isinstance(tunnels[0], CausalTunnel):
            names = ", ".join(type(tunnel).__name__ for tunnel in tunnels)
            raise ValueError(
                f"tunnels: expected one SCM or CounterfactualSCM, got {names or 'none'}"
            )
        if not changes:
            raise ValueError("changes: expected at least one kind of change, got an empty list")
        regimes = 1 + len(changes)
        super().__init__(tunnels, regimes, period, steps, batch, time, "regime", probe, seed)
        self.causal, self.changes = tunnels[0], list(changes)
        self.rungs = [rung for rung in RUNGS if rung in (self.causal.graded or self.causal.asks)]

    @cached_property
    def views(self) -> list[tuple[int, str]]:
        """(regime, what of it is asked) of the probes beside those of whole regimes, numbered from `regimes`."""
        assert self.regimes
        found = [(regime, rung) for regime in range(self.regimes) for rung in self.rungs]
        if "intervention" in self.rungs:
            kinds = (CHANGED, UNCHANGED)
            found += [(regime, kind) for regime in range(1, self.regimes) for kind in kinds]
        return found

    @property
    def probed(self) -> list[int]:
        """The regimes, those of their views that ask anything, and fresh latents."""
        assert self.regimes
        asking = [
            self.regimes + i
            for i, (regime, view) in enumerate(self.views)
            if view in self.rungs or len(self._questions(regime, view))
        ]
        return [*range(self.regimes), *asking, -1]

    def probe_groups(self, regime: int) -> list[Group]:
        """Those of the regime that is viewed."""
        viewed, _ = self._view(regime)
        return [g._replace(regime=regime) for g in super().probe_groups(viewed)]

    def probes(self) -> list[Batch]:
        """Views of a regime ask of the very episodes of its own probe, but for those chosen by their question."""
        found = list[Batch]()
        for number in self.probed:
            regime, view = self._view(number)
            groups = self.probe_groups(number)
            if view in (CHANGED, UNCHANGED):
                groups = [self._many(group) for group in groups]
            probe = self._make(groups, self._rng(PROBE, self._nth(regime)))
            if view in (CHANGED, UNCHANGED):
                rows = np.resize(self._questions(regime, view), self.probe)
                asked = np.arange(self.time) == self._last
                each = {name: getattr(probe, name)[rows] for name in ROWS}
                probe = probe._replace(**each)
            else:
                rung = self.causal.rung(self.time)
                asked = probe.asked.numpy() & (not view or rung == 1 + RUNGS.index(view))
            found.append(probe._replace(asked=probe.asked.new_tensor(asked)))
        return found

    def ladder(self, probes: pl.DataFrame, predictor: str = "model") -> pl.DataFrame:
        """Bits from the truth by regime and view, over time.

        Args:
            probes: the probe table of a run of this stream.
            predictor: a name of its columns.

        Returns:
            `step`, `regime`, `view` and `bits`, KL(informed || predictor) per asked position.
        """
        assert self.regimes
        rows = [(self.regimes + i, *view) for i, view in enumerate(self.views)]
        names = pl.DataFrame(rows, schema=["number", "viewed", "view"], orient="row")
        found = probes.with_columns(number=pl.col("regime").cast(pl.Int64)).join(names, on="number")
        return found.select("step", regime="viewed", view="view", bits=f"kl/{predictor}")

    def visited(self, visit: int) -> int:
        """Regime 0 at even visits, the revisions in turn at odd ones."""
        return 0 if visit % 2 == 0 else 1 + visit // 2 % len(self.changes)

    def over(self, regime: int, step: int) -> bool:
        """Never, as they are few."""
        return False

    def findings(self, steps: pl.DataFrame, probes: pl.DataFrame) -> dict[str, float | None]:
        """What the learner knows on each rung, and whether it repairs what a change broke, and only that.

        | name | bits per asked position |
        |---|---|
        | `rung/<rung>` | on this rung in the live regime, mean over checkpoints |
        | `before/<kind>` | interventions that the change changed, when it came; mean over visits |
        | `repaired/<kind>` | the same when the visit ended |
        | `collateral/<kind>` | interventions that it left as they were, when the visit ended |
        | `seeing_for_doing` | lost on rung 2 by one who knows all laws and takes seeing for doing |
        """
        table = self.ladder(probes).sort("step")
        at = table["step"].to_numpy()
        live = np.array([self.visited(max(step - 1, 0) // self.period) for step in at.tolist()])
        here = table.filter(pl.Series(live) == table["regime"])
        found = {f"rung/{rung}": _mean(here.filter(pl.col("view") == rung)) for rung in self.rungs}
        last = int(at.max())
        visits = range(-(-last // self.period))
        ended = {v: (v * self.period, min((v + 1) * self.period, last)) for v in visits if v % 2}
        for kind in dict.fromkeys(self.changes):
            spans = {
                end: [(self.visited(v), span[end]) for v, span in ended.items()
                      if self.changes[self.visited(v) - 1] == kind]
                for end in (0, 1)
            }  # fmt: skip
            for name, view, end in (
                ("before", CHANGED, 0), ("repaired", CHANGED, 1), ("collateral", UNCHANGED, 1)
            ):  # fmt: skip
                chosen = pl.struct("regime", "step").is_in(
                    [{"regime": regime, "step": step} for regime, step in spans[end]]
                )
                found[f"{name}/{kind}"] = _mean(table.filter((pl.col("view") == view) & chosen))
        off = 1 - np.eye(self.causal.variables)
        losses = [self.causal.confounding(self.latent(self.visited(v)))[0] for v in visits]
        found["seeing_for_doing"] = float(np.mean([(x * off).sum() / off.sum() for x in losses]))
        return found

    def latent(self, regime: int) -> Latents:
        """Regime 0's, revised."""
        regime, _ = self._view(regime)
        return self._revised(regime)[0] if regime > 0 else self._first()

    def inherits(self, regime: int) -> tuple[int, Sequence[int]] | None:
        """Regime 0, but for the change; a view, the regime that is viewed."""
        viewed, view = self._view(regime)
        if view:
            return viewed, ()
        return (0, [self._revised(regime)[1]]) if regime > 0 else None

    def _first(self) -> Latents:
        return self.causal.latents(1, self._rng(LATENT, 0))

    def _revised(self, regime: int) -> tuple[Latents, int]:
        kind = self.changes[regime - 1]
        return self.causal.revise(self._first(), kind, self._rng(SCHEDULE, regime))

    def _view(self, regime: int) -> tuple[int, str]:
        """The regime that is viewed, and what of it is asked; empty: all."""
        assert self.regimes
        return self.views[regime - self.regimes] if regime >= self.regimes else (regime, "")

    @cached_property
    def _last(self) -> int:
        """Position of the last intervention of an episode."""
        return int(np.flatnonzero(self.causal.rung(self.time) == INTERVENTION)[-1])

    def _many(self, group: Group) -> Group:
        """So many rows that every kind of question is among them."""
        rows = np.arange(8 * self.probe)
        return group._replace(rows=rows, latents=np.repeat(group.latents[:1], len(rows), axis=0))

    def _questions(self, regime: int, kind: str) -> np.ndarray:
        """The rows of many episodes whose last intervention the change of the regime concerns, or does not."""
        return np.flatnonzero(self._concerned[regime] == (kind == CHANGED))

    @cached_property
    def _concerned(self) -> dict[int, np.ndarray]:
        """Of each revision, whether the last intervention of each of many episodes has another answer by it."""
        assert self.regimes
        return {regime: self._differs(regime) for regime in range(1, self.regimes)}

    def _differs(self, regime: int) -> np.ndarray:
        (group,) = super().probe_groups(regime)
        rng = self._rng(PROBE, self._nth(regime))
        x, y = self.causal.draw(self._many(group).latents, self.time, rng)
        said = [
            self.causal.informed(latent).predict(x, y)[:, self._last]
            for latent in (self._first(), group.latents[:1])
        ]
        return np.abs(said[0] - said[1]).max(-1) > SAME


def _mean(table: pl.DataFrame) -> float | None:
    """Mean bits; None: there are no rows."""
    return float(table["bits"].to_numpy().mean()) if len(table) else None
