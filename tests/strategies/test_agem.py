"""A-GEM against its definition: inner products and projections computed in float64, sequence by sequence."""

import pytest
import torch

from plasticity.core.tunnel import Batch
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import LSTM, MLP, Mamba, Transformer
from strategies import EWC, Chain
from strategies.agem import AGEM

from .teaching import learn
from .tiny import answered, batch, learner, log_likelihood, opposite


def gradient_vector(made: OnlineLearner, data: Batch) -> torch.Tensor:
    """Of the mean loss per asked position, from each sequence on its own."""
    params = made.trainable()
    total = torch.zeros(sum(p.numel() for p in params), dtype=torch.float64)
    for x, y in zip(data.inputs, data.targets, strict=True):
        grads = torch.autograd.grad(-log_likelihood(made.network, x, y, data.asked), params)
        total += torch.cat([g.flatten() for g in grads]).double()
    return total / len(data.inputs) / int(data.asked.sum())


def left_in_grad(made: OnlineLearner) -> torch.Tensor:
    grads = [p.grad for p in made.trainable()]
    return torch.cat([g.flatten() for g in grads if g is not None]).double()


def projected(made: OnlineLearner, old: Batch, new: Batch) -> torch.Tensor:
    """What the strategy makes of the new batch's gradient, with the old one in memory."""
    made.strategy.after_batch(made, old)
    made.optimizer.zero_grad()
    made.nll(made(new.inputs), new.targets, new.asked).backward()
    made.strategy.project_gradients(made)
    return left_in_grad(made)


@pytest.mark.parametrize("network", [Transformer, LSTM, Mamba, MLP])
def test_agem_takes_out_what_points_against_the_memory(network: type):
    made, old = learner(AGEM(), network), batch(1)
    new = opposite(old)
    g, ref = gradient_vector(made, new), gradient_vector(made, old)
    assert g @ ref < -1e-4  # the case is there
    found = projected(made, old, new)
    # The closest vector to g on the hyperplane of ref, by least squares along ref.
    along = torch.linalg.lstsq(ref[:, None], g[:, None]).solution[0, 0]
    torch.testing.assert_close(found, g - along * ref, rtol=1e-4, atol=1e-6)
    assert abs(found @ ref) < 1e-5 * g.norm() * ref.norm()
    assert found @ g > 0


def test_agem_leaves_alone_what_agrees_with_the_memory():
    made, old = learner(AGEM()), batch(1)
    new = old.rows(slice(3))
    g, ref = gradient_vector(made, new), gradient_vector(made, old)
    assert g @ ref > 1e-4
    plain = learner(AGEM(capacity=0))
    assert torch.equal(projected(made, old, new), projected(plain, old, new))


def test_agem_projects_the_whole_gradient_and_not_the_loss_on_the_batch_only():
    parts = AGEM(), EWC(strength=50.0)
    made, old = learner(Chain(parts)), batch(2)
    parts[1].after_batch(made, old)
    parts[1].on_shift(made)
    with torch.no_grad():
        for p in made.network.parameters():
            p.add_(0.3)
    new = opposite(old)
    params = made.trainable()
    spring = torch.autograd.grad(parts[1].energy(made), params)
    g = gradient_vector(made, new) + 25.0 * torch.cat([s.flatten() for s in spring]).double()
    ref = gradient_vector(made, old)
    assert g @ ref < -1e-4
    parts[0].after_batch(made, old)
    learn(made, new)
    torch.testing.assert_close(
        left_in_grad(made), g - g @ ref / (ref @ ref) * ref, rtol=1e-3, atol=1e-5
    )


def test_agem_draws_no_more_than_it_is_told_to():
    strategy, old = AGEM(capacity=4, samples=1), batch(3)
    made = learner(strategy)
    strategy.after_batch(made, old)
    (row,) = strategy.memory.draw(1, strategy.rng(made)).tolist()
    one = old.rows(torch.tensor([row]))
    found = torch.cat([g.flatten() for g in strategy.reference(made, made.trainable())])
    torch.testing.assert_close(found.double(), gradient_vector(made, one), rtol=1e-4, atol=1e-7)


def test_agem_forgets_less_than_finetuning_where_regimes_disagree_in_part():
    def after(strategy: AGEM) -> float:
        made, old = learner(strategy), batch(4, 16)
        half = torch.arange(5) % 2 == 0
        new = answered(old, torch.where(half, (old.targets + 1) % 3, old.targets))
        for data in [old] * 30 + [new] * 30:
            learn(made, data)
            if data is old:
                strategy.after_batch(made, data)
        return made.nll(made(old.inputs), old.targets, old.asked).item()

    assert after(AGEM()) < after(AGEM(capacity=0)) - 1e-4
