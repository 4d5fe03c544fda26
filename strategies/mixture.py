"""Bayesian mixture: the pretrained network beside experts, weighed by evidence inside the episode."""

from abc import abstractmethod
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity import (
    IGNORE_INDEX,
    Batch,
    Count,
    Fraction,
    Learner,
    Natural,
    Positive,
    Prediction,
    Strategy,
    even_belief,
    sequence_evidence,
    shared_belief,
)

CLAIM = 0.3
"""Least responsibility for a sequence to be remembered by an expert, or to make it learn."""
NOVICE = 10
"""Steps of the stream after a birth in which there is no other: what nobody knows is the newborn's to learn."""
MOVED = 10.0
"""By how many nats a batch must speak for an expert's weights, against their average, if its regime has moved."""
TINY = 1e-300
"""Least posterior: what is less has no logarithm."""
Symbols = Int[Tensor, "batch time"]
Said = Float[Tensor, "answers batch time symbols"]
Evidence = Float[Tensor, "answers batch upto"]


@runtime_checkable
class Held(Protocol):
    """What experts hold, a row each: weights that move quickly, and an average that follows them."""

    weights: Float[Tensor, "experts numbers"]
    average: Float[Tensor, "experts numbers"]
    settled: Int[Tensor, " experts"]

    def start(self, row: int, at: Float[Tensor, " numbers"]) -> None:
        """An expert begins here, without a past."""

    def unsettle(self, row: int) -> None:
        """What it is after has moved."""


