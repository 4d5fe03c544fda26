"""Joint training: nothing is lost, and every pass is over all of it."""

import pytest
import torch

from plasticity.core.learner import Spec
from plasticity.core.optimizer import SGD
from plasticity.core.tunnel import IGNORE_INDEX, Batch
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import MLP
from strategies.joint import Joint

from .teaching import beside, descended, jog, learner, mean, meet, same
from .tiny import ASKED, batch


@pytest.mark.parametrize("passes", [0, 1, 3])
def test_each_pass_is_a_step_on_what_was_seen(passes: int):
    """With one batch seen, every sample of four is that batch: 1 + passes steps, on twice its loss."""
    strategy, data = Joint(capacity=50, passes=passes), batch(1)
    made = learner(strategy)
    jog(made)
    expected = descended(made.network, [[(1.0, data)], *[[(2.0, data)]] * passes])
    meet(made, 0, data)
    same(made.network, expected)


def test_the_batch_is_learned_beside_the_past():
    strategy, old, new = Joint(passes=0), batch(1), batch(2)
    made = learner(strategy)
    strategy.after_batch(made, old)
    found = beside(made, new)
    torch.testing.assert_close(found, mean(made.network, old))


def test_everything_is_held_exactly_in_one_byte_per_symbol():
    strategy, seen = Joint(passes=0), [batch(step) for step in range(60)]
    made = learner(strategy)
    for made.step, data in enumerate(seen):
        strategy.after_batch(made, data)
    assert strategy.memory.inputs.dtype == torch.int8
    assert torch.equal(strategy.memory.inputs[:240].long(), torch.cat([b.inputs for b in seen]))
    targets = torch.where(ASKED, torch.cat([b.targets for b in seen]), IGNORE_INDEX)
    assert torch.equal(strategy.memory.targets[:240].long(), targets)


@pytest.mark.parametrize(("vocab", "symbols"), [(300, 3), (3, 70_000)])
def test_large_alphabets_are_not_cut(vocab: int, symbols: int):
    spec = Spec(vocab, symbols, 1, 1)
    strategy = Joint(passes=0)
    made = OnlineLearner(MLP(vocab, symbols, width=2, depth=1), strategy, SGD(), spec)
    made.attach()
    x, y = torch.tensor([[vocab - 1]]), torch.tensor([[symbols - 1]])
    strategy.after_batch(made, Batch(x, y, torch.ones(1, dtype=torch.bool)))
    inputs, targets = strategy.memory.sample(1, torch.Generator().manual_seed(0))
    assert torch.equal(inputs, x) and torch.equal(targets, y)


def test_beyond_its_bound_it_is_a_reservoir():
    strategy = Joint(capacity=6)
    made = learner(strategy)
    for step in range(10):
        meet(made, step, batch(step))
    assert len(strategy.memory) == 6 and int(strategy.memory.seen) == 40


def test_the_samples_of_a_pass_differ():
    strategy = Joint(capacity=400, passes=1)
    made, drawn = learner(strategy), list[set[int]]()
    strategy.memory.add(batch(1, 300), torch.Generator().manual_seed(0))
    real = strategy.memory.draw

    def spy(n, rng):
        slots = real(n, rng)
        drawn.append(set(slots.tolist()))
        return slots

    strategy.memory.draw = spy
    meet(made, 0, batch(2))
    assert len(drawn) == 3  # of the step; of the pass: its batch, and beside it
    assert not drawn[0] & drawn[1] and not drawn[1] & drawn[2] and not drawn[0] & drawn[2]
