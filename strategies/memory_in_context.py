"""Memory in context: earlier episodes of the regime in front of the live one, before a network that stays as it is."""

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
    Prediction,
    Strategy,
    even_belief,
    sequence_evidence,
    shared_belief,
)


class MemoryInContext(Strategy):
    """In-context memory with frozen weights: k earlier episodes, retrieved by likelihood, precede the live one.

    p(y_t | past) = sum_c w_c(t) p(y_t | M_c, past),   w_c(t) ~ pi_c prod_{asked s < t} p(y_s | M_c, past of s)

    M_c is a memory of the latest k episodes of what is taken for one regime, M_0 is empty, and the weights are the
    posterior over memories given the live episode so far: retrieval by likelihood (retrieval as a latent variable that
    is summed over: Lewis et al. 2020, arXiv 2005.11401, eq. of RAG-token, with evidence in place of their retriever's
    score), and causal. That a network learns from what stands before: Brown et al. 2020, arXiv 2005.14165; from a
    memory of episodes: Laskin et al. 2022, arXiv 2210.14215. No weight moves.

    pi_c = floor [c = 0] + (1 - floor) ((1 - share) b_c + share / n),   b_c the mean of w_c(T + 1) over the batch before

    over the n memories that hold something, the empty one included (fixed share: Herbster & Warmuth 1998, Machine
    Learning 32). After a batch each of its sequences goes to the memory of largest w_c(T + 1). If the empty one holds
    more than half of the batch's, those sequences begin a new memory; when there is no room, that goes which received
    an episode longest ago. Told of a shift, it takes all for equally likely; it need not be told.

    The network must have learned to use such context: `pretrain: {episodes: k + 1}`. It sees inputs only, so what a
    target was is remembered only where a later input shows it. What k episodes are worth at most is exact:
    `plasticity.memory_cap`. Nothing turns it into Finetune. Cost per step: one forward over T symbols, and for each
    memory one over (k + 1) T; no backward. Memory: memories x k x T symbols.

    Args:
        episodes: k, in a memory at most.
        memories: held at most, beside the empty one.
        share: of belief that is spread evenly from batch to batch: how often the world is thought to shift.
        floor: of the empty memory's prior.

    Raises:
        ValueError: at attach, the network takes no (k + 1) T symbols.
    """

    descends = False
    inputs: Int[Tensor, "memories episodes time"]
    received: Int[Tensor, " memories"]
    """Episodes that each was given since it began; it holds the latest k of them."""
    latest: Int[Tensor, " memories"]
    """The step of the stream, from 1, at which each was given one last; 0: it is empty."""
    belief: Float[Tensor, " owners"]
    """Posterior over the empty memory and the others after the last batch, the mean over its sequences."""

    def __init__(
        self,
        episodes: Count = 16,
        memories: Count = 8,
        share: Fraction = 0.02,
        floor: Fraction = 0.01,
    ):
        super().__init__()
        self.episodes, self.memories, self.share, self.floor = episodes, memories, share, floor

    def attach(self, learner: Learner) -> None:
        """Freeze the network, see that it takes the context, and allocate the memories."""
        network, time = learner.network.requires_grad_(False), learner.spec.time
        longest = (self.episodes + 1) * time
        zeros = torch.zeros(1, longest, dtype=torch.int64, device=learner.device)
        try:
            network.forward(zeros)
        except ValueError as error:
            raise ValueError(
                f"MemoryInContext: {self.episodes} episodes and the live one are {longest} symbols: {error}"
            ) from error
        self.register_buffer("inputs", zeros.new_zeros(self.memories, self.episodes, time))
        self.register_buffer("received", zeros.new_zeros(self.memories))
        self.register_buffer("latest", zeros.new_zeros(self.memories))
        self.register_buffer("belief", F.pad(zeros.new_ones(1).double(), (0, self.memories)))
        self.seen: tuple[Tensor, Tensor] | None = None
        self.shown: Tensor | None = None

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        """Nothing: no weight moves."""
        return []

    def alive(self) -> list[int]:
        """The memories that hold something, by slot."""
        return self.latest.nonzero().flatten().tolist()

    def owners(self) -> list[int]:
        """Whose each answer is: 0, the empty memory's; from 1, another's."""
        return [0, *(slot + 1 for slot in self.alive())]

    def context(self, slot: int) -> Int[Tensor, " symbols"]:
        """What a memory holds, the oldest episode first."""
        return self.inputs[slot, oldest_first(int(self.received[slot]), self.episodes)].flatten()

    def prior(self) -> Float[Tensor, " answers"]:
        """Of the next batch's sequences, the empty memory first, then those alive."""
        every = shared_belief(self.belief, even_belief(self.latest), self.share, self.floor)
        return every[self.owners()]

    @torch.no_grad()
    def predict(self, learner: Learner, batch: Batch) -> Float[Tensor, "batch time symbols"]:
        """Log-probabilities of the mixture over memories."""
        size, time = batch.inputs.shape
        answers = [learner.network(batch.inputs)]
        for slot in self.alive():
            before = self.context(slot).expand(size, -1)
            answers.append(learner.network(torch.cat([before, batch.inputs], 1))[:, -time:])
        said = torch.stack(answers).double().log_softmax(-1)
        new = batch.targets.where(batch.asked, IGNORE_INDEX)  # of a piece; the rest is in `shown`
        evidence = sequence_evidence(said, new)
        before = 0.0 if self.shown is None else self.shown[..., None]
        weights = self.weighed(evidence + before)
        mixed = (weights[..., :-1, None] + said).logsumexp(0).to(answers[0])
        self.seen = mixed, evidence[..., -1]
        return mixed

    def weighed(self, evidence: Tensor) -> Tensor:
        """Log posterior weight of each memory: prior times evidence."""
        prior = self.prior().log()
        return (prior.view(-1, *[1] * (evidence.dim() - 1)) + evidence).log_softmax(0)

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        """Note what this batch, or piece of it, says for each memory."""
        if self.seen is None or self.seen[0] is not prediction.logits:  # another came between
            self.predict(learner, batch)
        assert self.seen is not None
        self.shown = self.seen[1] if self.shown is None else self.shown + self.seen[1]
        self.seen = None

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Remember each sequence where it belongs."""
        if self.shown is None:
            return
        r, owners = self.weighed(self.shown).exp(), self.owners()
        self.shown = None
        self.belief.zero_()[owners] = r.mean(1)
        taken = [owners[i] - 1 for i in r.argmax(0).tolist()]
        if self.belief[0] > 0.5:
            new = int(self.latest.argmin())
            taken = [new if slot < 0 else slot for slot in taken]
            self.received[new] = 0
            self.belief[new + 1], self.belief[0] = self.belief[0].clone(), 0
        for slot, episode in zip(taken, batch.inputs, strict=True):
            if slot >= 0:  # what nobody explains, in a batch that somebody does, is not remembered
                self.inputs[slot, int(self.received[slot]) % self.episodes] = episode
                self.received[slot] += 1
                self.latest[slot] = learner.step + 1

    def beliefs(self) -> Float[Tensor, " owners"]:
        """The posterior over the empty memory and the others after the last batch, the mean over its sequences."""
        return self.belief

    def on_shift(self, learner: Learner) -> None:
        """The empty memory and all others are equally likely."""
        self.belief.copy_(even_belief(self.latest))


def oldest_first(received: int, size: int) -> list[int]:
    """Places of what a ring of this size holds, of what it received: the latest, the oldest of them first."""
    return [i % size for i in range(max(received - size, 0), received)]
