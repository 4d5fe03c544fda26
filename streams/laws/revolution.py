"""Schedule of an era under one law and of rare anomalies that reveal another."""

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Int

from plasticity import (
    BATCH,
    PROBE,
    SCHEDULE,
    AnswerKey,
    Batch,
    Belief,
    Count,
    Fraction,
    Group,
    Latents,
    LawChange,
    Stream,
    Symbols,
    Tunnel,
)
from streams.laws.expressions import QUANTITIES, exception_bits, expressions, region
from streams.laws.laws import Laws, numbers

if TYPE_CHECKING:
    import polars

ERA, REVOLUTION, ANOMALOUS, UNSEEN, ANOMALOUS_OLD, UNSEEN_OLD = range(6)
"""Regimes. The first two are live, one after the other; the others are only probed."""


class Revision(NamedTuple):
    """A law, and another that agrees with it but for a region."""

    old: int
    """Its number in the book."""
    revised: int
    """The number of the other."""
    region: Int[np.ndarray, " inputs"]
    """Where they disagree: at every input of it."""


class Revolution(Stream):
    """One law all along, whose exceptions are not met before the era ends, and rarely after it.

    The truth is `if v = c then E else E'`, the entrenched law is E', in which a and b both matter; at every
    input of the region v = c the two differ. Such a pair is drawn with chance ~ 2^-bits; v is a + b or a - b,
    so that every a and every b is familiar from elsewhere, and it is the law alone that says what to expect.
    In the first `era` steps no input lies in the region. From then on each is an anomaly with chance
    `rate`: one of the region's inputs but for `unseen` of them, which never come. Both laws fit the era
    alike; the old one is the shorter, and how many anomalies outweigh that is for Bayes' rule to say
    (Kuhn 1962). The continual observer has one posterior for everything, as there is one truth.

    Probes, beside those of the two live regimes: episodes of ordinary inputs, the last of which, and alone
    graded, lies in the region. The same episodes are put under the old law, so that the two differ only
    in who is informed, and with KL(revised || q), KL(old || q) in bits and a law's answer noisy by eps,

        KL(old || q) - KL(revised || q) = (1 - eps) log2 q(revised answer) / q(old answer).

    | regime | law | last input |
    |---|---|---|
    | 0 | revised, and the old one too | ordinary: the era |
    | 1 | revised | an anomaly at the rate: after the era |
    | 2 | revised | an anomaly |
    | 3 | revised | of the region, and never seen |
    | 4, 5 | old | as 2, 3 |

    Args:
        tunnels: one, Laws; its weights are not used here.
        era: steps without anomalies.
        rate: chance that an observation is an anomaly, after that.
        unseen: inputs of the region that never come.
        steps: length of the stream, in steps; null: without end.
        batch: sequences per step.
        time: symbols per sequence.
        probe: held-out sequences per regime.
        seed: of everything random here.

    Raises:
        ValueError: there are several tunnels, or the one is not Laws; no law with such an exception is
            short enough; nothing of the region would be left to see.
    """

    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        era: Count = 100,
        rate: Fraction = 0.01,
        unseen: Count = 2,
        steps: Count | None = 500,
        batch: Count = 8,
        time: Count = 32,
        probe: Count = 64,
        seed: int = 0,
    ):
        names = ", ".join(type(tunnel).__name__ for tunnel in tunnels)
        if len(tunnels) > 1 or (tunnels and not isinstance(tunnels[0], Laws)):
            raise ValueError(f"tunnels: expected one, Laws, got {names}")
        super().__init__(tunnels, 6, steps, batch, time, "regime", probe, seed)
        self.era, self.rate, self.unseen = era, rate, unseen
        assert isinstance(laws := self.tunnels[0], Laws)
        if unseen >= laws.modulus:
            raise ValueError(
                f"unseen: expected at most {laws.modulus - 1}, all but one input of the region, got {unseen}"
            )
        rng = self.rng(SCHEDULE, 0)
        self.revision, self.laws = revise(laws, rng), laws
        inside = rng.permutation(self.revision.region)
        self.never, self.anomalous = np.sort(inside[:unseen]), np.sort(inside[unseen:])
        every = np.arange(laws.modulus**2)
        ordinary, rare, never = (
            np.isin(every, which) / len(which)
            for which in (np.setdiff1d(every, inside), self.anomalous, self.never)
        )
        mixed = (1 - rate) * ordinary + rate * rare
        plans = [(ordinary, ordinary), (mixed, mixed), *[(ordinary, rare), (ordinary, never)] * 2]
        self._surveys = [
            Laws(laws.modulus, laws.longest, laws.noise, weights.tolist(), last.tolist())
            for weights, last in plans
        ]

    def schedule(self, step: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
        """The era, and what follows."""
        return np.full(self.batch, ERA if step < self.era else REVOLUTION)

    def prior(self, step: int, before: Belief | None) -> Belief:
        """The schedule is known, so there is no doubt."""
        return {ERA if step < self.era else REVOLUTION: 1.0}

    def latent(self, regime: int) -> Latents:
        """The revised law, but where the old one is asked about."""
        old = regime in (ANOMALOUS_OLD, UNSEEN_OLD)
        return np.array([self.revision.old if old else self.revision.revised])

    def parent(self, regime: int) -> tuple[int, Sequence[int]] | None:
        """What was learned in the era and after it is about one truth."""
        return (min(regime - 1, REVOLUTION), ()) if regime > ERA else None

    def retired(self, regime: int, step: int) -> bool:
        """The era never returns."""
        return regime == ERA and step + 1 >= self.era

    def groups(self, step: int) -> list[Group]:
        """As ever, with inputs as the time has them."""
        return [self._surveyed(group) for group in super().groups(step)]

    def probe_groups(self, regime: int) -> list[Group]:
        """As ever, with inputs of its own."""
        return [self._surveyed(group) for group in super().probe_groups(regime)]

    def keyed_probes(self) -> list[tuple[Batch, AnswerKey]]:
        """All from one state of chance, so that two regimes differ only as they must."""
        found = list[tuple[Batch, AnswerKey]]()
        for regime in self.probed:
            probe, key = self._make(self.probe_groups(regime), self.rng(PROBE, 0))
            if regime >= ANOMALOUS:
                asked = probe.asked.new_zeros(self.time)
                asked[-1] = True
                probe = probe.asking(asked)
            found.append((probe, key))
        return found

    def anomalies(self, step: int) -> int:
        """How many observations of batch `step` are anomalies."""
        inputs, _ = self._drawn(step)
        return int(np.isin(numbers(inputs, self.laws.modulus), self.revision.region).sum())

    def seen(self, at: Int[np.ndarray, " checkpoints"]) -> Int[np.ndarray, " checkpoints"]:
        """Anomalies among the batches before each of these steps."""
        each = [self.anomalies(step) if step >= self.era else 0 for step in range(int(at.max()))]
        return np.concatenate([[0], np.cumsum(each, dtype=np.int64)])[at]

    def verdict(self, probes: "polars.DataFrame", predictor: str = "model") -> LawChange:
        """When the predictor changes its mind, against the ideal reasoner.

        Args:
            probes: the probe table of a run of this stream.
            predictor: a name of its columns; `continual` is the ideal, whose data gravity is 1.
        """
        from plasticity import law_change, probed

        mine, ideal = (probed(probes, f"kl/{who}") for who in (predictor, "continual"))
        return law_change(
            mine.bits[:, [ANOMALOUS, ANOMALOUS_OLD, UNSEEN, UNSEEN_OLD]],
            ideal.bits[:, [ANOMALOUS, ANOMALOUS_OLD, UNSEEN, UNSEEN_OLD]],
            self.seen(mine.at),
            self.laws.noise,
        )

    def summary(
        self, steps: "polars.DataFrame", probes: "polars.DataFrame"
    ) -> dict[str, float | None]:
        """The verdict on the learner, by the names of its fields; and bits over the truth to send all answers.

        `code/learner` and `code/mixture` are the prequential code lengths of the learner and of the exact posterior
        over laws, less that of one who knows the laws, in bits.
        """
        from plasticity import code_length

        found = self.verdict(probes)._asdict()
        count = self.batch * int(self.asked.sum())
        truth, *codes = (
            float(code_length(steps[f"kl_realised/{who}"].to_numpy(), count)[-1])
            for who in ("informed", "model", "continual")
        )
        named = {f"code/{k}": v - truth for k, v in zip(("learner", "mixture"), codes, strict=True)}
        return {k: None if v is None else float(v) for k, v in (found | named).items()}

    def _drawn(self, step: int) -> tuple[Symbols, Symbols]:
        """Inputs and targets of batch `step`, all of one regime."""
        (group,) = self.groups(step)
        return group.tunnel.draw(group.latents, self.time, self.rng(BATCH, step))

    def _surveyed(self, group: Group) -> Group:
        if group.regime < 0:
            return group
        return group._replace(tunnel=self._surveys[group.regime])


def revise(laws: Laws, rng: np.random.Generator) -> Revision:
    """Draws an entrenched law and its revision, with chance ~ 2^-bits of the revision.

    Raises:
        ValueError: no such revision is short enough.
    """
    m, extra = laws.modulus, exception_bits(laws.modulus)
    said = expressions(m, laws.longest - extra)
    square = said.values.reshape(-1, m, m)
    both = (square != square[:, :1]).any((1, 2)) & (square != square[:, :, :1]).any((1, 2))
    bits = extra + said.bits[:, None] + said.bits
    fits = (bits <= laws.longest + 1e-9) & both
    found, chance = list[Revision](), list[float]()
    for quantity, value in product(QUANTITIES[2:], range(m)):
        where = region(quantity, value, m)
        differs = (said.values[:, None, where] != said.values[None, :, where]).all(-1)
        for there, elsewhere in np.argwhere(differs & fits):
            old = laws.book.find(said.values[elsewhere])
            values = np.where(where, said.values[there], said.values[elsewhere])
            revised = laws.book.find(values)
            if laws.book.bits[revised] > laws.book.bits[old]:
                found.append(Revision(old, revised, np.flatnonzero(where)))
                chance.append(float(2.0 ** -bits[there, elsewhere]))
    if not found:
        raise ValueError(
            f"tunnels: no law of {laws!r} is a revision; expected longest above {laws.longest}"
        )
    return found[rng.choice(len(found), p=np.array(chance) / sum(chance))]
