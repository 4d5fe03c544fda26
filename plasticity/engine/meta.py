"""Meta-learned start: pretraining by what is answered while the weights learn, by the rule that is deployed."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from plasticity.core.learner import Learner
from plasticity.core.stream import Group
from plasticity.core.tunnel import Batch
from plasticity.engine.config import Meta


def meta_loss(
    learner: Learner, batch: Batch, lr: float, order: Literal["first", "full"], steps: int
) -> Float[Tensor, ""]:
    """Loss of the answers given while plain gradient descent learns from them, in nats per asked position.

    theta_i = theta_{i-1} - lr grad L_i(theta_{i-1}) and the loss is mean_{i=1..k+1} L_i(theta_{i-1}), where L_i is of
    the i-th of k + 1 equal parts of the sequences, which are under one latent: each part is answered before it is
    learned from, as where it is deployed (end-to-end test-time training: arXiv 2512.23675; of the last term alone:
    MAML, Finn, Abbeel & Levine 2017, arXiv 1703.03400, eq. 1). First order: the inner gradients are taken for
    constants (ibid., section 5.2), so that the gradient is mean_i grad L_i at theta_{i-1}.

    Args:
        learner: whose network theta is of.
        batch: sequences under one latent, in the order in which they are met.
        lr: of the inner steps.
        order: whether the gradient goes through the inner gradients.
        steps: k.
    """
    network, full = learner.network, order == "full"
    weights: dict[str, Tensor] = dict(network.named_parameters())
    losses = list[Tensor]()
    for inputs, targets in zip(
        batch.inputs.chunk(steps + 1), batch.targets.chunk(steps + 1), strict=True
    ):
        logits = functional_call(network, weights, (inputs,))
        losses.append(learner.nll(logits, targets, batch.asked))
        if len(losses) <= steps:
            slopes = torch.autograd.grad(
                losses[-1],
                list(weights.values()),
                create_graph=full,
                retain_graph=True,
                materialize_grads=True,
            )
            moved = zip(weights.items(), slopes, strict=True)
            weights = {name: w - lr * slope for (name, w), slope in moved}
    return torch.stack(losses).mean()


def batch_meta_loss(learner: Learner, batch: Batch, plan: Meta) -> Float[Tensor, ""]:
    """The mean of the meta loss over the latents of a batch, whose sequences follow one another latent by latent.

    Where the gradient goes through the inner ones, in kernels that have a second derivative.
    """
    with sdpa_kernel(SDPBackend.MATH), torch.backends.cudnn.flags(enabled=False):
        each = [
            meta_loss(learner, part, plan.lr, plan.order, plan.steps)
            for part in by_latent(batch, plan.latents)
        ]
    return torch.stack(each).mean()


def by_latent(batch: Batch, latents: int) -> Iterator[Batch]:
    """The sequences of each latent."""
    size = len(batch.inputs) // latents
    for first in range(0, len(batch.inputs), size):
        yield batch.rows(slice(first, first + size))


def together(group: Group, size: int) -> Group:
    """The group with one latent for each `size` sequences that follow one another."""
    return group._replace(latents=group.latents[np.arange(len(group.rows)) // size * size])
