"""Surprise-gated updates: batches whose loss is usual are skipped."""

import torch
from torch import Tensor

from plasticity import Batch, Fraction, Learner, Positive, Prediction, Strategy


class Gated(Strategy):
    """Learns from a batch only if it is worse predicted than usual; otherwise the weights stay as they are.

    update iff L_t > m_{t-1} + margin;  m_t = decay m_{t-1} + (1 - decay) L_t,  m_0 = -infinity, m_1 = L_1

    In the spirit of selective backpropagation (Jiang et al. 2019, arXiv 1910.00762), which passes over
    examples of small loss at random; here a whole batch is in or out, by a rule that draws nothing. The loss is
    that of the prediction that was graded, and m also follows the batches that are skipped. The first batch
    is always learned from. What is learned while the loss falls by itself is little: m lags behind.

    Of a Chain it gates the update, hence every part's loss, extra, project and stepped; not what a part does in
    observe. With `updates: {per: chunk}` each piece is judged. Cost per step: a forward, which the
    grading needs anyway; one backward if surprised. Memory: three numbers.

    Args:
        margin: least surprise that is learned from, in nats per asked position; may be negative; null: no gate.
        decay: of the running mean, per batch.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"margin": None}
    usual: Tensor
    met: Tensor
    skipped: Tensor

    def __init__(
        self, margin: float | None = 0.0, decay: Fraction = 0.99, lr: Positive | None = None
    ):
        super().__init__(lr)
        self.margin, self.decay = margin, decay

    def attach(self, learner: Learner) -> None:
        """Nothing is usual yet."""
        self.register_buffer("usual", torch.tensor(-torch.inf, dtype=torch.float64))
        self.register_buffer("met", torch.zeros((), dtype=torch.int64))
        self.register_buffer("skipped", torch.zeros((), dtype=torch.int64))

    @property
    def fraction(self) -> float:
        """Share of what was met that was skipped; 0 if nothing was met."""
        return float(self.skipped) / max(int(self.met), 1)

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        """Descend, as the whole Chain does, or let it be."""
        if self.margin is None or self.surprised(learner, batch, prediction.logits, self.margin):
            super().update(learner, batch, prediction)

    @torch.no_grad()
    def surprised(self, learner: Learner, batch: Batch, logits: Tensor, margin: float) -> bool:
        """Whether the loss exceeds the usual one by more than the margin; afterwards it is part of the usual."""
        loss = learner.nll(logits, batch.targets, batch.asked).double()
        surprise = bool(loss > self.usual + margin)
        first = not int(self.met)
        self.usual.copy_(loss if first else self.usual.lerp(loss, 1 - self.decay))
        self.met += 1
        self.skipped += not surprise
        return surprise
