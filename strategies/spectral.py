"""Spectral regularisation: a penalty on the largest singular value of every weight matrix."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plasticity import Batch, Count, Learner, NonNegative, Positive, Strategy


class Spectral(Strategy):
    """Spectral regularisation: no matrix comes to stretch, or to shrink, its most favoured direction without cost.

    L + strength sum_l (sigma_1(W_l)^k - 1)^2,  sigma_1 the largest singular value
    (Lewandowski et al. 2024, arXiv 2406.06811; power iteration: one round per step, vectors kept)

    W_l is every two-dimensional parameter that is trained but embeddings, as it is stored: what is stacked in one
    matrix (queries, keys and values; the gates of an LSTM) counts as one. Left alone are biases, gains of norms and
    convolutions; and embeddings, whose inputs are one-hot: no layer's signal grows by their sigma_1, which begins above
    the root of the width and would be nearly all of the sum. sigma_1 is u^T W v with unit vectors that follow W by one
    round u <- W v, v <- W^T u after each step; they begin at the exact ones. It is never above the truth, and lags
    below it for a while where the second largest is near. Knows no boundaries. Beside LoRA it acts on the factors A and
    B and not on their product, for which it is not made.

    Cost per step: forward + backward + four products of each matrix with a vector.
    Memory: height + width of each matrix.

    Args:
        strength: nats per asked position, per unit of the squared excess.
        power: k.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"strength": 0.0}

    def __init__(self, strength: NonNegative = 1e-3, power: Count = 2, lr: Positive | None = None):
        super().__init__(lr)
        self.strength, self.power = strength, power

    @torch.no_grad()
    def attach(self, learner: Learner) -> None:
        """The first singular vectors of every matrix."""
        for i, weight in enumerate(self.matrices(learner)):
            left, _, right = torch.linalg.svd(weight, full_matrices=False)
            self.register_buffer(f"u{i}", left[:, 0].clone())
            self.register_buffer(f"v{i}", right[0].clone())

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
        """The weighted penalty, in nats per asked position."""
        stretches = self.stretches(learner) if self.strength else []
        if not stretches:
            return 0.0
        return self.strength * (torch.stack(stretches) ** self.power - 1).square().sum()

    def stretches(self, learner: Learner) -> list[Tensor]:
        """sigma_1 of each matrix, as far as its vectors have followed."""
        pairs = enumerate(self.matrices(learner))
        return [self.get_buffer(f"u{i}") @ w @ self.get_buffer(f"v{i}") for i, w in pairs]

    @torch.no_grad()
    def after_step(self, learner: Learner) -> None:
        """Follow the matrices by one round of power iteration."""
        if not self.strength:
            return
        for i, weight in enumerate(self.matrices(learner)):
            u, v = self.get_buffer(f"u{i}"), self.get_buffer(f"v{i}")
            u.copy_(F.normalize(weight @ v, dim=0))
            # A matrix of zeros would make both zero for good: a hair of the old v holds it up.
            v.copy_(F.normalize(weight.mT @ u + 1e-8 * v, dim=0))

    def matrices(self, learner: Learner) -> list[nn.Parameter]:
        """Every two-dimensional parameter that is trained and is not looked up."""
        modules = learner.network.modules()
        looked_up = {id(each.weight) for each in modules if isinstance(each, nn.Embedding)}
        return [p for p in learner.trainable() if p.ndim == 2 and id(p) not in looked_up]
