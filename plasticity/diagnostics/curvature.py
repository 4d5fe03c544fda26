"""Curvature: the gradient of the loss, and how many directions its Hessian bends in."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from plasticity.core.tunnel import Batch
from plasticity.diagnostics.forward_probe import ProbedNetwork
from plasticity.diagnostics.spectrum import eigenvalues
from plasticity.engine.learner import OnlineLearner
from plasticity.nn.parameters import tensors_to_vector, vector_to_tensors


def gradient(
    learner: OnlineLearner, bare: ProbedNetwork, batch: Batch
) -> Float[Tensor, " parameters"]:
    """Of the loss in nats per asked position, with respect to every parameter, whether trained or not."""
    weights = {name: p.detach().requires_grad_() for name, p in bare.named_parameters()}
    plain = torch.backends.cudnn.flags(enabled=False)  # an RNN of its own has none in eval mode
    with torch.enable_grad(), plain:
        loss = learner.nll(bare.logits_with(weights, batch.inputs), batch.targets, batch.asked)
    return tensors_to_vector(_gradients(loss, list(weights.values())))


def hessian_ritz(
    learner: OnlineLearner, bare: ProbedNetwork, batch: Batch, steps: int
) -> Float[Tensor, " ritz"]:
    """Ritz values of the Hessian of the loss [nats], by Lanczos on Hessian-vector products.

    On the CPU in float64, wherever the network is: fused kernels (attention's, an LSTM's, Mamba's) have no second
    derivative, and their plain forms do.

    Args:
        learner: whose loss.
        bare: whose parameters, all of them.
        batch: the data.
        steps: of Lanczos; at most so many values come back.
    """
    named = [*bare.named_parameters(), *bare.named_buffers()]
    moved = {name: _moved(value) for name, value in named}
    weights = [moved[name].requires_grad_() for name, _ in bare.named_parameters()]
    batch = Batch(*(each.cpu() for each in batch))
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        loss = learner.nll(bare.logits_with(moved, batch.inputs), batch.targets, batch.asked)
        slopes = _gradients(loss, weights, create_graph=True)

        def product(v: Float[Tensor, " parameters"]) -> Float[Tensor, " parameters"]:
            found = torch.autograd.grad(
                slopes,
                weights,
                vector_to_tensors(v, weights),
                retain_graph=True,
                materialize_grads=True,
            )
            return tensors_to_vector(found)

        size = sum(w.numel() for w in weights)
        generator = torch.Generator().manual_seed(0)
        first = torch.randn(size, generator=generator, dtype=torch.float64)
        return lanczos(product, first, steps)


def lanczos(
    product: Callable[[Tensor], Tensor], first: Float[Tensor, " n"], steps: int
) -> Float[Tensor, " ritz"]:
    """Eigenvalues of a symmetric map's projection on the Krylov space of `first`, rising.

    With full reorthogonalisation, done twice; it ends early where the space is exhausted, and the values are
    then eigenvalues (Golub & Van Loan 2013, section 10.1 and 10.3).

    Args:
        product: v -> A v.
        first: where the space begins.
        steps: its largest dimension.
    """
    basis = (first / first.norm())[None]
    rows: list[Tensor] = []
    for _ in range(min(steps, len(first))):
        w = product(basis[-1])
        rows.append(w)
        for _ in range(2):
            w = w - basis.T @ (basis @ w)
        if w.norm() <= 1e-10 * max(row.norm() for row in rows):
            break
        basis = torch.cat([basis, (w / w.norm())[None]])
    inside = torch.stack(rows) @ basis[: len(rows)].T
    return eigenvalues((inside + inside.T) / 2)


def _moved(value: Tensor) -> Tensor:
    value = value.detach().cpu()
    return value.double() if value.is_floating_point() else value.clone()


def _gradients(
    loss: Tensor, weights: list[Tensor], create_graph: bool = False
) -> tuple[Tensor, ...]:
    """0 for weights that the loss does not depend on."""
    return torch.autograd.grad(loss, weights, create_graph=create_graph, materialize_grads=True)
