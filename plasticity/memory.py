"""Reservoir: a bounded, uniform sample of everything seen."""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from plasticity.tunnel import Batch


class Reservoir(nn.Module):
    """A uniform sample without replacement of all sequences seen so far (Algorithm R, Vitter 1985).

    Law: after n sequences each of them is held with probability min(1, capacity / n).
    Buffers only, so that a checkpoint holds it; memory is capacity * 2 * time integers, whatever n.

    Args:
        capacity: sequences held at most.
        time: symbols per sequence.
    """

    inputs: Int[Tensor, "capacity time"]
    targets: Int[Tensor, "capacity time"]
    seen: Int[Tensor, ""]

    def __init__(self, capacity: int, time: int):
        super().__init__()
        self.capacity = capacity
        self.register_buffer("inputs", torch.zeros(capacity, time, dtype=torch.int64))
        self.register_buffer("targets", torch.zeros(capacity, time, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        """Sequences held now."""
        return min(int(self.seen), self.capacity)

    def add(self, batch: Batch, rng: np.random.Generator) -> None:
        """Offer each sequence of the batch, in order."""
        n = len(batch.inputs)
        nth = int(self.seen) + np.arange(n)
        slots = np.where(nth < self.capacity, nth, rng.integers(0, nth + 1))
        for row in np.flatnonzero(slots < self.capacity):
            self.inputs[slots[row]] = batch.inputs[row]
            self.targets[slots[row]] = batch.targets[row]
        self.seen += n

    def sample(self, n: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """N held sequences without replacement, or all of them if fewer: (inputs, targets)."""
        chosen = rng.choice(len(self), size=min(n, len(self)), replace=False)
        rows = torch.from_numpy(chosen).to(self.inputs.device)
        return self.inputs[rows], self.targets[rows]

    def clear(self) -> None:
        """Forget everything."""
        self.seen.zero_()
