"""SEAL against its equations: inner updates, rewards, what is kept, and how the policy climbs."""

from typing import Any

import numpy as np
import torch

from plasticity import Batch
from strategies import SEAL, SelfEdit

from .tiny import batch, learner, opposite


def edited(made: SEAL, owner: Any, data: Batch) -> tuple[Any, torch.Tensor]:
    """The candidates of a batch, and its prediction."""
    logits = owner(data.inputs)
    return made.sampled(owner, data, logits), logits


def test_rewards_are_what_an_inner_update_is_worth_elsewhere() -> None:
    """By hand: move the weights, and see how much likelier answers that are right became on the other half."""
    made = SEAL(edits=3, inner=0.5)
    owner, data = learner(made), batch(1)
    edits, logits = edited(made, owner, data)
    mine, other = slice(0, None, 2), slice(1, None, 2)
    n = len(data.inputs[mine]) * int(data.asked.sum())
    log_probs = logits[:, data.asked].log_softmax(-1)
    said = log_probs.gather(-1, edits.said[0][..., None])[..., 0]
    loss = edits.loss(0, mine)
    assert torch.isclose(loss, -(said * edits.taken[0])[mine].sum() / n)
    reward = made.reward(owner, data, loss, edits, other)
    before = {name: p.detach().clone() for name, p in owner.network.named_parameters()}
    grads = torch.autograd.grad(edits.loss(0, mine), list(owner.network.parameters()))
    with torch.no_grad():
        for p, g in zip(owner.network.parameters(), grads, strict=True):
            p -= 0.5 * g
        moved = owner(data.inputs)[:, data.asked].softmax(-1)
        owner.network.load_state_dict(before)
    total, count = 0.0, 0
    for k, row, t in np.ndindex(*edits.said.shape):
        if row % 2 == 1:
            a = edits.said[k, row, t]
            ratio = float(moved[row, t, a] / log_probs.detach()[row, t, a].exp())
            total, count = total + float(edits.right[k, row, t]) * (ratio - 1), count + 1
    assert np.isclose(reward, total / count, atol=1e-6)


def test_only_edits_that_improve_are_descended() -> None:
    made = SEAL(edits=8, inner=0.5)
    owner, data = learner(made), batch(1)
    edits, logits = edited(made, owner, data)
    halves = [(slice(k % 2, None, 2), slice(1 - k % 2, None, 2)) for k in range(8)]
    losses = [edits.loss(k, mine) for k, (mine, _) in enumerate(halves)]
    rewards = [
        made.reward(owner, data, loss, edits, other)
        for loss, (_, other) in zip(losses, halves, strict=True)
    ]
    kept = [loss for loss, reward in zip(losses, rewards, strict=True) if reward > 0]
    assert 0 < len(kept) < 8
    assert torch.isclose(made.loss(owner, data, logits), torch.stack(kept).mean())
    never = learner(made, is_correct=lambda said, wanted: np.zeros(said.shape, bool))
    assert float(made.loss(never, data, never(data.inputs)).detach()) == 0.0


def test_the_policy_climbs_the_likelihood_of_what_was_kept() -> None:
    made = SEAL(edits=4, rate=2.0)
    owner, data = learner(made), batch(1)
    made.policy += torch.tensor([0.3, -0.2, 0.5])
    edits, _ = edited(made, owner, data)
    kept = torch.tensor([True, False, True, True])
    w = made.policy.clone().requires_grad_()
    likelihood = torch.distributions.Bernoulli(logits=edits.features @ w)
    each = likelihood.log_prob(edits.taken.float()).sum((1, 2)) / edits.own.sum()
    each[kept].mean().backward()
    assert w.grad is not None
    torch.testing.assert_close(edits.gradient(kept), w.grad)
    before = made.policy.clone()
    owner.learn(data, owner.predict(data))
    torch.testing.assert_close(made.policy, before + made.climb)
    still = SEAL(rate=0.0)
    owner = learner(still)
    owner.learn(data, owner.predict(data))
    assert not still.policy.any()


def test_what_came_is_not_looked_at_but_by_the_verdict() -> None:
    """A world that takes any even answer: targets then play no part."""
    made = SEAL()
    owner = learner(made, is_correct=lambda said, wanted: said % 2 == 0)
    data, other = batch(1), opposite(batch(1))
    one = made.loss(owner, data, owner(data.inputs))
    assert float(one.detach()) > 0
    assert torch.equal(one, made.loss(owner, other, owner(other.inputs)))


def test_the_policy_learns_to_take_up_what_is_right() -> None:
    """Only the answer 0 is ever right, and only learning it makes right answers likelier."""
    made = SEAL(edits=8, inner=1.0, rate=3.0)
    owner = learner(made, is_correct=lambda said, wanted: said == 0)
    for step in range(40):
        owner.begin(step)
        data = batch(step, size=8)
        owner.learn(data, owner.predict(data))
    assert made.policy[1] > 0.2
    assert owner(batch(99).inputs).softmax(-1)[..., 0].mean() > 0.5


def test_several_tries_are_averaged() -> None:
    one, many = SelfEdit(), SelfEdit(tries=200)
    data = batch(1)
    losses = []
    for step in range(200):
        owner = learner(one)
        owner.begin(step)
        losses.append(float(one.loss(owner, data, owner(data.inputs)).detach()))
    owner = learner(many)
    mean = float(many.loss(owner, data, owner(data.inputs)).detach())
    assert np.isclose(mean, np.mean(losses), rtol=0.1)
