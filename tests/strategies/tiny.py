"""A tiny network, its learner and its data, on which equations are checked by hand."""

import torch
from torch import nn

from plasticity.core.learner import Spec
from plasticity.core.optimizer import SGD
from plasticity.core.strategy import Strategy
from plasticity.core.tunnel import Batch
from plasticity.engine.learner import Learner
from plasticity.networks import MLP

SPEC = Spec(vocab=3, symbols=3, batch=4, time=5)
ASKED = torch.tensor([True, False, True, True, True])


def batch(seed: int, size: int = 4) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    inputs = torch.randint(0, 3, (size, 5), generator=rng)
    targets = torch.randint(0, 3, (size, 5), generator=rng)
    posterior = torch.full((size, 5, 3), 1 / 3, dtype=torch.float64)
    return Batch(inputs, targets, ASKED, posterior, torch.zeros(size, dtype=torch.int64))


def learner(strategy: Strategy, network: type = MLP) -> Learner:
    torch.manual_seed(0)
    made = Learner(network(3, 3, width=8, depth=1), strategy, SGD(lr=0.1), SPEC, asked=ASKED)
    made.setup("fit")
    made.configure_optimizers()
    return made


def log_likelihood(network: nn.Module, x: torch.Tensor, y: torch.Tensor, asked: torch.Tensor):
    """Sum over asked positions of log p(y_t | x), one sequence, by hand."""
    log_probs = network(x[None])[0].log_softmax(-1)
    return torch.stack([log_probs[t, y[t]] for t in range(len(x)) if asked[t]]).sum()
