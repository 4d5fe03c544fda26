"""Rows of tensors, however they lie in memory: a gradient that is stored the other way round is as good as any."""

import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity import Network, gradient_vector, tensors_to_vector, vector_to_tensors
from plasticity.checks.world import SPEC, world
from plasticity.core.optimizer import SGD
from plasticity.diagnostics.curvature import gradient, hessian_ritz
from plasticity.diagnostics.forward_probe import ProbedNetwork
from plasticity.engine.learner import OnlineLearner
from strategies import AGEM, EWC, MAS, Finetune, OnlineLaplace


class Turned(Network):
    """Holds its weights (in, out), and uses them the other way round."""

    def __init__(self, vocab: int, symbols: int):
        super().__init__(vocab, symbols)
        rng = torch.Generator().manual_seed(0)
        self.inner = nn.Parameter(torch.randn(vocab, 5, generator=rng))
        self.outer = nn.Parameter(torch.randn(symbols, 5, generator=rng).T)  # not contiguous itself

    def forward(self, inputs: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time symbols"]:
        """Two linear maps."""
        x = nn.functional.one_hot(inputs, self.vocab).to(self.inner)
        return nn.functional.linear(
            nn.functional.linear(x, self.inner.T).tanh(), self.outer.T.contiguous()
        )


def learner(strategy: type) -> OnlineLearner:
    made = OnlineLearner(Turned(3, 3), strategy(), SGD(0.1), SPEC)
    made.attach()
    made.make_optimizer()
    return made


def flat(tensors: list[Tensor]) -> Tensor:
    return torch.tensor([each for tensor in tensors for each in tensor.flatten().tolist()])


def test_the_gradients_of_this_network_are_not_contiguous():
    made, batch = learner(Finetune), world(1)[0]
    loss = made.nll(made.network(batch.inputs), batch.targets, batch.asked)
    slopes = torch.autograd.grad(loss, made.trainable())
    assert not all(slope.is_contiguous() for slope in slopes)
    loss = made.nll(made.network(batch.inputs), batch.targets, batch.asked)
    loss.backward()
    torch.testing.assert_close(gradient_vector(made.trainable()), flat([*slopes]))
    row = tensors_to_vector(made.trainable())
    back = vector_to_tensors(row, made.trainable())
    assert all(torch.equal(p, q) for p, q in zip(made.trainable(), back, strict=True))


def test_its_condition_is_measured():
    made, batch = learner(Finetune), world(1)[0]
    bare = ProbedNetwork(made.network)
    loss = made.nll(made.network(batch.inputs), batch.targets, batch.asked)
    slopes = torch.autograd.grad(loss, made.trainable())
    torch.testing.assert_close(gradient(made, bare, batch), flat([*slopes]))
    assert torch.isfinite(hessian_ritz(made, bare, batch, 6)).all()


@pytest.mark.parametrize("strategy", [AGEM, EWC, MAS, OnlineLaplace])
def test_strategies_put_its_gradients_in_a_row(strategy: type):
    made = learner(strategy)
    for step in range(6):
        made.begin(step)
        if step == 3:
            made.notify_shift()
        batch = world(6)[step]
        made.learn(batch, made.predict(batch))
        made.finish_batch(batch)
    assert all(torch.isfinite(p).all() for p in made.trainable())
