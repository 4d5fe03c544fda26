"""What a Chain descends, as one of its parts asks for it: loss, penalty and rehearsal of the whole, twice a step."""

from collections.abc import Callable, Sequence
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from plasticity import Batch, Learner, Prediction, Strategy
from strategies import EWC, Chain, Replay

from .teaching import jog, learner, mean
from .tiny import batch

RHO, STRENGTH, WEIGHT = 0.2, 40.0, 0.5


class SAM(Strategy):
    """Descends by the gradient at theta + rho g / |g|  (Foret et al. 2021, arXiv 2010.01412, eq. 3)."""

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        params = learner.trainable()
        away = ascent(torch.autograd.grad(learner.total_loss(batch, prediction), params))
        moved(params, away, 1.0)
        loss = learner.total_loss(batch, learner.predict(batch))
        learner.optimizer.zero_grad()
        learner.backward(loss)
        moved(params, away, -1.0)
        learner.strategy.project_gradients(learner)
        learner.optimizer.step()
        learner.strategy.after_step(learner)


def ascent(grads: Sequence[Tensor]) -> list[Tensor]:
    norm = torch.stack([g.square().sum() for g in grads]).sum().sqrt()
    return [RHO * g / norm for g in grads]


@torch.no_grad()
def moved(params: Sequence[Tensor], by: Sequence[Tensor], times: float) -> None:
    for p, d in zip(params, by, strict=True):
        p.add_(d, alpha=times)


def flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([each.detach().flatten() for each in tensors])


Arrangement = Callable[[SAM, EWC, Replay], Chain]


@pytest.mark.parametrize(
    "arrange",
    [
        lambda sam, ewc, replay: Chain([sam, ewc, replay]),
        lambda sam, ewc, replay: Chain([replay, ewc, sam]),
        lambda sam, ewc, replay: Chain([ewc, Chain([sam, Chain([replay])])]),
    ],
    ids=["first", "last", "nested"],
)
def test_a_second_gradient_is_of_loss_penalty_and_rehearsal_of_the_whole(arrange: Arrangement):
    ewc, replay, old, new = EWC(STRENGTH), Replay(4, WEIGHT), batch(1), batch(2)
    made = learner(arrange(SAM(), ewc, replay))
    jog(made)
    made.strategy.after_batch(made, old)
    made.strategy.on_shift(made)
    jog(made, 2)

    def gradient(network: nn.Module, pull: float = STRENGTH, share: float = WEIGHT) -> list[Tensor]:
        """Of the sum, sequence by sequence."""
        params = list(network.parameters())
        theta = torch.cat([p.flatten() for p in params])
        springs = (ewc.fisher * (theta - ewc.anchor).square()).sum()
        total = mean(network, new) + pull / 2 * springs + share * mean(network, old)
        return list(torch.autograd.grad(total, params))

    copy = deepcopy(made.network)
    start = flat(list(copy.parameters()))
    first = gradient(copy)
    moved(list(copy.parameters()), ascent(first), 1.0)
    second = flat(gradient(copy))
    made.begin(1)
    made.learn(new, made.predict(new))
    left = flat([p.grad for p in made.trainable() if p.grad is not None])
    torch.testing.assert_close(left, second, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(flat(made.trainable()), start - 0.1 * second, rtol=1e-5, atol=1e-6)
    for other in (first, gradient(copy, pull=0.0), gradient(copy, share=0.0)):
        assert (flat(other) - second).abs().max() > 1e-2  # each of them would show