class Mixture(Strategy):
    """Bayesian mixture of the pretrained network, kept as it is, and experts, one for each regime met so far.

    How it weighs, and who is born and who goes, is said by EvidenceMixture. What an expert is, how it answers and how
    it learns is a subclass's.

    Args:
        experts: alive at most, beside the pretrained network.
        unsettled: steps from which an expert is settled; twice as many, and its weights do not answer.
        share: of belief that is spread evenly from batch to batch: how often the world is thought to shift.
        floor: of the pretrained network's prior.
        lr: of the experts, where they have one.
    """

    descends = False
    born: Int[Tensor, " experts"]
    """The step of the stream, from 1, at which each was born."""
    responsible: Int[Tensor, " experts"]
    """The step of the stream, from 1, at which each was responsible for a sequence last; 0: not born."""
    belief: Float[Tensor, " owners"]

    def __init__(
        self,
        experts: Count,
        unsettled: Natural,
        share: Fraction,
        floor: Fraction,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.experts, self.unsettled, self.share, self.floor = experts, unsettled, share, floor

    @abstractmethod
    def held_by(self, learner: Learner) -> Held:
        """What all experts hold, allocated; called before anything is frozen."""

    @abstractmethod
    def base(self, learner: Learner) -> Float[Tensor, " numbers"]:
        """What an expert would hold that answers as the pretrained network does."""

    @abstractmethod
    def answers(self, learner: Learner, inputs: Symbols) -> Said:
        """Log-probabilities by each who answers, the pretrained network first."""

    @abstractmethod
    def learn(
        self, learner: Learner, expert: int, batch: Batch, r: Tensor, known: Tensor | None
    ) -> None:
        """What an expert learns from a batch, by its responsibility r for each sequence.

        `known` is how probable its average found each, in nats; None: the expert is new.
        """

    def attach(self, learner: Learner) -> None:
        """Allocate all experts, and freeze the network."""
        self.held = self.held_by(learner)
        learner.network.requires_grad_(False)
        for name in ("born", "responsible"):
            self.register_buffer(name, torch.zeros(self.experts, dtype=torch.int64))
        self.register_buffer("belief", F.pad(torch.ones(1, dtype=torch.float64), (0, self.experts)))
        self.seen: tuple[Tensor, Tensor] | None = None
        self.carried: Tensor | None = None
        self.claims: Tensor | None = None

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        """None of the network's."""
        return []

    def alive(self) -> list[int]:
        """The experts that were born, by slot."""
        return self.responsible.nonzero().flatten().tolist()

    def prior(self) -> Float[Tensor, " owners"]:
        """The prior of the next batch's sequences."""
        even = even_belief(self.responsible)
        return shared_belief(self.belief, even, self.share, self.floor)

    def answering(self) -> list[tuple[Tensor, int]]:
        """Which rows answer beside the pretrained network: all averages, and the weights of who learned last."""
        alive, latest = self.alive(), int(self.responsible.max())
        weights, average = self.held.weights, self.held.average
        quick = (self.responsible == latest) & (self.held.settled < 2 * self.unsettled)
        return [(average, slot) for slot in alive] + [(weights, s) for s in alive if quick[s]]

    def weighed(self, evidence: Float[Tensor, "room batch upto"]) -> Evidence:
        """Log posterior weight of each who answers at each position: prior times evidence, theirs first.

        The prior of a later piece of an episode is the posterior after the piece before.
        """
        owners = self.owners()
        prior = self.prior()[:, None] if self.carried is None else self.carried
        each = prior[owners] / owners.bincount()[owners][:, None]
        return (each.log()[..., None] + evidence[: len(owners)]).log_softmax(0)

    def owners(self) -> Int[Tensor, " answers"]:
        """Whose each answer is: 0, the pretrained network's; from 1, an expert's."""
        return self.responsible.new_tensor([0, *(slot + 1 for _, slot in self.answering())])

    @torch.no_grad()
    def predict(self, learner: Learner, batch: Batch) -> Float[Tensor, "batch time symbols"]:
        """Log-probabilities of the mixture."""
        said = self.answers(learner, batch.inputs)
        new = batch.targets.where(batch.asked, IGNORE_INDEX)  # of a piece; the rest is in `carried`
        evidence = sequence_evidence(said, new)
        mixed = (
            (self.weighed(evidence)[..., :-1, None] + said)
            .logsumexp(0)
            .to(next(learner.network.parameters()))
        )
        room = 2 * self.experts + 1 - len(said)  # of one size, however many answer
        self.seen = mixed, F.pad(evidence[..., -1:], (0, 0, 0, 0, 0, room))
        return mixed

    def responsibilities(self, evidence: Evidence) -> Float[Tensor, "owners batch"]:
        """Posterior of each sequence over the pretrained network and the experts, given all that came of it."""
        after = self.weighed(evidence)[..., -1].exp()
        return after.new_zeros(self.experts + 1, after.shape[1]).index_add_(0, self.owners(), after)

    @torch.no_grad()
    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        """Each expert learns from what it is responsible for; if none is, one is born."""
        if self.seen is None or self.seen[0] is not prediction.logits:  # another came between
            self.predict(learner, batch)
        assert self.seen is not None
        r = self.responsibilities(evidence := self.seen[1])
        self.seen, carried = None, r.clone()
        known = dict(zip(self.alive(), evidence[1:, :, 0], strict=False))
        last = int(self.born.argmax())
        if r[0].mean() > 0.5:
            if not 0 < int(self.born[last]) > learner.step + 1 - NOVICE:
                last = self.bear(learner, r, evidence[..., 0])
                known.pop(last, None)
                carried[0] /= 2
                carried[last + 1] += carried[0]
            r[last + 1] += r[0]
            r[0] = 0
        for expert in self.alive():
            if r[expert + 1].max() > CLAIM:
                self.learn(learner, expert, batch, r[expert + 1], known.get(expert))
        self.claims, self.carried = r, carried.clamp(min=TINY)

    def bear(self, learner: Learner, r: Float[Tensor, "owners batch"], evidence: Tensor) -> int:
        """The slot of a new expert, a copy of what explains best what the pretrained network is responsible for."""
        starts = [self.base(learner), *(kind[slot] for kind, slot in self.answering())]
        best = int((evidence[: len(starts)] * r[0]).sum(1).argmax())
        slot = int(self.responsible.argmin())
        self.held.start(slot, starts[best])
        self.responsible[slot] = self.born[slot] = learner.step + 1
        return slot

    def notice(self, expert: int, r: Tensor, said: Tensor, known: Tensor | None) -> None:
        """Unsettle an expert whose weights explain what it is responsible for far better than their average."""
        if known is not None and (r * (said - known)).sum() > MOVED:
            self.held.unsettle(expert)

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Note who is responsible for what."""
        r, self.claims, self.carried = self.claims, None, None
        if r is None:
            return
        self.belief.copy_(r.mean(1))
        for expert in self.alive():
            if (r[expert + 1] > CLAIM).any():
                self.responsible[expert] = learner.step + 1

    def beliefs(self) -> Float[Tensor, " owners"]:
        """The posterior after the last batch, the mean over its sequences."""
        return self.belief

    def on_shift(self, learner: Learner) -> None:
        """The pretrained network and all experts are equally likely."""
        self.carried = None
        self.belief.copy_(even_belief(self.responsible))
