"""Low-rank extended Kalman filter of the whole network: a precision that is diagonal plus low rank."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import vector_to_parameters

from plasticity import (
    IGNORE_INDEX,
    Batch,
    Count,
    Fraction,
    Learner,
    Positive,
    Prediction,
    Strategy,
    tensors_to_vector,
)


class LoFi(Strategy):
    """Low-rank extended Kalman filter (LoFi): a Gaussian over all weights, of precision diag(u) + W W^T, W of `rank`.

    Time passes:  m <- m_0 + decay (m - m_0);  u' = (decay^2 / u + q)^-1,  q = (1 - decay^2) variance,
                  W <- decay (u' / u) W chol((I + q W^T (u' / u) W)^-1)
    a batch:      V = [W, A];  m <- m + (u + V V^T)^-1 g;  V = U S R^T,  W <- the `rank` largest of U S,
                  u <- u + the diagonal of what is left out
    (Chang et al. 2023, arXiv 2305.19535, algorithms 1 to 3; m_0, the pretrained weights, where they have 0, as in the
    steady state of their equation 8)

    g is the gradient of the batch's log likelihood, and A A^T its information. exact: A has for every asked position
    the columns J^T R^(1/2), J the Jacobian of its logits and R = diag(p) - p p^T: the extended filter. empirical: one
    column for each sequence, the gradient of its log likelihood (BONG's empirical Fisher; Jones et al. 2024, arXiv
    2405.19681), of the same mean where the network predicts rightly, and g lies in what A spans. With `updates.steps`
    above 1 it is linearised anew where that led (Bell & Cathey 1993).

    Predictions are those of m. Nothing turns it into Finetune; it needs no shifts. Cost per step: two forwards + one
    backward per sequence (exact: per position and symbol) + parameters x (rank + columns)^2. Memory: parameters x
    (rank + 2).

    Args:
        rank: of W.
        variance: of each weight before anything is seen, around its pretrained value.
        decay: of what was learned, per step of the stream; 1: the world stands still.
        information: how A is made.
    """

    descends = False
    prior: Float[Tensor, " parameters"]
    diagonal: Float[Tensor, " parameters"]
    low_rank: Float[Tensor, "parameters rank"]

    def __init__(
        self,
        rank: Count = 16,
        variance: Positive = 1e-3,
        decay: Fraction = 0.99,
        information: Literal["empirical", "exact"] = "empirical",
    ):
        super().__init__()
        self.rank, self.variance, self.decay = rank, variance, decay
        self.information: Literal["empirical", "exact"] = information

    def attach(self, learner: Learner) -> None:
        """Allocate the precision, which is the prior's."""
        self.step = -1  # of the stream, until which time has passed
        mean = self.mean(learner)
        self.register_buffer("prior", mean.clone())
        self.register_buffer("diagonal", torch.full_like(mean, 1 / self.variance))
        self.register_buffer("low_rank", mean.new_zeros(len(mean), self.rank))

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        """Nothing that an optimizer moves."""
        return []

    def weights(self, learner: Learner) -> list[nn.Parameter]:
        """What the Gaussian is over."""
        return [p for p in learner.network.parameters() if p.requires_grad]

    def mean(self, learner: Learner) -> Float[Tensor, " parameters"]:
        """The weights as they are."""
        return tensors_to_vector(self.weights(learner)).detach()

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        """Let time pass if a step has begun, then condition on the batch."""
        logits, before = prediction.logits, self.mean(learner)
        if learner.step != self.step:
            self.step = learner.step
            before = self.prior + self.decay * (before - self.prior)
            drift = (1 - self.decay**2) * self.variance
            self.diagonal, self.low_rank = waited(self.diagonal, self.low_rank, self.decay, drift)
            vector_to_parameters(before, self.weights(learner))
            logits = learner.network(batch.inputs) if self.decay < 1 else logits
        after, columns = before, before[:, None]
        for repeat in range(learner.updates.steps):
            logits = learner.network(batch.inputs) if repeat else logits
            force, columns = self.likelihood(learner, batch, logits)
            force += columns @ (columns.T @ (after - before))  # 0 but where it is linearised anew
            after = before + solved(self.diagonal, torch.cat([self.low_rank, columns], 1), force)
            vector_to_parameters(after, self.weights(learner))
        self.diagonal, self.low_rank = conditioned(self.diagonal, self.low_rank, columns)

    def likelihood(
        self, learner: Learner, batch: Batch, logits: Float[Tensor, "batch time symbols"]
    ) -> tuple[Float[Tensor, " parameters"], Float[Tensor, "parameters columns"]]:
        """The gradient g and the columns A."""
        asked = (batch.targets != IGNORE_INDEX) & batch.asked
        log_p, targets = logits.log_softmax(-1), batch.targets.where(asked, 0)[..., None]
        each = (log_p.gather(-1, targets)[..., 0] * asked).sum(1)
        params = self.weights(learner)
        if self.information == "empirical":
            columns = torch.stack([gradient(one, params) for one in each], 1)
            return columns.sum(1), columns
        root = log_p[asked].detach().div(2).exp()  # of p, at n positions
        factor = root[..., None] * (torch.eye(root.shape[1]) - root[:, :, None] * root[:, None])
        pushed = (logits[asked][..., None] * factor).sum(1).flatten()
        return gradient(each.sum(), params), torch.stack(
            [gradient(one, params) for one in pushed], 1
        )


def gradient(of: Float[Tensor, ""], params: list[nn.Parameter]) -> Float[Tensor, " parameters"]:
    """As one row, the graph kept for the next."""
    return tensors_to_vector(
        torch.autograd.grad(of, params, retain_graph=True, materialize_grads=True)
    )


def solved(
    diagonal: Float[Tensor, " parameters"], columns: Float[Tensor, "parameters n"], force: Tensor
) -> Float[Tensor, " parameters"]:
    """(diag(u) + V V^T)^-1 times a vector (Woodbury)."""
    scaled = columns / diagonal[:, None]
    inner = (columns.T @ scaled).double()
    inner.diagonal().add_(1)
    found = torch.cholesky_solve((scaled.T @ force).double()[:, None], torch.linalg.cholesky(inner))
    return force / diagonal - scaled @ found[:, 0].to(force)


def conditioned(
    diagonal: Float[Tensor, " parameters"],
    low_rank: Float[Tensor, "parameters rank"],
    columns: Float[Tensor, "parameters n"],
) -> tuple[Tensor, Tensor]:
    """Add information A A^T to the precision: of what `rank` leaves out, the diagonal."""
    both = torch.cat([low_rank, columns], 1)
    _, vectors = torch.linalg.eigh((both.T @ both).double())  # V = U S R^T: V^T V = R S^2 R^T
    kept = both @ vectors[:, -low_rank.shape[1] :].to(both)  # V R = U S
    left = (both**2).sum(1) - (kept**2).sum(1)
    return diagonal + left.clamp(min=0), kept


def waited(
    diagonal: Float[Tensor, " parameters"],
    low_rank: Float[Tensor, "parameters rank"],
    decay: float,
    drift: float,
) -> tuple[Tensor, Tensor]:
    """The precision after theta <- decay theta + noise of variance `drift`."""
    later = 1 / (decay**2 / diagonal + drift)
    moved = low_rank * (later / diagonal)[:, None]
    inner = drift * (low_rank.T @ moved).double()
    inner.diagonal().add_(1)
    root = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(inner)))
    return later, decay * moved @ root.to(moved)
