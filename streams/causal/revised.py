"""Schedule of causal worlds of which each visit revises one mechanism, edge or confounder."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool

from plasticity import LATENT, PROBE, SCHEDULE, AnswerKey, Batch, Count, Group, Latents, Tunnel
from streams.causal.causal_tunnel import SAME, CausalTunnel
from streams.causal.episodes import INTERVENTION, RUNGS
from streams.causal.graph_edits import Kind
from streams.schedules.with_views import Viewed

if TYPE_CHECKING:
    import polars

CHANGED, UNCHANGED = "changed", "unchanged"
WORLDS = 1000
"""First worlds that are drawn at most, until every change is one."""


class Revised(Viewed):
    """A first world and its revisions, by turns: 0 1 0 2 0 3 0 1 ..., each visit `period` steps long.

    Regime r >= 1 is regime 0 after one change of the kind changes[r - 1]: one mechanism is drawn anew; an
    arrow of the graph is turned round; or one variable becomes a common cause of two others. The
    mechanisms of variables whose parents change are drawn anew, all else is as it was. So every
    shift makes one change or takes it back, and the rest need not be learned again.
    A graph may allow no change of a kind (of three variables, 18 of 25 have no room for a common cause), and a function
    that is drawn anew may be the same one again: the first world is drawn from the tunnel's prior until each of the
    changes alters what is seen or what would be done. The observers are not told that.
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
        ValueError: there are several tunnels, or the one is not causal; there are no changes; or one of them alters
            next to no world of so many variables and parents.
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
        self._first = self._drawn()
        self.rungs = [rung for rung in RUNGS if rung in (self.causal.graded or self.causal.asks)]

    @property
    def views(self) -> list[tuple[int, str]]:
        """One rung alone; of a revision, interventions that it changed, and those that it left."""
        assert self.regimes
        found = [(regime, rung) for regime in range(self.regimes) for rung in self.rungs]
        if "intervention" in self.rungs:
            kinds = (CHANGED, UNCHANGED)
            found += [(regime, kind) for regime in range(1, self.regimes) for kind in kinds]
        return found

    def asking(self, regime: int, view: str) -> bool:
        """Whether there are such questions."""
        return view in self.rungs or bool(len(self._questions(regime, view)))

    def asks(self, view: str, probe: Batch) -> Bool[np.ndarray, " time"]:
        """The positions of the rung; of questions that are chosen, the last intervention."""
        if view in (CHANGED, UNCHANGED):
            return np.arange(self.time) == self._last
        return probe.asked.numpy() & (self.causal.rung(self.time) == 1 + RUNGS.index(view))

    def _probe(self, number: int) -> tuple[Batch, AnswerKey]:
        """Episodes that are chosen by their question are of so many that every kind is among them."""
        regime, view = self.viewed(number)
        if view not in (CHANGED, UNCHANGED):
            return super()._probe(number)
        groups = [self._many(group) for group in self.probe_groups(number)]
        probe, key = self._make(groups, self.rng(PROBE, self._nth(regime)))
        rows = torch.from_numpy(np.resize(self._questions(regime, view), self.probe))
        asked = probe.asked.new_tensor(self.asks(view, probe))
        return probe.rows(rows).asking(asked), key.rows(rows)

    def ladder(self, probes: "polars.DataFrame", predictor: str = "model") -> "polars.DataFrame":
        """Bits from the truth by regime and view, over time.

        Args:
            probes: the probe table of a run of this stream.
            predictor: a name of its columns.

        Returns:
            `step`, `regime`, `view` and `bits`, KL(informed || predictor) per asked position.
        """
        import polars as pl

        rows = [(self.number(*view), *view) for view in self.views]
        names = pl.DataFrame(rows, schema=["number", "viewed", "view"], orient="row")
        found = probes.with_columns(number=pl.col("regime").cast(pl.Int64)).join(names, on="number")
        return found.select("step", regime="viewed", view="view", bits=f"kl/{predictor}")

    def visited(self, visit: int) -> int:
        """Regime 0 at even visits, the revisions in turn at odd ones."""
        return 0 if visit % 2 == 0 else 1 + visit // 2 % len(self.changes)

    def summary(
        self, steps: "polars.DataFrame", probes: "polars.DataFrame"
    ) -> dict[str, float | None]:
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
        bits = {(regime, view, step): b for step, regime, view, b in table.rows()}

        def mean(view: str, places: Iterable[tuple[int, int]]) -> float | None:
            """Over (regime, step); None: nothing was asked at any of them."""
            found = [bits[at] for regime, step in places if (at := (regime, view, step)) in bits]
            return float(np.mean(found)) if found else None

        checkpoints = table["step"].unique(maintain_order=True).to_list()
        live = [(self.lived(step), step) for step in checkpoints]
        found = {f"rung/{rung}": mean(rung, live) for rung in self.rungs}
        last = checkpoints[-1]
        visits = range(-(-last // self.period))
        for kind in dict.fromkeys(self.changes):
            mine = [v for v in visits if v % 2 and self.changes[self.visited(v) - 1] == kind]
            begun = [(self.visited(v), v * self.period) for v in mine]
            ended = [(self.visited(v), min((v + 1) * self.period, last)) for v in mine]
            found[f"before/{kind}"] = mean(CHANGED, begun)
            found[f"repaired/{kind}"] = mean(CHANGED, ended)
            found[f"collateral/{kind}"] = mean(UNCHANGED, ended)
        off = 1 - np.eye(self.causal.variables)
        losses = [self.causal.confounding(self.latent(self.visited(v)))[0] for v in visits]
        found["seeing_for_doing"] = float(np.mean([(x * off).sum() / off.sum() for x in losses]))
        return found

    def latent(self, regime: int) -> Latents:
        """Regime 0's, revised."""
        regime, _ = self.viewed(regime)
        return self._revised(regime)[0] if regime > 0 else self._first

    def parent(self, regime: int) -> tuple[int, Sequence[int]] | None:
        """Regime 0, but for the change; a view, all that is known of its regime."""
        if (viewed := super().parent(regime)) or regime <= 0:
            return viewed
        return 0, [self._revised(regime)[1]]

    def _drawn(self) -> Latents:
        """The first world: one that every change alters."""
        rng, idle = self.rng(LATENT, 0), Counter[str]()
        for _ in range(WORLDS):
            world = self.causal.latents(1, rng)
            same = [
                kind
                for regime, kind in enumerate(self.changes, 1)
                if not self.causal.differ(world, self._changed(world, regime)[0])
            ]
            if not same:
                return world
            idle.update({*same})
        ((kind, worlds),) = idle.most_common(1)
        raise ValueError(
            f"changes: {kind} alters nothing in {worlds} of {WORLDS} worlds of {self.causal!r}: expected more "
            "variables or parents, or other changes"
        )

    def _revised(self, regime: int) -> tuple[Latents, int]:
        return self._changed(self._first, regime)

    def _changed(self, world: Latents, regime: int) -> tuple[Latents, int]:
        """What the change of a regime makes of a first world, and the change."""
        return self.causal.revise(world, self.changes[regime - 1], self.rng(SCHEDULE, regime))

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
        rng = self.rng(PROBE, self._nth(regime))
        x, y = self.causal.draw(self._many(group).latents, self.time, rng)
        said = [
            self.causal.informed(latent).predict(x, y)[:, self._last]
            for latent in (self._first, group.latents[:1])
        ]
        return np.abs(said[0] - said[1]).max(-1) > SAME
