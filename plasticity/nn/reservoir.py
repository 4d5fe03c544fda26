"""Reservoir sampling of sequences (Algorithm L)."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity.core.tunnel import IGNORE_INDEX, Batch

CAPACITY = 200
"""Sequences that a strategy which rehearses remembers by default: the same for all, so that none has more to go by."""
BELOW_ONE = math.nextafter(1.0, 0.0)
"""The largest w, so that there is a logarithm of 1 - w."""


class Reservoir(nn.Module):
    """A uniform sample without replacement of all sequences seen so far (Algorithm L, Li 1994).

    Law: after n sequences each of them is held with probability min(1, capacity / n). Think of a uniform number
    for each, and hold those of the smallest; w is the largest of these. Then j sequences come in vain before the
    next is held with probability (1 - w)^j w, and after it w <- w u^(1 / capacity), u uniform. So what comes in
    vain costs nothing, and that is nearly everything: of n, capacity (1 + ln(n / capacity)) are ever held.
    Buffers only, so that a checkpoint holds it; memory is capacity * 2 * time integers, whatever n.
    Targets that were not asked are held as IGNORE_INDEX, because tunnels may differ in where they ask.
    Whoever keeps more about a sequence keeps it in a buffer of its own, in the slots that `add` returns.

    Args:
        capacity: sequences held at most.
        time: symbols per sequence.
        dtype: integers that hold every symbol; samples are int64 whatever it is.
    """

    inputs: Int[Tensor, "capacity time"]
    targets: Int[Tensor, "capacity time"]
    seen: Int[Tensor, ""]
    upcoming: Int[Tensor, ""]
    """Number of the sequence that is held next, once the reservoir is full."""
    largest: Float[Tensor, ""]
    """w."""

    def __init__(self, capacity: int, time: int, dtype: torch.dtype = torch.int64):
        super().__init__()
        self.capacity = capacity
        self.register_buffer("inputs", torch.zeros(capacity, time, dtype=dtype))
        self.register_buffer("targets", torch.zeros(capacity, time, dtype=dtype))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("upcoming", torch.zeros((), dtype=torch.int64))
        self.register_buffer("largest", torch.ones((), dtype=torch.float64))

    def __len__(self) -> int:
        """Sequences held now."""
        return min(int(self.seen), self.capacity)

    def add(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Offer each sequence of the batch, in order: (slots, rows), slots[i] now holds batch row rows[i]."""
        seen = int(self.seen)
        after = seen + len(batch.inputs)
        self.seen.fill_(after)
        held = {slot: slot - seen for slot in range(seen, min(after, self.capacity))}
        if after >= self.capacity > 0 and (held or int(self.upcoming) < after):
            held |= self._replace(seen, after, rng)
        slots, rows = self._tensor([[*held], [*held.values()]])
        if held:
            inputs, targets = (each.index_select(0, rows) for each in batch[:2])
            targets = torch.where(batch.asked, targets, IGNORE_INDEX)
            self.inputs.index_copy_(0, slots, inputs.to(self.inputs))
            self.targets.index_copy_(0, slots, targets.to(self.targets))
        return slots, rows

    def _replace(self, seen: int, after: int, rng: torch.Generator) -> dict[int, int]:
        """Slots of a full reservoir that sequences of the numbers [seen, after) take over, and by which row."""
        taken = dict[int, int]()
        if seen < self.capacity:  # it has just become full, by a sequence that has a slot already
            upcoming, w = self.capacity - 1, 1.0
        else:
            upcoming, w = int(self.upcoming), float(self.largest)
        while upcoming < after:
            slot, u, v = torch.rand(3, generator=rng, dtype=torch.float64).tolist()
            if upcoming >= self.capacity:
                taken[int(slot * self.capacity)] = upcoming - seen
            w = min(w * (1 - u) ** (1 / self.capacity), BELOW_ONE)
            upcoming += 1 + int(math.log(1 - v) / math.log1p(-w))
        self.upcoming.fill_(upcoming)
        self.largest.fill_(w)
        return taken

    def draw(self, n: int, rng: torch.Generator) -> Int[Tensor, " drawn"]:
        """The slots of n held sequences without replacement, or of all of them if fewer; in no particular order.

        Every set of n is as likely as another (R. Floyd's algorithm, in Bentley 1987, CACM 30(9)): for j of the last
        n slots, one of those up to j, and j itself where that is taken already.
        """
        held = len(self)
        last = range(held - min(n, held), held)
        uniform = torch.rand(len(last), generator=rng, dtype=torch.float64).tolist()
        chosen = dict[int, None]()
        for j, u in zip(last, uniform, strict=True):
            drawn = int(u * (j + 1))
            chosen[j if drawn in chosen else drawn] = None
        return self._tensor([*chosen])

    def _tensor(self, numbers: Sequence[int] | Sequence[Sequence[int]]) -> Int[Tensor, "..."]:
        return torch.tensor(numbers, dtype=torch.int64, device=self.inputs.device)

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """N held sequences without replacement, or all of them if fewer: (inputs, targets)."""
        slots = self.draw(n, rng)
        inputs, targets = (held.index_select(0, slots) for held in (self.inputs, self.targets))
        return inputs.long(), targets.long()

    def clear(self) -> None:
        """Forget everything."""
        self.seen.zero_()
