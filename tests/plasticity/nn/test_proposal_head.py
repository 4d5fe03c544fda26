"""The recognition head reads the readout's input, leaves the network alone, and learns the posterior."""

import numpy as np
import torch

from plasticity.networks import LSTM, MLP
from plasticity.nn.proposal_head import ProposalHead


def test_features_are_the_last_residual_and_the_logits() -> None:
    torch.manual_seed(0)
    network = MLP(5, 3, width=8, depth=1)
    head, inputs = ProposalHead(network, 4, 16), torch.tensor([[0, 4, 2]])
    seen = list[torch.Tensor]()
    network.head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    features = head.features(inputs)
    torch.testing.assert_close(features, torch.cat([seen[0], network(inputs)], -1))
    assert head.hypotheses == 4 and head(inputs).shape == (1, 3, 4)


def test_the_network_is_not_moved() -> None:
    head = ProposalHead(LSTM(5, 3, width=8, depth=1), 4, 16)
    head(torch.tensor([[0, 4, 2]])).sum().backward()
    assert all(p.grad is None for p in head.network.parameters())
    assert all(p.grad is not None for p in head.layers.parameters())
    again = ProposalHead(head.network, 4, 16).features(torch.tensor([[1]]))
    assert np.isfinite(again.numpy()).all()
