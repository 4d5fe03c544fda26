"""Bayesian last layer: an extended Kalman filter over the head's weights."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from plasticity import (
    Batch,
    Fraction,
    Learner,
    NonNegative,
    Positive,
    Prediction,
    Strategy,
    conditioned,
)

LIMIT = 4096
"""Rows of the largest precision matrix: 128 MiB."""


class Kalman(Strategy):
    """An extended Kalman filter over the head's weights; all below it stays as it was pretrained.

    With features x_n, p_n = softmax(W x_n) and R_n = diag(p_n) - p_n p_n^T, over the asked positions n of a batch:
    P^-1 <- P^-1 + sum_n R_n (x) x_n x_n^T;  vec W <- vec W + P sum_n vec((y_n - p_n) x_n^T)
    after the world had time to change:  P^-1 <- decay P^-1 + (1 - decay) / variance;  P <- P + drift
    (filter: Titterington 1984; in this form, where it is online natural gradient: Ollivier 2018, arXiv 1703.00209)

    P, all of it, is over weights and biases. The head holds the posterior mean, and predicts by it: the width of
    the posterior decides how far it moves, and does not widen predictions. Time passes once per step of the stream,
    however finely its batch is cut. What is learned from at once is one observation: it is linearised once, where it
    was predicted. With `updates.steps` above 1 it is linearised again where that
    led, and so on: the iterated filter, whose fixed point is the mode (Bell & Cathey 1993).

    `curvature: bound` replaces R_n by I / 2, which is never below it (Boehning 1992). All symbols then share one
    P exactly, of the width's size: recursive least squares on W x + 2 (y - p), with noise of variance 2. Its steps
    are more careful.

    Forgetting is P <- P / decay, but for the prior that comes back: without it P grows without bound in every
    direction that no input excites, and softmax itself never looks into some (wind-up; Kulhavy & Zarrop 1993).
    Cost per step: one forward + (symbols width)^3 / 3, or width^3 / 3 where bound. Memory: (symbols width)^2, or
    width^2, in float64.

    Args:
        variance: of each of the head's weights before anything is seen, around its pretrained value.
        decay: share of the precision that is left after a step of the stream; 1: the world stands still.
        shift_decay: share that is left after a shift.
        drift: variance that each weight gains per step of the stream.
        curvature: exact: R_n; bound: I / 2.

    Raises:
        ValueError: at attach, no linear layer with weights of its own makes the logits; or P would be too large.
    """

    descends = False
    precision: Tensor

    def __init__(
        self,
        variance: Positive = 0.01,
        decay: Fraction = 0.99,
        shift_decay: Fraction = 1.0,
        drift: NonNegative = 0.0,
        curvature: Literal["exact", "bound"] = "exact",
    ):
        super().__init__()
        self.variance, self.decay, self.shift_decay = variance, decay, shift_decay
        self.drift = drift
        self.curvature: Literal["exact", "bound"] = curvature

    def attach(self, learner: Learner) -> None:
        """Find the head, freeze everything, and allocate the precision, which is the prior's."""
        learner.network.requires_grad_(False)
        self.seen: tuple[Tensor, Tensor] | None = None
        self.step = -1  # of the stream, until which time has passed
        self.head = [
            head_of(learner, type(self).__name__)
        ]  # in a list: it is the network's module and not this one's
        self.head[0].register_forward_hook(self.note)
        symbols, width = self.mean().shape
        size = width if self.curvature == "bound" else symbols * width
        if size > LIMIT:
            raise ValueError(
                f"Kalman: a precision of {size} x {size} for {symbols} symbols and width {width}: "
                f"expected {LIMIT} rows at most; take `curvature: bound`"
            )
        prior = torch.eye(size, dtype=torch.float64, device=learner.asked.device) / self.variance
        self.register_buffer("precision", prior)

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        """Nothing: no gradient is taken."""
        return []

    def note(self, head: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        """Hold on to what the head was shown."""
        self.seen = inputs[0], logits

    @torch.no_grad()
    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        """Let time pass if a step has begun, then condition on the batch."""
        x = self.features(learner, batch, prediction.logits)
        y = nn.functional.one_hot(batch.targets[:, batch.asked].flatten(), learner.spec.symbols)
        if learner.step != self.step:
            self.step = learner.step
            self.wait()

        def likelihood(weights: Tensor) -> tuple[Tensor, Tensor]:
            p = self.said(x, self.rows(weights))
            return self.information(x, p), self.columns((y - p).T @ x)

        before, steps = self.columns(self.mean()), learner.updates.steps
        after, precision = conditioned(before, self.precision, likelihood, steps)
        self.precision.copy_((precision + precision.T) / 2)
        self.settle(self.rows(after))

    def features(self, learner: Learner, batch: Batch, logits: Tensor) -> Float[Tensor, "n width"]:
        """What the head was shown at the asked positions, and a 1 if it has a bias."""
        if self.seen is None or self.seen[1] is not logits:  # another forward pass came between
            learner.network.eager(batch.inputs)
        assert self.seen is not None
        x, self.seen = self.seen[0][:, batch.asked].flatten(0, 1), None
        return with_one(self.head[0], x)

    def said(
        self, x: Float[Tensor, "n width"], weights: Float[Tensor, "symbols width"]
    ) -> Float[Tensor, "n symbols"]:
        """The mean of each observation."""
        return (x @ weights.T).softmax(-1)

    def information(
        self, x: Float[Tensor, "n width"], p: Float[Tensor, "n symbols"]
    ) -> Float[Tensor, "size size"]:
        """What these observations say about the weights: sum_n R_n (x) x_n x_n^T, or sum_n x_n x_n^T / 2."""
        if self.curvature == "bound":
            return x.T @ x / 2
        symbols, width = p.shape[1], x.shape[1]
        each = (p[:, :, None] * x[:, None]).flatten(1)
        found = -each.T @ each
        same = found.view(symbols, width, symbols, width).diagonal(dim1=0, dim2=2)
        same += ((p.T[:, None] * x.T) @ x).movedim(0, -1)
        return found

    def wait(self) -> None:
        """One step of the stream passes."""
        self.forget(self.decay)
        if self.drift:
            grown = self.drift * self.precision  # (P + drift)^-1 = (1 + drift P^-1)^-1 P^-1
            grown.diagonal().add_(1)
            self.precision.copy_(torch.cholesky_solve(self.precision, torch.linalg.cholesky(grown)))

    def forget(self, kept: float) -> None:
        """Go back towards the prior's precision."""
        if kept < 1:
            self.precision.mul_(kept).diagonal().add_((1 - kept) / self.variance)

    def on_shift(self, learner: Learner) -> None:
        """Forget, as much as a shift makes one forget."""
        self.forget(self.shift_decay)

    def mean(self) -> Float[Tensor, "symbols width"]:
        """The head's weights, its bias as one column more."""
        return affine(self.head[0])

    def settle(self, weights: Float[Tensor, "symbols width"]) -> None:
        """Make them the head's."""
        head = self.head[0]
        head.weight.copy_(weights[:, : head.in_features])
        if head.bias is not None:
            head.bias.copy_(weights[:, -1])

    def columns(self, weights: Float[Tensor, "symbols width"]) -> Tensor:
        """As what a precision is multiplied with."""
        return weights.T if self.curvature == "bound" else weights.reshape(-1, 1)

    def rows(self, columns: Tensor) -> Float[Tensor, "symbols width"]:
        """The way back."""
        return columns.T if self.curvature == "bound" else columns.view(self.mean().shape)


def affine(head: nn.Linear) -> Float[Tensor, "symbols width"]:
    """Weights of a head in float64, its bias, if it has one, as one column more."""
    bias = [] if head.bias is None else [head.bias[:, None]]
    return torch.cat([head.weight, *bias], dim=1).double()


def with_one(head: nn.Linear, x: Float[Tensor, "*n features"]) -> Float[Tensor, "*n width"]:
    """What goes with `affine`: what a head is shown in float64, and a 1 if it has a bias."""
    return nn.functional.pad(x.double(), (0, int(head.bias is not None)), value=1.0)


@torch.no_grad()
def head_of(learner: Learner, whose: str) -> nn.Linear:
    """The linear layer whose output is the logits.

    Args:
        learner: whose network it is in.
        whose: name of the strategy that looks for it, for messages.

    Raises:
        ValueError: there is none, or its weights are not its own.
    """
    network, found = learner.network, list[tuple[nn.Linear, Tensor]]()

    def note(module: nn.Linear, _: tuple[Tensor, ...], out: Tensor) -> None:
        found.append((module, out))

    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    handles = [module.register_forward_hook(note) for module in linear]
    try:
        logits = network.eager(torch.zeros_like(learner.asked, dtype=torch.int64)[None])
    finally:
        for handle in handles:
            handle.remove()
    named = [p for _, p in network.named_parameters(remove_duplicate=False)]
    for module, out in found:
        own = all(
            sum(p is q for q in named) == 1 for p in (module.weight, module.bias) if p is not None
        )
        if out is logits and own:
            return module
    raise ValueError(
        f"{whose}: {type(network).__name__} has no nn.Linear whose output is the logits and whose weights are "
        "parameters that nothing else uses: expected such a head, to infer it"
    )
