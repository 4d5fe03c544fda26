"""Dynamic evaluation with decay, against the update written out weight by weight."""

import numpy as np
import pytest
import torch

from plasticity.core.optimizer import SGD, AdamW, Optimizer
from plasticity.core.tunnel import Batch
from plasticity.engine.learner import OnlineLearner
from strategies import Chain, Finetune
from strategies.dynamic_evaluation import DynamicEvaluation

from .teaching import learn
from .tiny import batch, learner, log_likelihood


def weights(made: OnlineLearner) -> np.ndarray:
    return np.concatenate([p.detach().flatten().numpy() for p in made.network.parameters()])


def gradient_vector(made: OnlineLearner, data: Batch) -> np.ndarray:
    """Of the mean log loss per asked position, sequence by sequence."""
    params, n = list(made.network.parameters()), len(data.inputs) * int(data.asked.sum())
    pairs = zip(data.inputs, data.targets, strict=True)
    total = torch.stack([log_likelihood(made.network, x, y, data.asked) for x, y in pairs]).sum()
    return np.concatenate([g.flatten().numpy() for g in torch.autograd.grad(-total / n, params)])


@pytest.mark.parametrize("decay", [0.0, 0.01, 0.3])
@pytest.mark.parametrize("optimizer", [SGD(0.02), SGD(0.02, momentum=0.9), AdamW(0.02, 0.1)])
def test_the_rule_is_the_papers_whatever_the_optimizer(decay: float, optimizer: Optimizer):
    """Some decay rates reach 1 at decay 0.3; MS is the plain mean over the gradients so far."""
    made = learner(DynamicEvaluation(decay=decay, epsilon=1e-3), optimizer=optimizer)
    theta = prior = weights(made)
    squares: list[np.ndarray] = []
    clipped = 0
    for seed in range(4):
        data = batch(seed)
        g = gradient_vector(made, data)
        squares.append(g**2)
        learn(made, data)
        rms = np.sqrt(np.mean(squares, axis=0))
        rates = [min(decay * r / rms.mean(), 1.0) for r in rms]
        clipped += sum(rate == 1.0 for rate in rates)
        theta = np.array(
            [
                w - 0.02 * d / (r + 1e-3) + rate * (w0 - w)
                for w, d, r, rate, w0 in zip(theta, g, rms, rates, prior, strict=True)
            ]
        )
        np.testing.assert_allclose(weights(made), theta, atol=2e-6)
        theta = weights(made)  # rounding must not add up through the gradient
    assert (clipped > 0) == (decay == 0.3)


def test_the_optimizers_step_with_the_decay_beside_it():
    """Against Finetune from the same weights: the difference is rate * (theta_0 - theta before)."""
    strategy = DynamicEvaluation(decay=0.1, step="optimizer")
    made, plain = (learner(each, optimizer=AdamW(0.01)) for each in (strategy, Finetune()))
    prior, squares = weights(made), []
    for seed in range(3):
        plain.network.load_state_dict(made.network.state_dict())
        before, data = weights(made), batch(seed)
        squares.append(gradient_vector(made, data) ** 2)
        learn(made, data)
        learn(plain, data)
        rms = np.sqrt(np.mean(squares, axis=0))
        rate = np.minimum(0.1 * rms / rms.mean(), 1)
        np.testing.assert_allclose(
            weights(made), weights(plain) + rate * (prior - before), atol=1e-6
        )


def test_decay_beside_the_same_optimizer_holds_the_weights_nearer_to_where_they_began():
    far = []
    for decay in (0.0, 0.05):
        made = learner(DynamicEvaluation(decay=decay, step="optimizer"))
        begun = weights(made)
        for seed in range(20):
            learn(made, batch(seed % 3))
        far.append(np.linalg.norm(weights(made) - begun))
    assert far[1] < 0.8 * far[0]


def test_a_weight_without_a_gradient_stays():
    made = learner(DynamicEvaluation(decay=0.1))
    table = made.network.get_parameter("embed.weight")
    data = batch(0)._replace(inputs=torch.zeros(4, 5, dtype=torch.int64))  # symbols 1, 2 never come
    before = table.detach().clone()
    learn(made, data)
    assert torch.equal(table[1:], before[1:])
    assert not torch.equal(table[0], before[0])


def test_in_a_chain_it_decays_towards_where_the_chains_weights_began():
    alone = learner(DynamicEvaluation(decay=0.1, lr=0.01))
    chained = learner(Chain([DynamicEvaluation(decay=0.1)], lr=0.01))
    for seed in range(3):
        learn(alone, batch(seed))
        learn(chained, batch(seed))
    np.testing.assert_array_equal(weights(alone), weights(chained))
