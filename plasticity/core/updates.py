"""Updates: how finely a batch is cut into updates of the weights."""

from collections.abc import Iterator
from typing import Literal

import torch

from plasticity.core.bounded import Count
from plasticity.core.tunnel import Batch


class Updates:
    """When the weights move while a batch goes by, and how often.

    `per: batch` predicts the batch and then learns from it. `per: episode` does so one sequence at a time.
    `per: chunk` does so within each sequence: the positions of a chunk are predicted by weights that
    learned from the chunks before (test-time training; Sun et al. 2024, arXiv 2407.04620, section 2.3). Whatever it
    is, the observers see the same past as the learner, and nothing is learned before it was predicted.

    Args:
        per: what is learned from at once.
        chunk: positions of a chunk, where there are chunks.
        steps: gradient steps on each.
        optimizer: whether the optimizer's own state (momentum, second moments) is kept at a shift.
    """

    def __init__(
        self,
        per: Literal["batch", "episode", "chunk"] = "batch",
        chunk: Count = 8,
        steps: Count = 1,
        optimizer: Literal["keep", "reset"] = "keep",
    ):
        self.per: Literal["batch", "episode", "chunk"] = per
        self.chunk, self.steps = chunk, steps
        self.optimizer: Literal["keep", "reset"] = optimizer

    def number(self, batch: Batch) -> int:
        """Gradient steps on such a batch."""
        return self.steps * sum(1 for each in self.episodes(batch) for _ in self.pieces(each))

    def episodes(self, batch: Batch) -> Iterator[Batch]:
        """The parts of a batch that are learned from one after the other: all of it, or each sequence."""
        if self.per == "batch":
            yield batch
            return
        for row in range(len(batch.inputs)):
            yield batch.rows(slice(row, row + 1))

    def pieces(self, episode: Batch) -> Iterator[Batch]:
        """What of it is predicted, and then learned from: each ends where its own chunk ends.

        A piece asks at the positions of its chunk only. Chunks without a question are left out.
        """
        time = episode.inputs.shape[1]
        if self.per != "chunk" or self.chunk >= time:
            yield episode
            return
        for begin in range(0, time, self.chunk):
            end = min(begin + self.chunk, time)
            asked = episode.asked[:end] & (torch.arange(end, device=episode.asked.device) >= begin)
            if asked.any():
                yield Batch(episode.inputs[:, :end], episode.targets[:, :end], asked)
