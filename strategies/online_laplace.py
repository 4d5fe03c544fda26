"""Online structured Laplace: a quadratic penalty with Kronecker-factored curvature."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity import (
    IGNORE_INDEX,
    Batch,
    Count,
    Fraction,
    Learner,
    NonNegative,
    Positive,
    Reservoir,
    Strategy,
    tensors_to_vector,
)


class OnlineLaplace(Strategy):
    """Kronecker-factored online Laplace: the past is a Gaussian over the weights, correlated within each layer.

    L + strength/2 (theta - theta*)^T Lambda (theta - theta*),  Lambda_0 = prior I,  theta*_0 = theta_0
    at a shift:  Lambda <- decay Lambda + F_regime,  theta* <- theta   (Ritter, Botev & Barber 2018, arXiv 1805.07810)

    F_regime is the Fisher information per asked position, with answers drawn from the network's own predictions, over a
    uniform sample of the regime. Of a linear layer it is A (x) G, its bias a column of its weights: A = E_t[a_t a_t^T]
    over all positions, G = sum_t E[g_t g_t^T] / E[own asked positions], where a_t goes in and g_t is the gradient of
    the whole sequence's log loss at what comes out. So one sequence's positions count as independent data: the expand
    setting (Eschenhagen et al. 2023, arXiv 2311.00636). All that is no linear layer's own gets the diagonal, per
    sequence as in EWC: embeddings, norms, short convolutions, the LSTM's recurrent and input weights, adapters. What
    stands beside the prior in Lambda must stay one Kronecker product, whatever the number of regimes: it is the one
    nearest to the sum in the Frobenius norm (Van Loan & Pitsianis 1993). The prior never decays.

    Strength means what it means in EWC: old positions that one new position is weighed against. A layer's products
    have larger eigenvalues than its diagonal: plain descent needs lr strength < 2 / the largest of them.
    Cost per step: forward + backward + two products of each matrix with its factors; per shift: `samples` forwards +
    backwards. Memory: parameters + in^2 + out^2 of each layer + `samples` sequences.

    Args:
        strength: old evidence per unit of new.
        prior: precision of every weight before anything is seen, per asked position.
        decay: how much of the older information survives a shift.
        samples: sequences of the ending regime from which its Fisher information is estimated.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"strength": 0.0}
    needs_shifts = True
    anchored = True
    mode: Tensor
    diagonal: Tensor

    def __init__(
        self,
        strength: NonNegative = 100.0,
        prior: NonNegative = 1e-5,
        decay: Fraction = 1.0,
        samples: Count = 64,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.strength, self.prior, self.decay, self.samples = strength, prior, decay, samples

    def attach(self, learner: Learner) -> None:
        """Find the linear layers; allocate their factors, the diagonal, and the sample of the regime."""
        params = learner.trainable()
        theta = tensors_to_vector(params).detach()
        used = [id(p) for _, p in learner.network.named_parameters(remove_duplicate=False)]
        own = {id(p): p for p in params if used.count(id(p)) == 1}
        linear = [each for each in learner.network.modules() if isinstance(each, nn.Linear)]
        self.linear = [each for each in linear if id(each.weight) in own]
        self.owned = [[own[id(p)] for p in (e.weight, e.bias) if id(p) in own] for e in self.linear]
        held = {id(p) for pair in self.owned for p in pair}
        self.rest = [p for p in params if id(p) not in held]
        for i, pair in enumerate(self.owned):
            out, width = pair[0].shape
            width += len(pair) - 1
            self.register_buffer(f"A{i}", theta.new_zeros(width, width))
            self.register_buffer(f"G{i}", theta.new_zeros(out, out))
        self.register_buffer("diagonal", theta.new_zeros(sum(p.numel() for p in self.rest)))
        self.register_buffer("mode", torch.cat([p.detach().flatten() for p in self.weights()]))
        self.recent = Reservoir(self.samples, learner.spec.time)

    def weights(self) -> list[nn.Parameter]:
        """What is held, layer by layer, and then the rest."""
        return [p for pair in self.owned for p in pair] + self.rest

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
        """Minus the log density of the past, but for a constant, in nats per asked position."""
        return self.strength / 2 * self.energy() if self.strength else 0.0

    def energy(self) -> Float[Tensor, ""]:
        """(theta - theta*)^T Lambda (theta - theta*)."""
        distance = tensors_to_vector(self.weights()) - self.mode
        total, at = self.prior * distance.square().sum(), 0
        for pair, (a, g) in zip(self.owned, self.factors(), strict=True):
            out, columns = len(pair[0]), []
            for p in pair:
                columns.append(distance[at : at + p.numel()].view(out, -1))
                at += p.numel()
            d = torch.cat(columns, dim=1)
            total = total + ((g @ d) * (d @ a)).sum()
        return total + (self.diagonal * distance[at:] ** 2).sum()

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Keep a uniform sample of the live regime."""
        if self.strength:
            self.recent.add(batch, self.rng(learner))

    def on_shift(self, learner: Learner) -> None:
        """Multiply the ended regime's likelihood in, as a Gaussian around where the weights are."""
        held = len(self.recent)
        if not held:
            return
        own = self.recent.targets[:held] != IGNORE_INDEX
        usual = int(own.sum()) / held  # positions of a sequence
        rng, rows = self.rng(learner), [0] * len(self.linear)
        new = [tuple(torch.zeros_like(f).double() for f in pair) for pair in self.factors()]
        self.diagonal.mul_(self.decay)
        for x, asked in zip(self.recent.inputs[:held], own, strict=True):
            calls, logits = self.watched(learner, x[None])
            loss = asked.sum() * learner.nll(logits, self.answers(logits, rng), asked)
            ends = [*(z for _, _, z in calls), *self.rest]
            grads = torch.autograd.grad(loss, ends, materialize_grads=True)
            for (i, a, _), g in zip(calls, grads, strict=False):
                a, g = a.flatten(0, -2).double(), g.flatten(0, -2).double()
                a = torch.cat([a, a.new_ones(len(a), len(self.owned[i]) - 1)], dim=1)
                new[i][0].addmm_(a.T, a)
                new[i][1].addmm_(g.T, g, alpha=1 / usual / held)
                rows[i] += len(a)
            if self.rest:
                square = tensors_to_vector(grads[len(calls) :]) ** 2
                self.diagonal.add_(square, alpha=1 / usual / held)
        for old, (a, g), n in zip(self.factors(), new, rows, strict=True):
            for factor, value in zip(
                old, nearest(self.decay, old, (a / max(n, 1), g)), strict=True
            ):
                factor.copy_(value)
        self.mode.copy_(tensors_to_vector(self.weights()).detach())
        self.recent.clear()

    def watched(
        self, learner: Learner, inputs: Int[Tensor, "1 time"]
    ) -> tuple[list[tuple[int, Tensor, Tensor]], Tensor]:
        """The logits; and at each call of a linear layer its number, what went in, and what came out."""
        calls = list[tuple[int, Tensor, Tensor]]()
        number = {id(layer): i for i, layer in enumerate(self.linear)}

        def note(layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
            calls.append((number[id(layer)], given[0].detach(), out))

        handles = [layer.register_forward_hook(note) for layer in self.linear]
        try:
            logits = learner.network.eager(inputs)
        finally:
            for handle in handles:
                handle.remove()
        return calls, logits

    def answers(
        self, logits: Float[Tensor, "1 time symbols"], rng: torch.Generator
    ) -> Int[Tensor, "1 time"]:
        """One draw from what is predicted at each position."""
        p = logits.detach().double().softmax(-1)
        u = torch.rand(*p.shape[:2], 1, generator=rng, dtype=torch.float64).to(p)
        return (p.cumsum(-1)[..., :-1] <= u).sum(-1)

    def factors(self) -> list[tuple[Tensor, Tensor]]:
        """A and G of each linear layer."""
        named = range(len(self.linear))
        return [(self.get_buffer(f"A{i}"), self.get_buffer(f"G{i}")) for i in named]


def nearest(
    decay: float, old: tuple[Tensor, Tensor], new: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """The one Kronecker product nearest to decay old + new, as its two factors, both positive semi-definite.

    Entries rearranged, decay old + new is the matrix sum_k w_k vec(A_k) vec(G_k)^T: its first singular pair. As inner
    products of positive semi-definite matrices are not negative, the pair combines them with weights of one sign.
    """
    sides = [
        torch.stack([a.double().flatten(), b.flatten()], 1) for a, b in zip(old, new, strict=True)
    ]
    (q, r), (v, s) = (torch.linalg.qr(side) for side in sides)
    left, size, right = torch.linalg.svd(r @ r.new_tensor([decay, 1.0]).diag() @ s.T)
    a, g = (q @ left[:, 0]).view_as(old[0]), (v @ right[0]).view_as(old[1])
    root = size[0].sqrt() * a.trace().sign()
    return root * a, root * g
