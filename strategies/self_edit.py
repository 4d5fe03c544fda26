"""Self-training on own answers that were verified."""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from plasticity import IGNORE_INDEX, Batch, Count, Learner, NonNegative, Positive, Strategy


class SelfEdit(Strategy):
    """Self-training on verified answers: the learner keeps its own successful solutions, and learns from these only.

    a_t ~ softmax(logits_t / temperature) at every asked position t,  L = -1/n sum_{t: a_t right} log p(a_t)

    with n the number of asked positions. Right is what the world finds right when it tries it: in Conversation the
    database answers the whole program as it answers the one that was wanted, elsewhere the symbol that came. So a
    wrong answer teaches nothing, not even what the right one had been. Each symbol is said after the true ones before
    it, so that one forward pass serves all (teacher forcing); a whole program is tried as it was said.
    (STaR: Zelikman et al. 2022, arXiv 2203.14465; ReST-EM: Singh et al. 2023, arXiv 2312.06585, one step of each kind
    per batch, without a filter of the base model.)
    With several `tries` the loss is the mean over them. Cost per step: one forward + backward. Memory: none.

    Args:
        temperature: of the answers that are tried; 0: the most likely one.
        keep: verified: own answers that turned out right; all: whatever came, right or wrong, as Finetune does.
        tries: answers tried at each position.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"keep": "all"}

    def __init__(
        self,
        temperature: NonNegative = 1.0,
        keep: Literal["verified", "all"] = "verified",
        tries: Count = 1,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.temperature, self.keep, self.tries = temperature, keep, tries

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        """Log loss of what was said and was right."""
        if self.keep == "all":
            return super().loss(learner, batch, logits)
        mine = logits[:, batch.asked].log_softmax(-1)
        said, right = self.tried(learner, batch, mine.detach())
        own = batch.targets[:, batch.asked] != IGNORE_INDEX
        log_probs = mine.expand(self.tries, *mine.shape).gather(-1, said[..., None])[..., 0]
        return -(log_probs * right)[:, own].mean()

    def tried(
        self, learner: Learner, batch: Batch, log_probs: Float[Tensor, "batch asked symbols"]
    ) -> tuple[Int[Tensor, "tries batch asked"], Bool[Tensor, "tries batch asked"]]:
        """Answers, and whether the world finds them right."""
        said = self.answers(learner, log_probs.expand(self.tries, *log_probs.shape))
        return said, torch.stack([learner.is_correct(each, batch) for each in said])

    def answers(self, learner: Learner, log_probs: Tensor) -> Tensor:
        """What is tried, a symbol per row of `log_probs`: samples, by the Gumbel-max trick, or the most likely ones."""
        if not self.temperature:
            return log_probs.argmax(-1)
        uniform = torch.rand(log_probs.shape, generator=self.rng(learner), dtype=torch.float64)
        gumbel = -(-uniform.log()).log().to(log_probs)
        return (log_probs / self.temperature + gumbel).argmax(-1)
