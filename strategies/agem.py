"""Averaged gradient episodic memory: gradients projected so that the loss on remembered sequences does not rise."""

import torch
from torch import Tensor

from plasticity import (
    CAPACITY,
    Batch,
    Count,
    Learner,
    Natural,
    Positive,
    Reservoir,
    Strategy,
    tensors_to_vector,
)


class AGEM(Strategy):
    """Averaged gradient episodic memory: of each gradient, the part that would undo the past is taken out.

    If g . g_ref < 0:  g <- g - (g . g_ref / g_ref . g_ref) g_ref   (Chaudhry et al. 2019, arXiv 1812.00420)

    g is the whole gradient of the step, whatever was added to the loss; g_ref is that of the mean loss on
    sequences drawn from the memory. The paper fills its memory task by task and looks back at ended tasks only;
    ours is a reservoir, so it knows no boundaries and the live regime is in it too, in proportion to its length.
    What is protected is the gradient: an optimizer with moments of its own bends the step once more.
    Cost per step: forward + backward, and as much on `samples` sequences. Memory: `capacity` sequences, fixed.

    Args:
        capacity: sequences remembered.
        samples: sequences drawn for g_ref at each step; all of the memory if it holds fewer.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"capacity": 0}

    def __init__(
        self, capacity: Natural = CAPACITY, samples: Count = 64, lr: Positive | None = None
    ):
        super().__init__(lr)
        self.capacity, self.samples = capacity, samples

    def attach(self, learner: Learner) -> None:
        """Allocate the memory."""
        self.memory = Reservoir(self.capacity, learner.spec.time)

    def project_gradients(self, learner: Learner) -> None:
        """Take out of the gradient what points against the past; `grad` itself is not used to find it."""
        if not len(self.memory):
            return
        params = [p for p in learner.trainable() if p.grad is not None]
        grads = [p.grad for p in params if p.grad is not None]
        refs = self.reference(learner, params)
        g, ref = tensors_to_vector(grads), tensors_to_vector(refs)
        along = g @ ref
        excess = torch.where(along < 0, along / (ref @ ref), 0.0)
        for grad, each in zip(grads, refs, strict=True):
            grad.sub_(excess * each)

    def reference(self, learner: Learner, params: list[torch.nn.Parameter]) -> list[Tensor]:
        """g_ref: the gradient of the mean loss on remembered sequences, in nats per asked position."""
        inputs, targets = self.memory.sample(self.samples, self.rng(learner))
        loss = learner.nll(learner.network(inputs), targets, learner.asked)
        return list(torch.autograd.grad(loss, params, materialize_grads=True))

    @torch.no_grad()
    def after_batch(self, learner: Learner, batch: Batch) -> None:
        """Offer the batch to the memory."""
        if self.capacity:
            self.memory.add(batch, self.rng(learner))
