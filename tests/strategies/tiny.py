"""A tiny network, its learner and its data, on which equations are checked by hand."""

from typing import Any

import torch
from torch import Tensor, nn

from plasticity.core.learner import Spec
from plasticity.core.optimizer import SGD, Optimizer
from plasticity.core.strategy import Strategy
from plasticity.core.tunnel import AnswerKey, Batch
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import ScoredBatch
from plasticity.networks import MLP

SPEC = Spec(vocab=3, symbols=3, batch=4, time=5)
ASKED = torch.tensor([True, False, True, True, True])


def batch(seed: int, size: int = 4, asked: Tensor = ASKED) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    inputs = torch.randint(0, 3, (size, len(asked)), generator=rng)
    targets = torch.randint(0, 3, (size, len(asked)), generator=rng)
    return Batch(inputs, targets, asked).asking(asked)


def answered(data: Batch, targets: Tensor) -> Batch:
    """The same inputs and questions, other answers."""
    return data._replace(targets=targets).asking(data.asked)


def opposite(data: Batch) -> Batch:
    return answered(data, (data.targets + 1) % 3)


def learner(
    strategy: Strategy,
    network: type = MLP,
    optimizer: Optimizer | None = None,
    width: int = 8,
    depth: int = 1,
    **more: Any,
) -> OnlineLearner:
    """Attached, and with an optimizer: plain descent by 0.1, unless it is another."""
    torch.manual_seed(0)
    made = OnlineLearner(
        network(3, 3, width=width, depth=depth),
        strategy,
        optimizer or SGD(lr=0.1),
        **{"spec": SPEC, "asked": ASKED} | more,
    )
    made.attach()
    made.make_optimizer()
    return made


def unscored(step: int, data: Batch, shift: bool = False) -> ScoredBatch:
    """One step of a world that grades nothing."""
    size = len(data.inputs)
    uniform = torch.full((*data.inputs.shape, 3), 1 / 3, dtype=torch.float64)
    key = AnswerKey(data.targets, uniform, torch.zeros(size, dtype=torch.int64), {0: 1.0})
    return ScoredBatch(step, shift, data, key, torch.zeros(0, 0, 0, 0))


def log_likelihood(network: nn.Module, x: Tensor, y: Tensor, asked: Tensor) -> Tensor:
    """Sum over asked positions of log p(y_t | x), one sequence, by hand."""
    log_probs = network(x[None])[0].log_softmax(-1)
    return torch.stack([log_probs[t, y[t]] for t in range(len(x)) if asked[t]]).sum()
