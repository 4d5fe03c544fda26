"""Gradient projection memory: steps orthogonal to the input subspaces of earlier regimes."""

import torch
from torch import Tensor

from plasticity import (
    Batch,
    Count,
    Fraction,
    Learner,
    LinearMap,
    Positive,
    Reservoir,
    Strategy,
    linear_maps,
    tensors_to_vector,
    vector_to_tensors,
)

ROUNDING = 1e-12
"""Share of the energy below which a direction is rounding error."""


class GPM(Strategy):
    """Gradient projection memory: a weight matrix does not move along inputs that it had in earlier regimes.

    G <- G - G M M^T, for each matrix, M an orthonormal basis of its past inputs. At a shift, over the inputs R that
    a sample of the ended regime causes:  M gains the fewest top singular vectors of R - M M^T R after which
    ||M M^T R||_F^2 >= energy ||R||_F^2   (Saha, Garg & Roy 2021, arXiv 2103.09762)

    So what a protected layer says of past inputs stays, and with it what the next layer is shown. Held as M M^T.
    A matrix whose span is full moves no more: width is what new regimes are learned with.

    Matrices with known inputs: linear maps; the embedding (one-hot inputs: the span is the symbols seen); short
    convolutions (each channel's window of the past); both matrices of the LSTM (x_t and h_{t-1}). All the rest,
    biases, norms, and A_log, D and dt_bias of Mamba and Gated DeltaNet, multiply a number and not a vector, so one
    input spans all there is: they are frozen from the first shift on (the authors' code does so with batch norm).

    Departs from the paper, which trains with plain SGD: momentum, Adam's division and weight decay leave the
    subspace after the projection, so the step is projected once more; under plain SGD that changes nothing. One
    `energy` serves all regimes; it does not grow with their number. The one head is protected too.
    Cost per step: forward + backward + two products of each matrix with its M M^T; per shift: one forward and an
    eigendecomposition of each. Memory: parameters + inputs^2 of each matrix + `samples` sequences.

    Args:
        energy: share of the energy of a regime's inputs that must be spanned.
        samples: sequences of the ending regime whose inputs are looked at.
        lr: learning rate; null: the experiment's optimizer decides.

    Raises:
        ValueError: at attach, nothing that is trained is a matrix with known inputs, as beside LoRA.
    """

    off = {"energy": 0.0}
    needs_shifts = True
    before: Tensor
    frozen: Tensor

    def __init__(self, energy: Fraction = 0.95, samples: Count = 64, lr: Positive | None = None):
        super().__init__(lr)
        self.energy, self.samples = energy, samples

    def attach(self, learner: Learner) -> None:
        """Find the maps; allocate their spans, empty, and the sample of the regime."""
        self.params = learner.trainable()
        found = self.look(learner, torch.zeros_like(learner.asked, dtype=torch.int64)[None])
        if self.params and not found:
            raise ValueError(
                "GPM: expected weight matrices among what is trained, found none; do not put it beside LoRA"
            )
        for i, each in enumerate(found):
            span = torch.zeros_like(each.moments, dtype=each.weight.dtype)
            self.register_buffer(f"span{i}", span)
        known = {id(each.weight) for each in found}
        self.found = [each._replace(moments=torch.empty(0)) for each in found]
        self.rest = [p for p in self.params if id(p) not in known]
        self.register_buffer("frozen", torch.zeros((), dtype=torch.bool))
        before = tensors_to_vector(self.params).detach().clone()
        self.register_buffer("before", before, persistent=False)
        self.recent = Reservoir(self.samples, learner.spec.time)

    @torch.no_grad()
    def project_gradients(self, learner: Learner) -> None:
        """G <- G - G M M^T; and note where the step starts."""
        if not self.energy:
            return
        for each, span in zip(self.found, self.spans(), strict=True):
            if each.weight.grad is not None:
                g = each.matrix(each.weight.grad)
                g.sub_(g @ span)
        for p in self.rest:
            if p.grad is not None:
                p.grad.mul_(~self.frozen)
        self.before.copy_(tensors_to_vector(self.params))

    @torch.no_grad()
    def after_step(self, learner: Learner) -> None:
        """The same of the step that was really taken."""
        if not self.energy:
            return
        old = dict(
            zip(map(id, self.params), vector_to_tensors(self.before, self.params), strict=True)
        )
        for each, span in zip(self.found, self.spans(), strict=True):
            step = each.matrix(each.weight - old[id(each.weight)])
            each.matrix(each.weight).sub_(step @ span)
        for p in self.rest:
            p.copy_(torch.where(self.frozen, old[id(p)], p))

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Keep a uniform sample of the live regime."""
        if self.energy:
            self.recent.add(batch, self.rng(learner))

    @torch.no_grad()
    def on_shift(self, learner: Learner) -> None:
        """Widen the spans by what the ended regime put in."""
        if not len(self.recent):
            return
        seen = self.look(learner, self.recent.inputs[: len(self.recent)])
        for each, span in zip(seen, self.spans(), strict=True):
            unspanned = torch.eye(span.shape[-1]).to(each.moments) - span
            energy, directions = torch.linalg.eigh(unspanned @ each.moments @ unspanned)
            total = each.moments.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True)
            left = energy.clamp(min=0).cumsum(-1)  # unspanned still, were this the last left out
            chosen = directions * (left > (1 - self.energy + ROUNDING) * total)[..., None, :]
            span.add_((chosen @ chosen.mT).to(span))
        self.frozen.fill_(True)
        self.recent.clear()

    def look(self, learner: Learner, inputs: Tensor) -> list[LinearMap]:
        """The maps that are trained, with the inputs that these sequences cause."""
        mine = {id(p) for p in self.params}
        return [each for each in linear_maps(learner.network, inputs) if id(each.weight) in mine]

    def spans(self) -> list[Tensor]:
        """M M^T of each map and group."""
        return [self.get_buffer(f"span{i}") for i in range(len(self.found))]
