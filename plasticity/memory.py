"""Reservoir: a bounded, uniform sample of everything seen."""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from plasticity.tunnel import UNASKED, Batch


class Reservoir(nn.Module):
    """A uniform sample without replacement of all sequences seen so far (Algorithm R, Vitter 1985).

    Law: after n sequences each of them is held with probability min(1, capacity / n).
    Buffers only, so that a checkpoint holds it; memory is capacity * 2 * time integers, whatever n.
    Targets that were not asked are held as UNASKED, because tunnels may differ in where they ask.
    Whoever keeps more about a sequence keeps it in a buffer of its own, in the slots that `add` returns.

    Args:
        capacity: sequences held at most.
        time: symbols per sequence.
        dtype: integers that hold every symbol; samples are int64 whatever it is.
    """

    inputs: Int[Tensor, "capacity time"]
    targets: Int[Tensor, "capacity time"]
    seen: Int[Tensor, ""]

    def __init__(self, capacity: int, time: int, dtype: torch.dtype = torch.int64):
        super().__init__()
        self.capacity = capacity
        self.register_buffer("inputs", torch.zeros(capacity, time, dtype=dtype))
        self.register_buffer("targets", torch.zeros(capacity, time, dtype=dtype))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        """Sequences held now."""
        return min(int(self.seen), self.capacity)

    def add(self, batch: Batch, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Offer each sequence of the batch, in order: (slots, rows), slots[i] now holds batch row rows[i]."""
        seen, n = int(self.seen), len(batch.inputs)
        self.seen += n
        nth = np.arange(seen, seen + n)
        offered = np.where(nth < self.capacity, nth, rng.integers(0, nth + 1))
        last = {slot: row for row, slot in enumerate(offered.tolist()) if slot < self.capacity}
        slots, rows = torch.tensor([[*last], [*last.values()]], device=self.inputs.device).long()
        if last:
            self.inputs[slots] = batch.inputs[rows].to(self.inputs)
            targets = torch.where(batch.asked, batch.targets[rows], UNASKED)
            self.targets[slots] = targets.to(self.targets)
        return slots, rows

    def draw(self, n: int, rng: np.random.Generator) -> Int[Tensor, " drawn"]:
        """The slots of n held sequences without replacement, or of all of them if fewer."""
        chosen = rng.choice(len(self), size=min(n, len(self)), replace=False)
        return torch.from_numpy(chosen).to(self.inputs.device)

    def sample(self, n: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """N held sequences without replacement, or all of them if fewer: (inputs, targets)."""
        slots = self.draw(n, rng)
        return self.inputs[slots].long(), self.targets[slots].long()

    def clear(self) -> None:
        """Forget everything."""
        self.seen.zero_()
