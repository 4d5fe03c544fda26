"""Trainability: the loss while weights learn a regime that nobody has met, against a fresh network."""

import math
from collections.abc import Callable
from copy import deepcopy
from operator import attrgetter

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.func import functional_call

from plasticity.core.network import Network
from plasticity.core.optimizer import AdamW
from plasticity.core.stream import Stream
from plasticity.diagnostics.forward_probe import gpus
from plasticity.engine.learner import OnlineLearner
from plasticity.nn.parameters import vector_to_tensors

APART = 1 << 32
"""Added to the stream's seed, so that no regime of the stream comes again."""
COLUMNS = ("trainability/now", "trainability/start", "trainability/fresh", "trainability/ratio")


class _Held(Stream):
    """One regime, for ever."""

    def schedule(self, step: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
        """The only one."""
        return np.zeros(self.batch, np.int64)


class _Merged(nn.Module):
    """The weights that a network computes with, its adapters merged into them."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, names: list[str]) -> dict[str, Tensor]:
        return {name: attrgetter(name)(self.network).detach().clone() for name in names}


def trainability(
    learner: OnlineLearner,
    stream: Stream,
    fresh: Callable[[], Network],
    start: Tensor | None,
    steps: int,
    lr: float,
) -> dict[str, float]:
    """Mean loss over `steps` of plain AdamW, predicted before learned, in bits per asked position.

    On one regime with a held latent that the stream does not have, the same for all three. The learner, its
    optimizer and every global generator stay as they are.

    Args:
        learner: whose network; copies of it learn.
        stream: whose first tunnel, and whose batches.
        fresh: a network of the same kind with its initial weights.
        start: its parameters before deployment, in one row; None: that trial is NaN.
        steps: how many.
        lr: learning rate.
    """
    tunnels = stream.tunnels[:1]
    world = _Held(tunnels, 1, steps, stream.batch, stream.time, seed=stream.seed + APART)
    made = fresh().to(learner.device)
    names, merged = [name for name, _ in made.named_parameters()], _Merged(learner.network)
    with torch.random.fork_rng(devices=gpus(made)):
        found = {"now": _trial(learner, world, made, merged(names), lr)}
        found["start"] = math.nan
        if start is not None:
            own = dict(merged.named_parameters())
            rows = vector_to_tensors(start.to(learner.device), list(own.values()))
            there = functional_call(merged, dict(zip(own, rows, strict=True)), (names,))
            found["start"] = _trial(learner, world, made, there, lr)
        found["fresh"] = _trial(learner, world, made, {}, lr)
    found["ratio"] = found["now"] / found["fresh"]
    return {f"trainability/{name}": value for name, value in found.items()}


@torch.enable_grad()
def _trial(
    learner: OnlineLearner, world: Stream, made: Network, values: dict[str, Tensor], lr: float
) -> float:
    """The mean loss of a copy of a network that begins with these values."""
    torch.manual_seed(0)  # within a fork: for networks that draw while they train
    network, losses = deepcopy(made).train(), list[float]()
    with torch.no_grad():
        for name, value in values.items():
            network.get_parameter(name).copy_(value)
    optimizer = AdamW(lr)(list(network.parameters()), None)
    for step in range(len(world)):
        inputs, targets, asked = (each.to(learner.device) for each in world[step][:3])
        loss = learner.nll(network(inputs), targets, asked)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item() / math.log(2))
    return math.fsum(losses) / len(losses)
