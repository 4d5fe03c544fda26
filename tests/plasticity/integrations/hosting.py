"""A small world, and a learner who goes through it without a trainer."""

from collections.abc import Mapping

import torch
from torch import Tensor

from plasticity import Strategy, Stream, Updates
from plasticity.core.learner import Spec
from plasticity.core.optimizer import SGD
from plasticity.engine.learner import Learner
from plasticity.engine.prequential import ScoredBatch
from plasticity.networks import MLP
from streams import Abrupt, Markov

Scalars = Mapping[str, bool | int | float | str]


def world(steps: int = 24, batch: int = 4, period: int = 6) -> Stream:
    return Abrupt([Markov(3, 0.3)], period, steps, batch, time=5, probe=4)


def learner(strategy: Strategy, stream: Stream, updates: Updates | None = None) -> Learner:
    torch.manual_seed(0)
    spec = Spec(stream.vocab, stream.symbols, stream.batch, stream.time)
    asked = torch.from_numpy(stream.asked)
    network = MLP(stream.vocab, stream.symbols, width=8, depth=1)
    made = Learner(network, strategy, SGD(lr=0.1), spec, updates=updates, asked=asked)
    made.setup("fit")
    made.configure_optimizers()
    return made


def taught(strategy: Strategy, stream: Stream, updates: Updates | None = None) -> Learner:
    made = learner(strategy, stream, updates)
    for step in range(len(stream)):
        made.prequential_step(
            ScoredBatch(step, stream.shifts(step), stream[step], torch.zeros(0, 0, 0, 0))
        )
    return made


def weights(made: Learner) -> Tensor:
    return torch.cat([p.detach().flatten() for p in made.network.parameters()])


def gap(one: Learner, other: Learner) -> float:
    return float((weights(one) - weights(other)).abs().max())
