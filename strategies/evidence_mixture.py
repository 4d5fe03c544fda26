"""Bayesian mixture of experts: a frozen network beside plastic ones, weighed by evidence inside the episode."""

from typing import Literal, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
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
    Reservoir,
    add_adapters,
    tensors_to_vector,
    vector_to_tensors,
)

from .kalman import head_of
from .mixture import CLAIM, Mixture, Said, Symbols


class EvidenceMixture(Mixture):
    """Bayesian mixture of experts: the pretrained network, kept as it is, and an expert for each regime met so far.

    p(y_t | past) = sum_e w_e(t) p_e(y_t | past),   w_e(t) ~ pi_e prod_{asked s < t} p_e(y_s | past of s)

    for each sequence by itself, expert 0 being the pretrained network: Bayes' rule over models, inside the episode
    (Bayesian model averaging: Hoeting et al. 1999, Statistical Science 14(4), eq. 1). An unnoticed shift costs an
    episode at most ln 1/pi_0 nats more than the pretrained network loses, and what is known of a regime is back after a
    few symbols. Where an episode is learned from in pieces, each answer's evidence is what it said before it had
    learned from them: the posterior after a piece is the next one's prior, of which a newborn is given half of the
    pretrained network's (ln 2 more). From one batch to the next belief is shared, in case the regime shifted,
    and the pretrained network keeps a floor:

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

    held: AveragedAdam

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
        super().__init__(experts, unsettled, share, floor, lr)
        self.rank, self.steps = rank, steps
        self.expert: Literal["copy", "lora", "readout"] = expert
        self.rehearsal, self.capacity = rehearsal, capacity
        self.momentum, self.settling, self.rate = momentum, settling, lr

    def attach(self, learner: Learner) -> None:
        """Find what an expert owns, allocate all of them and what they remember, and freeze the network."""
        super().attach(learner)
        sizes = self.capacity if self.rehearsal else 0, learner.spec.time
        self.memories = nn.ModuleList(Reservoir(*sizes) for _ in range(self.experts))

    def held_by(self, learner: Learner) -> AveragedAdam:
        """The values of what an expert owns, for each."""
        network = learner.network
        owned = [p for p in network.parameters() if p.requires_grad]
        if self.expert == "lora":
            adapted = add_adapters(network, self.rank, None, learner.seed)
            owned = [p for each in adapted for p in each.adapter.parameters()]
        elif self.expert == "readout":
            owned = [*head_of(learner, type(self).__name__).parameters()]
        ids = {id(p) for p in owned}
        self.names = [name for name, p in network.named_parameters() if id(p) in ids]
        rates = self.rate, self.momentum, self.settling
        return AveragedAdam(self.experts, self.base(learner), *rates)

    def base(self, learner: Learner) -> Float[Tensor, " numbers"]:
        """What an expert owns, as the pretrained network has it."""
        return tensors_to_vector(map(learner.network.get_parameter, self.names))

    def memory(self, expert: int) -> Reservoir:
        """What an expert rehearses."""
        return cast(Reservoir, self.memories[expert])

    def logits(
        self, learner: Learner, row: Tensor, inputs: Symbols
    ) -> Float[Tensor, "batch time symbols"]:
        """Those of the network with other values of what an expert owns."""
        like = list(map(learner.network.get_parameter, self.names))
        values = dict(zip(self.names, vector_to_tensors(row, like), strict=True))
        return functional_call(learner.network, values, (inputs,))

    def answering(self) -> list[tuple[Tensor, int]]:
        """Which rows answer beside the pretrained network; where nothing is averaged, all weights."""
        if self.momentum:
            return super().answering()
        return [(self.held.weights, slot) for slot in self.alive()]

    def answers(self, learner: Learner, inputs: Symbols) -> Said:
        """Log-probabilities by each who answers, the pretrained network first."""
        rows = (kind[slot] for kind, slot in self.answering())
        said = [learner.network(inputs), *(self.logits(learner, row, inputs) for row in rows)]
        return torch.stack(said).double().log_softmax(-1)

    def bear(self, learner: Learner, r: Float[Tensor, "owners batch"], evidence: Tensor) -> int:
        """The slot of a new expert, which remembers nothing yet."""
        slot = super().bear(learner, r, evidence)
        self.memory(slot).clear()
        return slot

    def learn(
        self, learner: Learner, expert: int, batch: Batch, r: Tensor, known: Tensor | None
    ) -> None:
        """Steps on an expert's responsibility-weighted loss."""
        steps = self.steps + (int(self.held.settled[expert]) < self.unsettled)
        for step in range(steps * learner.updates.steps):
            said = self.descend(learner, expert, batch, r, step)
            if not step:
                self.notice(expert, r, said, known)

    def descend(
        self, learner: Learner, expert: int, batch: Batch, r: Tensor, step: int
    ) -> Float[Tensor, " batch"]:
        """One step on that loss: how probable it found each sequence before, in nats."""
        size, length = batch.inputs.shape
        rng = self.rng(learner, "rehearse", expert, length, step)
        inputs, targets = self.memory(expert).sample(self.rehearsal * size, rng)
        after = 0, learner.spec.time - length  # a piece of an episode; what is causal is not moved
        inputs = torch.cat([F.pad(batch.inputs, after), inputs])
        new = batch.targets.where(batch.asked, IGNORE_INDEX)  # a piece shows what was learned, too
        targets = torch.cat([F.pad(new, after, value=IGNORE_INDEX), targets])
        share = F.pad(r, (0, len(inputs) - size), value=1.0).to(self.held.weights.dtype)
        asked = (targets != IGNORE_INDEX).sum(1).clamp(min=1)
        theta = self.held.weights[expert].clone().requires_grad_()
        with torch.enable_grad():
            logits = self.logits(learner, theta, inputs)
            each = F.cross_entropy(logits.mT, targets, reduction="none").sum(1)
            loss = (share * each / asked).sum() / share.sum()
            (grad,) = torch.autograd.grad(loss, theta)
        self.held.descend(expert, grad)
        return -each.detach()[: len(r)]

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Note who is responsible for what; what each is responsible for, it remembers."""
        r = self.claims
        super().after_batch(learner, batch)
        if r is None:
            return
        for expert in self.alive():
            if len(rows := (r[expert + 1] > CLAIM).nonzero().flatten()):
                self.memory(expert).add(batch.rows(rows), self.rng(learner, "remember", expert))
