"""A learner asked with other weights says what one with those weights says, and keeps its own."""

from copy import deepcopy

import pytest
import torch

from plasticity import logits_with
from plasticity.core.learner import Spec
from plasticity.core.optimizer import SGD
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import LSTM, MLP, GatedDeltaNet, Mamba, Transformer
from strategies import Finetune, LoRA


@pytest.mark.parametrize("network", [Transformer, LSTM, Mamba, GatedDeltaNet, MLP])
@pytest.mark.parametrize("strategy", [Finetune, LoRA])
def test_elsewhere_is_a_moved_copy(network: type, strategy: type):
    torch.manual_seed(0)
    spec, inputs = Spec(3, 3, 4, 5), torch.randint(0, 3, (4, 5))
    made = OnlineLearner(network(3, 3, width=8, depth=1), strategy(), SGD(), spec)
    made.attach()
    moved = deepcopy(made)
    with torch.no_grad():
        for p in moved.trainable():
            p.add_(torch.randn_like(p))
    before = {k: v.clone() for k, v in made.state_dict().items()}
    weights = [p.detach() for p in moved.trainable()]
    torch.testing.assert_close(logits_with(made, weights, inputs), moved(inputs))
    assert not torch.allclose(made(inputs), moved(inputs), atol=1e-3)
    assert all(torch.equal(v, before[k]) for k, v in made.state_dict().items())


def test_elsewhere_wants_one_tensor_for_each():
    made = OnlineLearner(MLP(3, 3, width=8, depth=1), Finetune(), SGD(), Spec(3, 3, 4, 5))
    with pytest.raises(ValueError, match="shorter"):
        logits_with(made, [], torch.zeros(1, 5, dtype=torch.int64))
