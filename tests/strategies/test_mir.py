"""MIR against its definition: a copy of the network that really takes the step."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor

from plasticity import Batch, Learner, Strategy
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import LSTM, MLP, Mamba, Transformer
from strategies import Chain, LoRA, Replay
from strategies.mir import MIR

from .teaching import jog, learn, learner, taught
from .tiny import ASKED, batch, log_likelihood


def losses(made: OnlineLearner, data: Batch) -> Tensor:
    """Loss of each sequence per asked position, one by one."""
    pairs = zip(data.inputs, data.targets, strict=True)
    each = [-log_likelihood(made.network, x, y, ASKED) / int(ASKED.sum()) for x, y in pairs]
    return torch.stack(each).detach()


def rises(made: OnlineLearner, new: Batch, old: Batch, eta: float) -> Tensor:
    """By how much a step of a copy on `new` raises each loss on `old`."""
    copy = deepcopy(made)
    before = losses(copy, old)
    pairs = zip(new.inputs, new.targets, strict=True)
    total = torch.stack([-log_likelihood(copy.network, x, y, new.asked) for x, y in pairs]).sum()
    (total / len(new.inputs) / int(new.asked.sum())).backward()
    torch.optim.SGD(copy.trainable(), lr=eta).step()
    return losses(copy, old) - before


@pytest.mark.parametrize("network", [Transformer, LSTM, Mamba, MLP])
def test_the_most_interfered_are_replayed(network: type):
    strategy = MIR(capacity=20, weight=0.3, candidates=5, virtual=0.5)
    made, old, new = learner(strategy, network), batch(6, 20), batch(7)
    jog(made)
    strategy.after_batch(made, old)
    state = {k: v.clone() for k, v in made.state_dict().items()}
    rise = rises(made, new, old, 0.5)
    worst = rise.argsort(descending=True)[:4]
    logits = made(new.inputs)
    found = strategy.penalty(made, new, logits)
    torch.testing.assert_close(found, 0.3 * losses(made, old)[worst].mean())
    assert rise[worst].min() > rise.median() + 0.02  # it matters which
    assert all(torch.equal(v, state[k]) for k, v in made.state_dict().items())
    assert all(p.grad is None for p in made.network.parameters())
    (made.nll(logits, new.targets, new.asked) + found).backward()  # the graph is still whole


def test_one_candidate_each_is_plain_replay():
    """But for rounding, since the rows of replay share the pass of the batch."""
    one = taught(MIR(capacity=9, weight=0.7, candidates=1))
    other = taught(Replay(capacity=9, weight=0.7))
    for k, v in one.items():
        torch.testing.assert_close(v, other[k], rtol=0, atol=1e-6)


def test_rises_are_of_what_the_chain_trains():
    """Behind a LoRA the virtual step moves the adapters, not the frozen weights."""
    mir = MIR(capacity=20, virtual=0.5)
    made, old, new = learner(Chain([LoRA(rank=2), mir])), batch(8, 20), batch(9)
    with torch.no_grad():
        for p in made.trainable():
            p.normal_(generator=torch.Generator().manual_seed(2))
    mir.after_batch(made, old)
    params = made.trainable()
    loss = made.nll(made(new.inputs), new.targets, new.asked)
    found = mir.rise(made, torch.autograd.grad(loss, params), old.inputs, old.targets)
    expected = rises(made, new, old, 0.5)
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


class L2(Strategy):
    """A spring to the origin."""

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor:
        return 0.05 * sum(p.square().sum() for p in learner.trainable())  # pyright: ignore


def test_mir_and_a_spring_in_a_chain_descend_the_sum():
    mir = MIR(capacity=20, virtual=0.5)
    made, old, new = learner(Chain([mir, L2()])), batch(6, 20), batch(7)
    mir.after_batch(made, old)
    worst = rises(made, new, old, 0.5).argsort(descending=True)[:4]
    copy = deepcopy(made.network)
    x, y = torch.cat([new.inputs, old.inputs[worst]]), torch.cat([new.targets, old.targets[worst]])
    mean = made.nll(copy(x), y, ASKED)
    energy = torch.stack([p.square().sum() for p in copy.parameters()]).sum()
    (2 * mean + 0.05 * energy).backward()
    learn(made, new)
    for p, q in zip(made.network.parameters(), copy.parameters(), strict=True):
        assert q.grad is not None
        torch.testing.assert_close(p.detach(), (q - 0.1 * q.grad).detach())
