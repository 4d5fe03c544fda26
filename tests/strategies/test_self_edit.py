"""SelfEdit against its equation, and against what it must not know."""

from typing import Any

import numpy as np
import pytest
import torch

from plasticity import Batch
from strategies import SelfEdit

from .tiny import batch, learner, opposite


def sampled(made: SelfEdit, owner: Any, data: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Log probabilities at the asked positions, and what is said there."""
    log_probs = owner(data.inputs)[:, data.asked].log_softmax(-1)
    return log_probs, made.answers(owner, log_probs.detach())


def test_only_what_is_said_and_right_is_learned() -> None:
    made = SelfEdit()
    owner, data = learner(made), batch(1)
    log_probs, said = sampled(made, owner, data)
    wanted = data.targets[:, data.asked]
    total, n = 0.0, wanted.numel()
    for row, column in np.ndindex(*wanted.shape):
        if said[row, column] == wanted[row, column]:
            total -= float(log_probs[row, column, wanted[row, column]].detach())
    found = made.loss(owner, data, owner(data.inputs))
    assert float(found.detach()) == pytest.approx(total / n)
    assert 0 < (said == wanted).sum() < n


def test_what_the_world_accepts_is_right_whatever_came() -> None:
    """A world that takes any even answer: targets then play no part."""
    made = SelfEdit()
    owner = learner(made, is_correct=lambda said, wanted: said % 2 == 0)
    data = batch(1)
    log_probs, said = sampled(made, owner, data)
    mine = log_probs.gather(-1, said[..., None])[..., 0]
    found = made.loss(owner, data, owner(data.inputs))
    assert float(found.detach()) == pytest.approx(float(-(mine * (said % 2 == 0)).mean().detach()))
    other = opposite(data)
    assert torch.equal(found, made.loss(owner, other, owner(other.inputs)))


def test_answers_are_drawn_from_what_is_predicted() -> None:
    made = SelfEdit(temperature=0.5)
    owner = learner(made)
    log_probs = torch.log(torch.tensor([0.6, 0.3, 0.1])).expand(200, 100, 3)
    share = torch.bincount(made.answers(owner, log_probs).flatten(), minlength=3) / 20000
    law = torch.tensor([0.36, 0.09, 0.01]) / 0.46
    assert (share - law).abs().max() < 0.02
    greedy = SelfEdit(temperature=0.0)
    assert (greedy.answers(owner, log_probs) == 0).all()


def test_its_loss_is_that_of_no_wrong_answer() -> None:
    """Where nothing is right, nothing is learned."""
    made = SelfEdit()
    owner = learner(made, is_correct=lambda said, wanted: np.zeros(said.shape, bool))
    data = batch(1)
    found = made.loss(owner, data, owner(data.inputs))
    found.backward()
    assert float(found.detach()) == 0.0
    assert all(p.grad is None or not p.grad.any() for p in owner.network.parameters())
