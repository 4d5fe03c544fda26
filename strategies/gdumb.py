"""Greedy sampler, dumb learner: periodic retraining from the start on a balanced memory."""

import numpy as np
import torch
from torch import Tensor, nn

from plasticity import (
    CAPACITY,
    IGNORE_INDEX,
    Batch,
    Count,
    Learner,
    Natural,
    Positive,
    Prediction,
    Strategy,
    tensors_to_vector,
    vector_to_tensors,
)


class Balanced(nn.Module):
    """A uniform sample of each visit, in equal shares however many visits there were.

    Every sequence gets a uniform key. Those held are the first `capacity` by (rank of the key within its
    visit, key): bottom-k sampling within visits, one key of each before a second of any. With one visit it is a
    uniform sample of everything seen.

    Args:
        capacity: sequences held at most.
        time: symbols per sequence.
    """

    inputs: Tensor
    targets: Tensor
    visit: Tensor
    key: Tensor
    held: Tensor

    def __init__(self, capacity: int, time: int):
        super().__init__()
        self.capacity = capacity
        for name, shape in (("inputs", (time,)), ("targets", (time,)), ("visit", ())):
            self.register_buffer(name, torch.zeros(capacity, *shape, dtype=torch.int64))
        self.register_buffer("key", torch.zeros(capacity, dtype=torch.float64))
        self.register_buffer("held", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        """Sequences held now."""
        return int(self.held)

    def add(self, batch: Batch, visit: Tensor, rng: torch.Generator) -> None:
        """Offer the sequences of a batch, all of one visit."""
        n, held = len(batch.inputs), len(self)
        drawn = torch.rand(n, generator=rng, dtype=torch.float64).to(self.key)
        targets = torch.where(batch.asked, batch.targets, IGNORE_INDEX)
        offered = {"inputs": batch.inputs, "targets": targets, "key": drawn}
        offered["visit"] = visit.expand(n)
        union = {
            name: torch.cat([getattr(self, name)[:held], new]) for name, new in offered.items()
        }
        visits, keys = union["visit"].cpu().numpy(), union["key"].cpu().numpy()
        order = np.lexsort((keys, visits))
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order)) - np.searchsorted(visits[order], visits[order])
        kept = torch.from_numpy(np.lexsort((keys, rank))[: self.capacity]).to(self.held.device)
        for name, values in union.items():
            getattr(self, name)[: len(kept)] = values[kept]
        self.held.fill_(len(kept))


class GDumb(Strategy):
    """Greedy sampler and dumb learner: every so often, forget all and learn the memory from the start.

    every `period` steps:  theta <- theta_0, optimizer state <- 0, then `steps` steps on L(B_mem);  else nothing
    (Prabhu, Torr & Dokania 2020, ECCV, "GDumb: a simple approach that questions our progress").

    theta_0 are the weights at attach (the pretrained ones, where there is pretraining); B_mem is uniform from the
    memory, as many sequences as a batch of the stream. Where the paper balances classes, the memory gives
    every visit between two shifts an equal share, and is a uniform sample of everything if nobody tells of
    shifts; the paper's sampler keeps what comes first of each class, ours a uniform sample of each visit. The paper
    trains anew at each query; here every step is a query, so that the period is what one can afford. Between
    retrainings the weights stand still. The batch of the step is in the memory when it retrains.

    It replaces the update: in a Chain other parts act on the steps of a retraining, and no others.
    Cost per step: a forward, and steps / period forwards + backwards; O(capacity) for the memory.
    Memory: capacity sequences + parameters.

    Args:
        capacity: sequences remembered.
        period: steps of the stream from one retraining to the next.
        steps: gradient steps of each (times `updates: {steps}`).
        lr: learning rate; null: the experiment's optimizer decides.
    """

    anchored = True
    start: Tensor
    visit: Tensor
    done: Tensor

    def __init__(
        self,
        capacity: Count = CAPACITY,
        period: Count = 10,
        steps: Natural = 50,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.capacity, self.period, self.steps = capacity, period, steps

    def idle(self, steps: int | None, shifts: bool, updates: int = 1) -> str | None:
        """Where its time never comes, too."""
        if why := super().idle(steps, shifts, updates):
            return why
        if steps is None or self.period <= steps:
            return None
        return f"period: {self.period} steps, and there are {steps}"

    def attach(self, learner: Learner) -> None:
        """Allocate the memory, and keep the weights to start from."""
        self.memory = Balanced(self.capacity, learner.spec.time)
        theta = tensors_to_vector(learner.trainable()).detach()
        self.register_buffer("start", theta.clone())
        self.register_buffer("visit", torch.zeros((), dtype=torch.int64))
        self.register_buffer("done", torch.zeros((), dtype=torch.int64))

    def on_shift(self, learner: Learner) -> None:
        """From here on it is another visit."""
        self.visit += 1

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        """Let the weights stand."""

    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Offer the batch to the memory; learn it all anew when that is due."""
        rng = self.rng(learner, "observe")
        self.memory.add(batch, self.visit, rng)
        due = (learner.step + 1) // self.period
        if due > int(self.done):
            self.done.fill_(due)
            self.retrain(learner, batch, rng)

    def retrain(self, learner: Learner, batch: Batch, rng: torch.Generator) -> None:
        """Go back to the start, and learn the memory."""
        self.reset(learner)
        held = len(self.memory)
        for _ in range(self.steps):
            size = min(learner.spec.batch, held)
            slots = torch.randperm(held, generator=rng)[:size].to(self.memory.inputs.device)
            inputs, targets = self.memory.inputs[slots], self.memory.targets[slots]
            old = batch._replace(inputs=inputs, targets=targets, asked=learner.asked)
            super().update(learner, old, learner.predict(old))

    @torch.no_grad()
    def reset(self, learner: Learner) -> None:
        """The weights and the optimizer as they were at first."""
        params = learner.trainable()
        for p, first in zip(params, vector_to_tensors(self.start, params), strict=True):
            p.copy_(first)
        learner.optimizer.state.clear()
