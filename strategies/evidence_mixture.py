"""Bayesian mixture of experts: a frozen network beside plastic ones, weighed by evidence inside the episode."""

from typing import Literal, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from plasticity import (
    CAPACITY,
    IGNORE_INDEX,
    AveragedAdam,
    Batch,
    Count,
    Fraction,
    Learner,
    Natural,
    Positive,
    Prediction,
    Reservoir,
    Strategy,
    add_adapters,
    even_belief,
    sequence_evidence,
    shared_belief,
    tensors_to_vector,
    vector_to_tensors,
)

from .kalman import head_of

CLAIM = 0.3
"""Least responsibility for a sequence to be remembered by an expert, or to make it learn."""
NOVICE = 10
"""Steps of the stream after a birth in which there is no other: what nobody knows is the newborn's to learn."""
MOVED = 10.0
"""By how many nats a batch must speak for an expert's weights, against their average, if its regime has moved."""
Symbols = Int[Tensor, "batch time"]
Said = Float[Tensor, "answers batch time symbols"]
Evidence = Float[Tensor, "answers batch upto"]


class EvidenceMixture(Strategy):
    """Bayesian mixture of experts: the pretrained network, kept as it is, and an expert for each regime met so far.

    p(y_t | past) = sum_e w_e(t) p_e(y_t | past),   w_e(t) ~ pi_e prod_{asked s < t} p_e(y_s | past of s)

    for each sequence by itself, expert 0 being the pretrained network: Bayes' rule over models, inside the episode
    (Bayesian model averaging: Hoeting et al. 1999, Statistical Science 14(4), eq. 1). An unnoticed shift costs an
    episode at most ln 1/pi_0 nats more than the pretrained network loses, and what is known of a regime is back after a
    few symbols. From one batch to the next belief is shared, in case the regime shifted, and the pretrained network
    keeps a floor:

    pi_e = floor [e = 0] + (1 - floor) ((1 - share) b_e + share / n),   b_e the mean of r_e over the batch before
    (fixed share over all n: Herbster & Warmuth 1998, Machine Learning 32; the mean and the floor are ours)

    with the responsibility r_e = w_e(T + 1), the posterior after the whole sequence. It is also the weight by which an
    expert learns from a sequence: sum_t ln p(y_t | past) telescopes to ln sum_e pi_e p_e(y), whose gradient is
    sum_e r_e grad ln p_e(y) (mixtures of experts: Jacobs et al. 1991, Neural Computation 3(1)). An expert descends

    L_e = (sum_i r_ei l_i + sum_j l_j) / (sum_i r_ei + m),   l the loss of a sequence in nats per asked position,

    by Adam (Kingma & Ba 2015), the m sequences j rehearsed from a reservoir of its own. It answers by the moving
    average of its weights. Until it is settled it takes one step more on each batch, and answers also by the weights
    themselves, which are quicker: half of its prior each. It is unsettled anew where its weights explain a batch
    better than their average by 10 nats: its regime has moved.

    If the pretrained network holds more than half of b, a new expert is born in its place, as a copy of the answer that
    explains the batch best: the pretrained network's, or an expert's; but not within 10 steps of the last birth, when
    the newborn takes over. When the room is full, the expert that was responsible longest ago goes. Told of a shift, it
    takes all that are alive for equally likely; it need not be told. Nothing turns it into Finetune; in a Chain no
    other part shares its steps. Cost per step: n forwards, and for each responsible expert `steps` forwards + backwards
    (unsettled: one more, and a forward) over 1 + `rehearsal` batches. Memory, for each of `experts`: 4 x what it owns,
    `capacity` sequences.

    Args:
        experts: alive at most, beside the pretrained network.
        expert: what one owns. copy: all that is trained; lora: low-rank corrections, as LoRA's; readout: the head.
        rank: of that correction.
        steps: gradient steps on each batch, times `updates: {steps}`.
        unsettled: gradient steps from which an expert is settled; twice as many, and its weights do not answer.
        rehearsal: remembered sequences beside each new one; 0: none is remembered.
        capacity: sequences that each expert remembers.
        share: of belief that is spread evenly from batch to batch: how often the world is thought to shift.
        floor: of the pretrained network's prior.
        momentum: of the moving average, per gradient step; 0: there is none.
        settling: an expert's learning rate is lr / sqrt(1 + n / settling) after n gradient steps, of which a fifth
            counts where its regime has moved.
        lr: Adam's at first, of every expert; the experiment's optimizer is not used.

    Raises:
        ValueError: at attach, `expert` is readout, and no linear layer with weights of its own makes the logits.
    """

    descends = False
    born: Int[Tensor, " experts"]
    """The step of the stream, from 1, at which each was born."""
    responsible: Int[Tensor, " experts"]
    """The step of the stream, from 1, at which each was responsible for a sequence last; 0: not born."""
    belief: Float[Tensor, " owners"]

    def __init__(
        self,
        experts: Count = 8,
        expert: Literal["copy", "lora", "readout"] = "copy",
        rank: Count = 4,
        steps: Count = 1,
        unsettled: Natural = 32,
        rehearsal: Natural = 0,
        capacity: Natural = CAPACITY,
        share: Fraction = 0.02,
        floor: Fraction = 0.05,
        momentum: Fraction = 0.99,
        settling: Positive = 100.0,
        lr: Positive = 5e-3,
    ):
        super().__init__(lr)
        self.experts, self.rank, self.steps, self.unsettled = experts, rank, steps, unsettled
        self.expert: Literal["copy", "lora", "readout"] = expert
        self.rehearsal, self.capacity = rehearsal, capacity
        self.share, self.floor, self.momentum = share, floor, momentum
        self.settling, self.rate = settling, lr

    def attach(self, learner: Learner) -> None:
        """Freeze the network, find what an expert owns, and allocate all of them."""
        network = learner.network
        owned = [p for p in network.parameters() if p.requires_grad]
        if self.expert == "lora":
            adapted = add_adapters(network, self.rank, None, learner.seed)
            owned = [p for each in adapted for p in each.adapter.parameters()]
        elif self.expert == "readout":
            owned = [*head_of(learner, type(self).__name__).parameters()]
        network.requires_grad_(False)
        ids = {id(p) for p in owned}
        self.names = [name for name, p in network.named_parameters() if id(p) in ids]
        rates = self.rate, self.momentum, self.settling
        self.adam = AveragedAdam(self.experts, self.base(learner), *rates)
        for name in ("born", "responsible"):
            self.register_buffer(name, torch.zeros(self.experts, dtype=torch.int64))
        self.register_buffer("belief", F.pad(torch.ones(1, dtype=torch.float64), (0, self.experts)))
        sizes = self.capacity if self.rehearsal else 0, learner.spec.time
        self.memories = nn.ModuleList(Reservoir(*sizes) for _ in range(self.experts))
        self.seen: tuple[Tensor, Tensor] | None = None
        self.claims: Tensor | None = None

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        """None of the network's."""
        return []

    def base(self, learner: Learner) -> Float[Tensor, " numbers"]:
        """What an expert owns, as the pretrained network has it."""
        return tensors_to_vector(map(learner.network.get_parameter, self.names))

    def alive(self) -> list[int]:
        """The experts that were born, by slot."""
        return self.responsible.nonzero().flatten().tolist()

    def memory(self, expert: int) -> Reservoir:
        """What an expert rehearses."""
        return cast(Reservoir, self.memories[expert])

    def prior(self) -> Float[Tensor, " owners"]:
        """The prior of the next batch's sequences."""
        even = even_belief(self.responsible)
        return shared_belief(self.belief, even, self.share, self.floor)

    def logits(
        self, learner: Learner, row: Tensor, inputs: Symbols
    ) -> Float[Tensor, "batch time symbols"]:
        """Those of the network with other values of what an expert owns."""
        like = list(map(learner.network.get_parameter, self.names))
        values = dict(zip(self.names, vector_to_tensors(row, like), strict=True))
        return functional_call(learner.network, values, (inputs,))

    def answering(self) -> list[tuple[Tensor, int]]:
        """Which rows answer beside the pretrained network: all averages, and the weights of who learned last."""
        alive, latest = self.alive(), int(self.responsible.max())
        weights, average = self.adam.weights, self.adam.average
        if not self.momentum:
            return [(weights, slot) for slot in alive]
        quick = (self.responsible == latest) & (self.adam.settled < 2 * self.unsettled)
        return [(average, slot) for slot in alive] + [(weights, s) for s in alive if quick[s]]

    def answers(self, learner: Learner, inputs: Symbols) -> Said:
        """Log-probabilities by each who answers, the pretrained network first."""
        rows = (kind[slot] for kind, slot in self.answering())
        said = [learner.network(inputs), *(self.logits(learner, row, inputs) for row in rows)]
        return torch.stack(said).double().log_softmax(-1)

    def weighed(self, evidence: Evidence) -> Evidence:
        """Log posterior weight of each who answers at each position: prior times evidence."""
        owners = self.owners()
        prior = self.prior()[owners] / owners.bincount()[owners]
        return (prior.log()[:, None, None] + evidence).log_softmax(0)

    def owners(self) -> Int[Tensor, " answers"]:
        """Whose each answer is: 0, the pretrained network's; from 1, an expert's."""
        return self.responsible.new_tensor([0, *(slot + 1 for _, slot in self.answering())])

    @torch.no_grad()
    def predict(self, learner: Learner, batch: Batch) -> Float[Tensor, "batch time symbols"]:
        """Log-probabilities of the mixture."""
        said = self.answers(learner, batch.inputs)
        evidence = sequence_evidence(said, batch.targets)
        mixed = (self.weighed(evidence)[..., :-1, None] + said).logsumexp(0).to(self.adam.weights)
        self.seen = mixed, evidence
        return mixed

    def responsibilities(self, evidence: Evidence) -> Float[Tensor, "owners batch"]:
        """Posterior of each sequence over the pretrained network and the experts, given all of it."""
        after = self.weighed(evidence)[..., -1].exp()
        return after.new_zeros(self.experts + 1, after.shape[1]).index_add_(0, self.owners(), after)

    @torch.no_grad()
    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        """Each expert learns from what it is responsible for; if none is, one is born."""
        if self.seen is None or self.seen[0] is not prediction.logits:  # another came between
            self.predict(learner, batch)
        assert self.seen is not None
        r = self.responsibilities(evidence := self.seen[1])
        self.seen = None
        asked = evidence[..., -1] - evidence[..., int(batch.asked.nonzero()[0])]  # of this piece
        known = dict(zip(self.alive(), asked[1:], strict=False))
        last = int(self.born.argmax())
        if r[0].mean() > 0.5:
            if not 0 < int(self.born[last]) > learner.step + 1 - NOVICE:
                last = self.bear(learner, r, evidence[..., -1])
                known.pop(last, None)
            r[last + 1] += r[0]
            r[0] = 0
        for expert in self.alive():
            if r[expert + 1].max() > CLAIM:
                steps = self.steps + (int(self.adam.settled[expert]) < self.unsettled)
                for step in range(steps * learner.updates.steps):
                    said = self.learn(learner, expert, batch, r[expert + 1], step)
                    ahead = said - known.pop(expert, said)
                    if (r[expert + 1] * ahead).sum() > MOVED:
                        self.adam.unsettle(expert)
        self.claims = r

    def bear(self, learner: Learner, r: Float[Tensor, "owners batch"], evidence: Tensor) -> int:
        """The slot of a new expert, a copy of what explains best what the pretrained network is responsible for."""
        best = int((evidence * r[0]).sum(1).argmax())
        starts = [self.base(learner), *(kind[slot] for kind, slot in self.answering())]
        slot = int(self.responsible.argmin())
        self.adam.start(slot, starts[best])
        self.memory(slot).clear()
        self.responsible[slot] = self.born[slot] = learner.step + 1
        return slot

    def learn(
        self, learner: Learner, expert: int, batch: Batch, r: Tensor, step: int
    ) -> Float[Tensor, " batch"]:
        """One step on an expert's responsibility-weighted loss: how probable it found each sequence before, in nats."""
        size, length = batch.inputs.shape
        rng = self.rng(learner, "rehearse", expert, length, step)
        inputs, targets = self.memory(expert).sample(self.rehearsal * size, rng)
        after = 0, learner.spec.time - length  # a piece of an episode; what is causal is not moved
        inputs = torch.cat([F.pad(batch.inputs, after), inputs])
        new = batch.targets.where(batch.asked, IGNORE_INDEX)  # a piece shows what was learned, too
        targets = torch.cat([F.pad(new, after, value=IGNORE_INDEX), targets])
        share = F.pad(r, (0, len(inputs) - size), value=1.0).to(self.adam.weights.dtype)
        asked = (targets != IGNORE_INDEX).sum(1).clamp(min=1)
        theta = self.adam.weights[expert].clone().requires_grad_()
        with torch.enable_grad():
            logits = self.logits(learner, theta, inputs)
            each = F.cross_entropy(logits.mT, targets, reduction="none").sum(1)
            loss = (share * each / asked).sum() / share.sum()
            (grad,) = torch.autograd.grad(loss, theta)
        self.adam.descend(expert, grad)
        return -each.detach()[: len(r)]

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Note who is responsible for what; what each is responsible for, it remembers."""
        r, self.claims = self.claims, None
        if r is None:
            return
        self.belief.copy_(r.mean(1))
        for expert in self.alive():
            if len(rows := (r[expert + 1] > CLAIM).nonzero().flatten()):
                self.responsible[expert] = learner.step + 1
                self.memory(expert).add(batch.rows(rows), self.rng(learner, "remember", expert))

    def beliefs(self) -> Float[Tensor, " owners"]:
        """The posterior after the last batch, the mean over its sequences."""
        return self.belief

    def on_shift(self, learner: Learner) -> None:
        """The pretrained network and all experts are equally likely."""
        self.belief.copy_(even_belief(self.responsible))
