"""Stream: which regime the world is in at each step, and the episodes it makes there."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch.utils.data import Dataset

from plasticity.core.bounded import Count
from plasticity.core.tunnel import IGNORE_INDEX, AnswerKey, Batch, Latents, Tunnel

if TYPE_CHECKING:
    import polars

BATCH, LATENT, EPISODE, PROBE = range(4)
SCHEDULE = 5
"""Purposes of randomness, for `Stream.rng`: a step's episodes as drawn, a regime's latent, a step's regimes and fresh
latents, held-out probes, and whatever a schedule draws for itself. (4 was the strategies'.)"""
Hold = Literal["episode", "regime"]
"""What a latent is held for."""
PROBED = 16
"""Regimes probed at most, evenly spread, so that a stream of a thousand costs what one of ten costs."""
Belief = dict[int, float]
"""Regime -> probability that it is live. Sums to 1."""


class Group(NamedTuple):
    """The sequences of one batch that one regime makes."""

    rows: Int[np.ndarray, " n"]
    """Their places in the batch."""
    regime: int
    tunnel: Tunnel
    latents: Latents
    """One per sequence: leading axis n."""

    def one(self, index: int) -> "Group":
        """Sequence `index` of the group as a batch of its own."""
        one = slice(index, index + 1)
        return Group(np.zeros(1, np.int64), self.regime, self.tunnel, self.latents[one])


class Stream(Dataset[Batch], ABC):
    """A world that shifts: a schedule over regimes, each a tunnel and a latent. Subclasses write `schedule`.

    Law: batch `step` is a pure function of (seed, step), so a stream can be resumed, sharded over
    workers and indexed at random, and two learners on one stream see the same world. (Of (seed, step, notes)
    where a schedule writes `on_probe`: it answers to the learner.)
    Regime r lives in tunnels[r % len(tunnels)]. With `hold: regime` its latent is drawn once and held,
    across visits too; with `hold: episode` (the papers' setting) every episode draws its own. A list mixes
    the two: regime r goes by hold[r % len(hold)]. Regime -1-i is none of the stream's: it stands for
    tunnel i with a fresh latent in every episode, and is probed to see what in-context inference is worth.

    | a schedule may also say | for |
    |---|---|
    | prior | the switching observer: the law of the live regime, to one who does not see it |
    | latent, parent | regimes that have parts in common |
    | retired | which regimes never return, so that nobody need remember them |
    | shifts | where a boundary is, if batches mix regimes |
    | on_probe | what follows from the learner's probes |
    | summary | what its own question is answered by |

    Args:
        tunnels: the tasks; all have the same alphabets.
        regimes: number of regimes; null: without end.
        steps: length of the stream, in steps; null: without end.
        batch: sequences per step.
        time: symbols per sequence.
        hold: what a latent is held for, in every regime or in each of a list.
        probe: held-out sequences per regime.
        seed: of everything random here.

    Attributes:
        given: constructor arguments that the engine supplies and a YAML may not.
        mixes: whether the sequences of a batch draw their regimes independently; else all are of one regime.

    Raises:
        ValueError: the tunnels disagree on an alphabet; batches mix tunnels that ask at different
            positions; a list is empty.
    """

    given: ClassVar = ("seed",)
    mixes: ClassVar[bool] = False

    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        regimes: Count | None,
        steps: Count | None,
        batch: Count = 8,
        time: Count = 32,
        hold: Hold | Sequence[Hold] = "regime",
        probe: Count = 64,
        seed: int = 0,
    ):
        if not tunnels:
            raise ValueError("tunnels: expected at least one tunnel, got an empty list")
        if not hold:
            raise ValueError("hold: expected episode or regime at least once, got an empty list")
        self.tunnels, self.regimes, self.steps = list(tunnels), regimes, steps
        self.batch, self.time, self.hold, self.probe, self.seed = batch, time, hold, probe, seed
        self.vocab, self.symbols = tunnels[0].vocab, tunnels[0].symbols
        self.notes: list[int] = []
        """What the schedule was told, digested; in the checkpoint. Empty for all that do not listen."""
        self._held: tuple[int, Latents] | None = None  # the latent that was asked for last
        self._asked = [tunnel.asked(time) for tunnel in tunnels]
        self._amnesic = [tunnel.observer() for tunnel in tunnels]
        for i, tunnel in enumerate(tunnels):
            for what in ("vocab", "symbols"):
                mine, first = getattr(tunnel, what), getattr(self, what)
                if mine != first:
                    raise ValueError(
                        f"tunnels whose alphabets differ: tunnels[{i}] ({type(tunnel).__name__}) has "
                        f"{what} {mine}, tunnels[0] ({type(tunnels[0]).__name__}) has {first}; "
                        "Padded brings them into one alphabet"
                    )
            if self.mixes and not np.array_equal(self._asked[i], self._asked[0]):
                raise ValueError(
                    f"a batch that mixes tunnels which ask at different positions: tunnels[{i}] "
                    f"({type(tunnel).__name__}) against tunnels[0] ({type(tunnels[0]).__name__})"
                )
            tunnel.draw(tunnel.latents(1, self.rng(LATENT, 0)), time, self.rng(LATENT, 0))

    @abstractmethod
    def schedule(self, step: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
        """Which regime makes each sequence of batch `step`. The only method a schedule writes."""

    def prior(self, step: int, before: Belief | None) -> Belief | None:
        """Law of the regime live at `step`, to one who knows the schedule and not its draws.

        Where a batch mixes regimes, of each of its sequences alike.

        Args:
            step: which.
            before: the posterior after the step before; None at the first.

        Returns:
            None: the schedule has no such law, and the switching observer is undefined.
        """
        return None

    def latent(self, regime: int) -> Latents:
        """The latent that this regime holds; leading axis 1. Only observers may look."""
        return self.tunnels[self.tunnel_index(regime)].latents(1, self.rng(LATENT, regime))

    def parent(self, regime: int) -> tuple[int, Sequence[int]] | None:
        """(an earlier regime, parts): this latent is that one's, but for these parts; None: drawn on its own."""
        return None

    def retired(self, regime: int, step: int) -> bool:
        """Whether the regime is live at no step after this one, and surely so."""
        return False

    def on_probe(self, step: int, bits: dict[int, float]) -> None:
        """The learner's probes after `step` updates: regime -> KL(informed || model) in bits."""

    def is_correct(
        self, said: Int[np.ndarray, "batch asked"], wanted: Int[np.ndarray, "batch asked"]
    ) -> Bool[np.ndarray, "batch asked"]:
        """Whether answers are right: as its tunnel has it; where there are several, those that came."""
        return (
            self.tunnels[0].is_correct(said, wanted) if len(self.tunnels) == 1 else said == wanted
        )

    def summary(
        self, steps: "polars.DataFrame", probes: "polars.DataFrame"
    ) -> dict[str, float | None]:
        """Numbers that only this world can tell of a learner; `world/<name>` in a summary. None: undefined.

        Args:
            steps: the step table of a run of this stream, from its first step on.
            probes: its probe table.
        """
        return {}

    def __len__(self) -> int:
        if self.steps is None:
            raise TypeError("an endless stream has no length")
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        """Batch `step`, as a strategy sees it."""
        return self.keyed(step)[0]

    def keyed(self, step: int) -> tuple[Batch, AnswerKey]:
        """Batch `step` and its answer key. Only scorers and observers may look at that."""
        groups = self.groups(step)
        batch, key = self._make(groups, self.rng(BATCH, step))
        if not self.mixes:
            return batch, key
        law = self.prior(step, None)
        return batch, key._replace(weights=law) if law else key

    @property
    def asked(self) -> Bool[np.ndarray, " time"]:
        """Positions at which some tunnel asks."""
        return np.any(self._asked, axis=0)

    @property
    def probed(self) -> list[int]:
        """The regimes that are probed: PROBED at most; then every tunnel with fresh latents, unless none are held."""
        first = PROBED if self.regimes is None else self.regimes
        spread = np.linspace(0, first - 1, min(first, PROBED)).round().astype(int).tolist()
        return spread + [-1 - i for i in range(len(self.tunnels)) if any(map(self.holds, spread))]

    def tunnel_index(self, regime: int) -> int:
        """Which of the tunnels the regime lives in."""
        return regime % len(self.tunnels) if regime >= 0 else -1 - regime

    def live(self, step: int) -> Int[np.ndarray, " batch"]:
        """The regime of each sequence of batch `step`."""
        return self.schedule(step, self.rng(EPISODE, step))

    def shifts(self, step: int) -> bool:
        """Whether the regimes of `step` differ from those of the step before; the first step is no shift."""
        return step > 0 and set(self.live(step)) != set(self.live(step - 1))

    def holds(self, regime: int) -> bool:
        """Whether one latent makes every episode of this regime."""
        each = [self.hold] if isinstance(self.hold, str) else self.hold
        return regime >= 0 and each[regime % len(each)] == "regime"

    def groups(self, step: int) -> list[Group]:
        """Who makes batch `step`: its regimes and their latents. Only observers may look."""
        rng = self.rng(EPISODE, step)
        live = self.schedule(step, rng)
        return [self._group(int(r), np.flatnonzero(live == r), rng) for r in np.unique(live)]

    def probe_groups(self, regime: int) -> list[Group]:
        """Who makes the probe of this regime."""
        rng = self.rng(PROBE, (self.regimes or 1 << 40) + self._nth(regime))
        return [self._group(regime, np.arange(self.probe), rng)]

    def probes(self) -> list[Batch]:
        """One held-out batch for each of `probed`: what does the learner still know?"""
        return [batch for batch, _ in self.keyed_probes()]

    def keyed_probes(self) -> list[tuple[Batch, AnswerKey]]:
        """The probes and their answer keys. Only scorers and observers may look at those."""
        return [
            self._make(self.probe_groups(r), self.rng(PROBE, self._nth(r))) for r in self.probed
        ]

    def _nth(self, regime: int) -> int:
        """A number for each regime that is not negative."""
        return regime if regime >= 0 else (1 << 20) - regime

    def _group(self, regime: int, rows: np.ndarray, rng: np.random.Generator) -> Group:
        tunnel = self.tunnels[self.tunnel_index(regime)]
        if self.holds(regime):
            if self._held is None or self._held[0] != regime:
                self._held = regime, self.latent(regime)
            latents = np.repeat(self._held[1], len(rows), axis=0)
        else:
            latents = tunnel.latents(len(rows), rng)
        return Group(rows, regime, tunnel, latents)

    def _make(self, groups: list[Group], rng: np.random.Generator) -> tuple[Batch, AnswerKey]:
        n = sum(len(group.rows) for group in groups)
        inputs = np.empty((n, self.time), dtype=np.int64)
        drawn = np.empty((n, self.time), dtype=np.int64)
        posterior = np.empty((n, self.time, self.symbols))
        regime = np.empty(n, dtype=np.int64)
        for rows, index, tunnel, latents in groups:
            x, y = tunnel.draw(latents, self.time, rng)
            inputs[rows], drawn[rows], regime[rows] = x, y, index
            posterior[rows] = self._amnesic[self.tunnel_index(index)].predict(x, y)
        asked = self._asked[self.tunnel_index(groups[0].regime)]
        targets = np.where(asked, drawn, IGNORE_INDEX)
        batch = Batch(*map(torch.from_numpy, (inputs, targets, asked)))
        weights = {group.regime: len(group.rows) / n for group in groups}
        held = (torch.from_numpy(each) for each in (drawn, posterior, regime))
        return batch, AnswerKey(*held, weights=weights)

    def rng(self, purpose: int, index: int) -> np.random.Generator:
        """Randomness of this stream: a pure function of (purpose, seed, index).

        Args:
            purpose: BATCH, LATENT, EPISODE, PROBE or SCHEDULE; a schedule's own draws are SCHEDULE's.
            index: a step, a regime, a block: whatever the purpose counts by.
        """
        return np.random.default_rng((purpose, self.seed, index))
