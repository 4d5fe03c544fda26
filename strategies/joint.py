"""Joint training on everything seen: the upper reference."""

import torch

from plasticity import Batch, Learner, Natural, Positive, Rehearsal, Reservoir, Strategy


class Joint(Strategy):
    """Learns each batch together with a uniform sample of all it has seen, for it keeps everything.

    L = L(B_t) + L(B_mem), and then `passes` times L(B'_mem) + L(B''_mem);  each B_mem uniform, |B_mem| = |B_t|

    Cumulative training: what rehearsal would reach if memory were free. It is a reference and not a contender:
    its memory grows with the stream up to its bound. The bound is far (100,000 sequences); beyond it, it
    does not refuse but degrades to a reservoir, that is to plain replay with `passes`. Held room is allocated
    at once, one byte per symbol for alphabets up to 128. A pass does not favour the live batch,
    which is by then a part of what was seen.

    Cost per step: 1 + `passes` forwards + backwards, over twice the rows. Memory: capacity sequences.

    Args:
        capacity: sequences remembered; 0: nothing is, and there are no passes.
        passes: further gradient steps per batch, on everything seen (times `updates: {steps}`).
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"capacity": 0}

    def __init__(
        self, capacity: Natural = 100_000, passes: Natural = 1, lr: Positive | None = None
    ):
        super().__init__(lr)
        self.capacity, self.passes = capacity, passes

    def attach(self, learner: Learner) -> None:
        """Allocate room for everything."""
        spec = learner.spec
        small = max(spec.vocab, spec.symbols) <= 128
        self.memory = Reservoir(self.capacity, spec.time, torch.int8 if small else torch.int32)

    def rehearse(self, learner: Learner, size: int) -> Rehearsal | None:
        """A sample of everything seen, and the loss on it."""
        if not len(self.memory):
            return None
        inputs, targets = self.memory.sample(size, self.rng(learner))
        return Rehearsal(inputs, lambda logits: learner.nll(logits, targets, learner.asked))

    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Keep the batch, then go over what was seen."""
        if not self.capacity:
            return
        rng = self.rng(learner, "observe")  # `rehearse` draws too
        self.memory.add(batch, rng)
        for _ in range(self.passes):
            inputs, targets = self.memory.sample(len(batch.inputs), rng)
            seen = batch._replace(inputs=inputs, targets=targets, asked=learner.asked)
            super().update(learner, seen, learner.predict(seen))
