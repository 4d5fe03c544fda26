"""A small world, and a learner who goes through it without a trainer."""

from collections.abc import Mapping

import torch
from torch import Tensor

from plasticity import Strategy, Stream, Updates
from plasticity.core.learner import Spec
from plasticity.core.optimizer import SGD
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential, ScoredBatch
from plasticity.networks import MLP
from streams import Abrupt, Markov

Scalars = Mapping[str, bool | int | float | str]


def world(steps: int = 24, batch: int = 4, period: int = 6) -> Stream:
    return Abrupt([Markov(3, 0.3)], period, steps, batch, time=5, probe=4)


def learner(strategy: Strategy, stream: Stream, updates: Updates | None = None) -> OnlineLearner:
    torch.manual_seed(0)
    spec = Spec(stream.vocab, stream.symbols, stream.batch, stream.time)
    asked = torch.from_numpy(stream.asked)
    network = MLP(stream.vocab, stream.symbols, width=8, depth=1)
    made = OnlineLearner(network, strategy, SGD(lr=0.1), spec, updates=updates, asked=asked)
    made.attach()
    made.make_optimizer()
    return made


def taught(strategy: Strategy, stream: Stream, updates: Updates | None = None) -> OnlineLearner:
    made = learner(strategy, stream, updates)
    loop, unscored = Prequential(made), torch.zeros(0, 0, 0, 0)
    for step in range(len(stream)):
        shift, (batch, key) = stream.shifts(step), stream.keyed(step)
        loop.prequential_step(ScoredBatch(step, shift, batch, key, unscored))
    return made


def weights(made: OnlineLearner) -> Tensor:
    return torch.cat([p.detach().flatten() for p in made.network.parameters()])


def gap(one: OnlineLearner, other: OnlineLearner) -> float:
    return float((weights(one) - weights(other)).abs().max())
