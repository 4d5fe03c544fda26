"""A meta-learned start: its gradient against an unroll by hand, and what its batches are."""

from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from plasticity import Learner
from plasticity.engine.config import Meta, Pretrain
from plasticity.engine.meta import batch_meta_loss, by_latent, meta_loss
from plasticity.engine.pretrain import fresh
from plasticity.networks import LSTM, GatedDeltaNet, Mamba, Transformer
from strategies import Finetune
from streams import Markov

from ...strategies import tiny

STEPS, LR = 2, 0.3


def student(network: type = Transformer) -> Learner:
    """In float64, where second derivatives can be compared."""
    made = tiny.learner(Finetune(), network)
    made.double()
    return made


def part(data: Tensor, i: int) -> Tensor:
    return data[2 * i : 2 * i + 2]


def stepped(made: Learner, upto: int, order: str) -> tuple[list[Tensor], list[Tensor]]:
    """Parts' losses and the leaves, by torch's own optimiser-free loop on the live parameters, no functional call."""
    data = tiny.batch(3, size=2 * (STEPS + 1))
    params = list(made.network.parameters())
    start = [p.detach().clone() for p in params]
    losses, sums = [], [torch.zeros_like(p) for p in params]
    for i in range(upto):
        logits = made.network(part(data.inputs, i))
        asked = part(data.targets, i)[:, data.asked]
        loss = torch.nn.functional.cross_entropy(
            logits[:, data.asked].flatten(0, 1), asked.flatten()
        )
        slopes = torch.autograd.grad(loss, params)
        losses.append(loss.detach())
        for total, slope in zip(sums, slopes, strict=True):
            total += slope / upto
        with torch.no_grad():
            for p, slope in zip(params, slopes, strict=True):
                p -= LR * slope
    with torch.no_grad():
        for p, value in zip(params, start, strict=True):
            p.copy_(value)
    return losses, sums


@pytest.mark.parametrize("order", ["first", "full"])
def test_the_loss_is_that_of_a_learner_that_learns_by_sgd(order: Literal["first", "full"]) -> None:
    made, data = student(), tiny.batch(3, size=2 * (STEPS + 1))
    losses, _ = stepped(made, STEPS + 1, order)
    found = meta_loss(made, data, LR, order, STEPS)
    torch.testing.assert_close(found.detach(), torch.stack(losses).mean(), rtol=1e-10, atol=0)
    assert abs(losses[-1] - losses[0]) > 1e-3


def test_first_order_is_the_mean_of_gradients_along_the_way() -> None:
    made, data = student(), tiny.batch(3, size=2 * (STEPS + 1))
    _, sums = stepped(made, STEPS + 1, "first")
    meta_loss(made, data, LR, "first", STEPS).backward()
    for p, total in zip(made.network.parameters(), sums, strict=True):
        torch.testing.assert_close(p.grad, total, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("network", [Transformer, LSTM, Mamba, GatedDeltaNet])
def test_full_order_is_the_derivative_of_the_whole_unroll(network: type) -> None:
    """Along a random direction, by central differences of the loss; first order is another."""
    made, data = student(network), tiny.batch(3, size=2 * (STEPS + 1))
    params = list(made.network.parameters())
    plan = Meta(STEPS, LR, "full", latents=1)
    rng = torch.Generator().manual_seed(0)
    ways = [torch.randn(p.shape, generator=rng, dtype=torch.float64) for p in params]
    batch_meta_loss(made, data, plan).backward()
    mine = sum(
        float((p.grad * way).sum())
        for p, way in zip(params, ways, strict=True)
        if p.grad is not None
    )
    values = []
    for sign in (1e-5, -2e-5):
        with torch.no_grad():
            for p, way in zip(params, ways, strict=True):
                p += sign * way
        values.append(float(batch_meta_loss(made, data, plan).detach()))
    slope = (values[0] - values[1]) / 2e-5
    assert mine == pytest.approx(slope, rel=1e-5)
    with torch.no_grad():
        for p, way in zip(params, ways, strict=True):
            p += 1e-5 * way
            p.grad = None
    batch_meta_loss(made, data, Meta(STEPS, LR, "first", latents=1)).backward()
    first = sum(
        float((p.grad * way).sum())
        for p, way in zip(params, ways, strict=True)
        if p.grad is not None
    )
    assert abs(first - slope) > 1e-3 * abs(slope)


def test_sequences_that_follow_one_another_are_under_one_latent() -> None:
    plan = Pretrain(batch=24, meta=Meta(steps=2, latents=4))
    world = fresh([Markov(3), Markov(3, 0.2)], plan, 7, seed=0)
    tunnels = set[int]()
    for step in range(4):
        latents = [np.empty(0)] * 24
        for rows, regime, _, drawn in world.groups(step):
            tunnels.add(regime)
            for row, latent in zip(rows, drawn, strict=True):
                latents[row] = latent
        for first in range(0, 24, 6):
            assert all(np.array_equal(latents[first], each) for each in latents[first : first + 6])
            assert first == 0 or not np.array_equal(latents[first], latents[first - 1])
    assert tunnels == {0, 1}
    assert [len(each.inputs) for each in by_latent(world[0], 4)] == [6] * 4
    (group,) = world.probe_groups(0)
    assert len(np.unique(group.latents, axis=0)) == 512  # held out: as ever


def test_what_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="batch: expected a multiple of .* = 16, got 40"):
        Pretrain(batch=40, meta=Meta())
    with pytest.raises(ValueError, match="target: expected samples where there is meta"):
        Pretrain(target="posterior", meta=Meta())
