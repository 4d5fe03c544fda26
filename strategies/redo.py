"""Dormant-neuron reset (ReDo)."""

import torch
from torch import Tensor

from plasticity import (
    Batch,
    Count,
    HiddenUnits,
    Learner,
    Natural,
    NonNegative,
    Positive,
    Reservoir,
    Strategy,
    activations,
    dormancy,
    hidden_units,
)


class ReDo(Strategy):
    """Recycling dormant neurons: units that are still, compared with their layer, begin anew.

    Every `every` steps, each unit of s_k = E|h_k| / mean_j E|h_j| <= tau: incoming weights redrawn, outgoing
    weights 0, the optimizer's moments 0 (Sokar et al. 2023, arXiv 2302.12902, definition 3.1).

    E is over all positions of a uniform sample of the sequences since the last time; it is done once they were
    learned. No bias is compensated: what is dormant said next to nothing. Under Adam the count of steps is
    shared by a whole parameter and stays. What the units of a layer are: as in ContinualBackprop; layers that do not
    declare any are left alone, as are those of which a weight is not trained (LoRA). Written for ReLU: GELU is
    seldom still, attention's values and an LSTM's cells next to never; `recycled` counts how many were.
    The paper has tau 0.025 every 1,000 steps, of ReLU and of a life of millions; by default it is 0.1 every 100 here,
    as regimes have about a hundred steps, and no unit of GELU was found at 0.025 in six of them.
    Cost per step: forward + backward; every `every` steps one forward. Memory: `samples` sequences.

    Args:
        tau: a unit of this score or less is dormant; 0: only one that says nothing at all.
        every: steps from one time to the next; 0: never.
        samples: sequences on which units are judged.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"every": 0}
    steps: Tensor
    recycled: Tensor

    def __init__(
        self,
        tau: NonNegative = 0.1,
        every: Natural = 100,
        samples: Count = 64,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.tau, self.every, self.samples = tau, every, samples

    def idle(self, steps: int | None, shifts: bool, updates: int = 1) -> str | None:
        """Where its time never comes, too."""
        if why := super().idle(steps, shifts, updates):
            return why
        if steps is None or self.every <= steps * updates:
            return None
        return f"every: {self.every} gradient steps, and there are {steps * updates}"

    def attach(self, learner: Learner) -> None:
        """Find the units; allocate the sample."""
        self.groups: list[HiddenUnits] = hidden_units(learner.network, learner.trainable())
        if self.every and not self.groups:
            raise ValueError(
                f"ReDo: expected hidden units whose weights are all trained, {type(learner.network).__name__} "
                "has none here; do not put it beside LoRA"
            )
        self.recent = Reservoir(self.samples, learner.spec.time)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("recycled", torch.zeros((), dtype=torch.int64))

    def after_step(self, learner: Learner) -> None:
        """Count."""
        self.steps += bool(self.every)

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Keep a sample; when it is time, recycle."""
        if not self.every or not self.groups:
            return
        rng = self.rng(learner)
        self.recent.add(batch, rng)
        if int(self.steps) < self.every:
            return
        inputs = self.recent.inputs[: len(self.recent)]
        seen = activations(learner.network, inputs, self.groups)
        for group, h in zip(self.groups, seen, strict=True):
            chosen = (dormancy(h) <= self.tau).nonzero()[:, 0]
            group.restart(chosen, rng, learner.optimizer)
            self.recycled += len(chosen)
        self.steps.zero_()
        self.recent.clear()
