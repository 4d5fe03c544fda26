"""Bayesian mixture of Kalman filters: a frozen network, and a Bayesian readout of its features for each regime."""

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
    ReadoutFilters,
    sequence_evidence,
)

from .kalman import affine, head_of, with_one
from .mixture import Mixture, Said, Symbols


class KalmanMixture(Mixture):
    """Bayesian mixture of Kalman filters: the pretrained network, and a readout for each regime met so far.

    An expert is a readout of the network's last features (what its head is shown) and of the current symbol, one-hot:

    p_e(y_t | past) = softmax(W_e (h_t, 1, x_t))

    inferred by an extended Kalman filter, each observation weighed by the expert's responsibility for its sequence
    (ReadoutFilters: its equations and sources). It knows how sure it is of each weight, and is therefore quick: n steps
    into a regime of chains .3 to .8 / n bits are left, of EvidenceMixture's .6 to 1.1 / n, of the exact .1 / n
    (n = 4 to 100; one seed). No gradient is taken, and the network runs once, whatever the number of experts.

    Who answers and with what weight, who is born and who goes is EvidenceMixture's, which moves whole networks. Each
    expert has two filters: the slow one takes the place of the average there, the quick one of the weights. If the
    quick one explains a batch better by 10 nats, its regime has moved, and the slow one goes on from there.

    Time passes for an expert once per step of the stream in which it learns. Cost per step: one forward, and for each
    responsible expert two filters, each of which takes symbols x (width^3 / 3 + observations x width^2) per iteration.
    Memory, for each of `experts`: 2 symbols width^2 numbers in float64, the width being that of (h, 1, x).

    Args:
        experts: alive at most, beside the pretrained network.
        variance: of each of the head's weights in a new expert, around those of what it is a copy of.
        skip: the same for the current symbol's weights; near 0: the features alone.
        decay: share of the slow filter's precision that is left after a step of the stream; 1: regimes stand still.
        quick: the same of the quick one's.
        iterations: how often a batch is linearised, times `updates: {steps}`.
        unsettled: half of the steps after which the quick filter answers no more.
        share: of belief that is spread evenly from batch to batch: how often the world is thought to shift.
        floor: of the pretrained network's prior.

    Raises:
        ValueError: at attach, no linear layer with weights of its own makes the logits.
    """

    held: ReadoutFilters
    waited: Int[Tensor, " experts"]
    """The step of the stream, from 1, until which time has passed for each."""

    def __init__(
        self,
        experts: Count = 8,
        variance: Positive = 0.01,
        skip: Positive = 1.0,
        decay: Fraction = 0.99,
        quick: Fraction = 0.8,
        iterations: Count = 2,
        unsettled: Natural = 32,
        share: Fraction = 0.02,
        floor: Fraction = 0.05,
    ):
        super().__init__(experts, unsettled, share, floor)
        self.variance, self.skip, self.decay, self.quick = variance, skip, decay, quick
        self.iterations = iterations

    def held_by(self, learner: Learner) -> ReadoutFilters:
        """The readouts, each as unsure as the prior is."""
        self.head = [head_of(learner, type(self).__name__)]  # in a list: it is the network's
        self.head[0].register_forward_hook(self.note)
        self.register_buffer("waited", torch.zeros(self.experts, dtype=torch.int64))
        symbols, width = self.head[0].weight.shape
        bias = self.head[0].bias is not None
        sizes = [self.variance] * (width + bias) + [self.skip] * learner.spec.vocab
        variance = self.head[0].weight.new_tensor(sizes, dtype=torch.float64)
        return ReadoutFilters(self.experts, symbols, variance, self.decay, self.quick)

    def base(self, learner: Learner) -> Float[Tensor, " numbers"]:
        """The head, beside which the current symbol says nothing."""
        return F.pad(affine(self.head[0]), (0, learner.spec.vocab)).flatten()

    def note(self, head: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        """Hold on to what the head is shown."""
        self.shown = inputs[0]

    def features(self, learner: Learner, inputs: Symbols) -> Float[Tensor, "batch time width"]:
        """What is read: what the head is shown, a 1 if it has a bias, and the current symbol."""
        learner.network.eager(inputs)
        h = with_one(self.head[0], self.shown)
        return torch.cat([h, F.one_hot(inputs, learner.spec.vocab)], -1)

    def answers(self, learner: Learner, inputs: Symbols) -> Said:
        """Log-probabilities by each who answers, the pretrained network first."""
        self.read = self.features(learner, inputs)
        rows = [self.base(learner), *(kind[slot] for kind, slot in self.answering())]
        readouts = torch.stack(rows).unflatten(-1, (learner.spec.symbols, -1))
        return torch.einsum("btw,esw->ebts", self.read, readouts).log_softmax(-1)

    def learn(
        self, learner: Learner, expert: int, batch: Batch, r: Tensor, known: Tensor | None
    ) -> None:
        """Condition its filters on what is asked, each sequence weighed by its responsibility."""
        targets = batch.targets.where(batch.asked, IGNORE_INDEX)
        readout = self.held.weights[expert].view(learner.spec.symbols, -1)
        said = sequence_evidence((self.read @ readout.T).log_softmax(-1)[None], targets)[0, :, -1]
        asked = targets != IGNORE_INDEX
        x, r_each = self.read[asked], r[:, None].expand_as(asked)[asked]
        y = F.one_hot(targets[asked], learner.spec.symbols).double()
        if self.waited[expert] <= learner.step:
            self.waited[expert] = learner.step + 1
            self.held.wait(expert)
        rounds = self.iterations * learner.updates.steps
        self.held.condition(expert, x, y, r_each, rounds)
        self.notice(expert, r, said, known)
