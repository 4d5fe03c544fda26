"""Self-edits whose worth is learned from the reward after the update (SEAL's outer loop, by ReST-EM)."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from plasticity import IGNORE_INDEX, Batch, Count, Learner, NonNegative, Positive, logits_with
from strategies.self_edit import SelfEdit


class SEAL(SelfEdit):
    """SEAL: which of its own answers are worth training on is learned from what the update is worth, not given.

    For every batch `edits` candidates are sampled. Candidate k is answers a ~ softmax(logits / temperature), of which
    each is taken up with probability s(w . f), f = (1, is it right, p(a)), s the logistic function. Each is tried in
    an inner update from the weights as they are, on one half of the sequences, and rewarded on the other half, by
    how much the update raises the chance of answers that turn out right there:

        L_k = -1/n sum_{taken up} log p(a),   theta_k = theta - inner grad L_k,
        R_k = mean_{a tried there} [a is right] (p_{theta_k}(a) / p(a) - 1).

    What has R_k > 0 is kept, as in ReST-EM: L = mean over the kept L_k is descended, and w climbs the log likelihood of
    the kept choices, w <- w + rate mean_{kept} (taken up - s(w . f)) f. So the outer loop may find out that right
    answers are worth more than wrong ones (w_1 > 0), or what else is.
    (Zweiger et al. 2025, arXiv 2506.10943, section 3: E-step samples self-edits from the model, M-step is supervised
    on those whose update was rewarded. There an edit is text and the update LoRA on it; here an edit is a choice among
    own answers, and the model that writes it is the network and w. The reward is the importance-weighted change of
    the share of right answers, where theirs is whether the answers improved.)

    `rate: 0` leaves w at 0, so that half of all answers is taken up at random and only the filter is left.
    Cost per step: 1 + edits forwards, 1 + edits backwards. Memory: three numbers.

    Args:
        edits: candidates per batch.
        inner: learning rate of the inner updates, plain gradient descent.
        rate: at which the policy climbs.
        temperature: of the answers that are tried; 0: the most likely one.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = None
    policy: Float[Tensor, " features"]

    def __init__(
        self,
        edits: Count = 4,
        inner: Positive = 0.1,
        rate: NonNegative = 1.0,
        temperature: NonNegative = 1.0,
        lr: Positive | None = None,
    ):
        super().__init__(temperature, "verified", edits, lr)
        self.edits, self.inner, self.rate = edits, inner, rate

    def attach(self, learner: Learner) -> None:
        """A policy that takes up half of everything."""
        self.register_buffer("policy", torch.zeros(3))
        self.register_buffer("climb", torch.zeros(3), persistent=False)

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        """Mean loss of the edits that were kept; 0 where none was."""
        edits = self.sampled(learner, batch, logits)
        rewards, losses = list[float](), list[Tensor]()
        for k in range(self.edits):
            mine, other = halves(batch.inputs, k)
            loss = edits.loss(k, mine)
            rewards.append(self.reward(learner, batch, loss, edits, other))
            losses.append(loss)
        kept = torch.tensor(rewards) > 0
        self.climb = self.rate * edits.gradient(kept.to(logits.device))
        return torch.stack(losses)[kept].sum() / kept.sum().clamp(min=1)

    def after_step(self, learner: Learner) -> None:
        """The policy climbs towards the choices that were kept."""
        self.policy += self.climb

    def sampled(self, learner: Learner, batch: Batch, logits: Tensor) -> "Edits":
        """Candidates: answers, whether they are right, and which are taken up."""
        log_probs = logits[:, batch.asked].log_softmax(-1)
        said, right = self.tried(learner, batch, log_probs.detach())
        own = batch.targets[:, batch.asked] != IGNORE_INDEX
        mine = log_probs.expand(self.edits, *log_probs.shape).gather(-1, said[..., None])[..., 0]
        features = torch.stack([torch.ones_like(mine), right.to(mine), mine.exp()], -1).detach()
        chance = (features @ self.policy.to(features)).sigmoid()
        rng = self.rng(learner, "choice")
        taken = torch.rand(chance.shape, generator=rng).to(chance) < chance
        return Edits(said, right & own, taken & own, features, chance, mine, own)

    def reward(
        self, learner: Learner, batch: Batch, loss: Tensor, edits: "Edits", rows: slice
    ) -> float:
        """R_k: what the inner update is worth on other sequences, in shares of answers."""
        if not loss.requires_grad or not bool(edits.right[:, rows].any()):
            return 0.0
        params = learner.trainable()
        grads = torch.autograd.grad(
            loss, params, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        with torch.no_grad():
            moved = [p - self.inner * g for p, g in zip(params, grads, strict=True)]
            logits = logits_with(learner, moved, batch.inputs[rows])[:, batch.asked]
            after = logits.log_softmax(-1).expand(self.edits, *logits.shape)
            after = after.gather(-1, edits.said[:, rows, :, None])[..., 0]
            rise = (after - edits.log_probs[:, rows]).exp() - 1
            own = edits.own[rows].expand_as(rise)
            return float((rise * edits.right[:, rows])[own].mean())


class Edits(NamedTuple):
    """Candidate self-edits of a batch."""

    said: Int[Tensor, "edits batch asked"]
    right: Bool[Tensor, "edits batch asked"]
    taken: Bool[Tensor, "edits batch asked"]
    features: Float[Tensor, "edits batch asked features"]
    chance: Float[Tensor, "edits batch asked"]
    """Of being taken up."""
    log_probs: Float[Tensor, "edits batch asked"]
    """Of what was said, with the graph of the prediction."""
    own: Bool[Tensor, "batch asked"]
    """Where something is asked of this sequence."""

    def loss(self, k: int, rows: slice) -> Float[Tensor, ""]:
        """L_k on some sequences, in nats per asked position."""
        return -(self.log_probs[k, rows] * self.taken[k, rows])[self.own[rows]].mean()

    def gradient(self, kept: Bool[Tensor, " edits"]) -> Float[Tensor, " features"]:
        """Of the mean log likelihood of the choices in kept edits, by w; 0 where none was kept."""
        surprise = (self.taken.to(self.chance) - self.chance) * self.own
        each = (surprise[..., None] * self.features).sum((1, 2)) / self.own.sum()
        return each[kept].sum(0) / kept.sum().clamp(min=1)


def halves(inputs: Tensor, k: int) -> tuple[slice, slice]:
    """The sequences of candidate k, and those it is rewarded on; of one sequence, the same twice."""
    if len(inputs) < 2:
        return slice(None), slice(None)
    return slice(k % 2, None, 2), slice(1 - k % 2, None, 2)
