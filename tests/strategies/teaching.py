"""Tiny learners that learn without a trainer, and a world of batches for them."""

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from plasticity import Batch, Strategy
from plasticity.engine.learner import OnlineLearner

from . import tiny

learner = tiny.learner
"""One step of it is 0.1 of plain descent."""


def jog(made: OnlineLearner, seed: int = 1, by: float = 0.3) -> None:
    """Move the weights somewhere: from where they start all predictions are nearly uniform."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in made.network.parameters():
            p.add_(torch.randn(p.shape, generator=rng), alpha=by)


def beside(made: OnlineLearner, data: Batch) -> Tensor | float:
    """What is descended on rehearsed rows, in one pass with this batch."""
    return made.predict(data).rehearsal


def learn(made: OnlineLearner, data: Batch) -> None:
    """One update, as the loop makes it."""
    made.learn(data, made.predict(data))


def teach(made: OnlineLearner, step: int, data: Batch | None = None) -> None:
    """One update in that step of the world, on a batch of its number unless it is another."""
    made.begin(step)
    learn(made, tiny.batch(step) if data is None else data)


def meet(made: OnlineLearner, step: int, data: Batch) -> None:
    """One step of the world."""
    teach(made, step, data)
    made.finish_batch(data)


def taught(strategy: Strategy, steps: int = 6) -> dict[str, Tensor]:
    """The network after so many batches."""
    made = learner(strategy)
    for step in range(steps):
        meet(made, step, tiny.batch(step))
    return made.network.state_dict()


def mean(network: nn.Module, data: Batch) -> Tensor:
    """Loss per asked position at what is asked here, by hand."""
    each = [
        tiny.log_likelihood(network, x, y, tiny.ASKED)
        for x, y in zip(data.inputs, data.targets, strict=True)
    ]
    return -torch.stack(each).sum() / len(each) / int(tiny.ASKED.sum())


def descended(
    network: nn.Module, losses: Sequence[Sequence[tuple[float, Batch]]], lr: float = 0.1
) -> nn.Module:
    """A copy after one step of plain descent on each weighted sum of losses."""
    copy = deepcopy(network)
    for terms in losses:
        total = torch.stack([weight * mean(copy, data) for weight, data in terms]).sum()
        grads = torch.autograd.grad(total, list(copy.parameters()))
        with torch.no_grad():
            for p, g in zip(copy.parameters(), grads, strict=True):
                p.sub_(g, alpha=lr)
    return copy


def same(one: nn.Module, other: nn.Module, atol: float = 1e-6) -> None:
    """All weights agree.

    Raises:
        AssertionError: some do not.
    """
    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p.detach(), q.detach(), rtol=1e-4, atol=atol)
