"""Forward: walks a stream once, in order, and faces every batch with the ideal observers."""

import pickle
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from plasticity.bracket import Bracket
from plasticity.learner import Lesson
from plasticity.stream import Stream
from plasticity.tunnel import Batch


class Item(NamedTuple):
    """A batch and its place: `place` is the step, or the regime of a probe."""

    place: int
    probe: bool
    batch: Batch


class _Walk(Dataset[Item]):
    """A stream whose batches carry their step."""

    def __init__(self, stream: Stream):
        self.stream = stream

    def __getitem__(self, index: int) -> Item:
        return Item(index, False, self.stream[index])


class _Probes(Dataset[Item]):
    """The probes of a stream, made once."""

    def __init__(self, stream: Stream):
        self.items = [Item(r, True, batch) for r, batch in enumerate(stream.probes())]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Item:
        return self.items[index]


class Forward(pl.LightningDataModule):
    """One pass over a stream; a Lightning epoch is a stretch.

    Resuming opens the loader anew at the stretch after the checkpoint, so that no sampler state is kept.
    What the continual observer has absorbed is the only state, and is in the checkpoint.

    Args:
        stream: the world.
        stretch: steps between probes and checkpoints.
        score_steps: whether the observers face every step, or probes only.
    """

    def __init__(self, stream: Stream, stretch: int, score_steps: bool = True):
        super().__init__()
        self.stream, self.stretch, self.score_steps = stream, stretch, score_steps
        self.bracket = Bracket(stream)
        self._probes = _Probes(stream)

    @property
    def stretches(self) -> int:
        """Number of stretches; the last one may be short."""
        return -(-len(self.stream) // self.stretch)

    def train_dataloader(self) -> DataLoader[Item]:
        """The steps of the current stretch."""
        first = self.trainer.current_epoch * self.stretch if self.trainer else 0
        steps = range(first, min(first + self.stretch, len(self.stream)))
        return DataLoader(_Walk(self.stream), sampler=steps, batch_size=None)

    def val_dataloader(self) -> DataLoader[Item]:
        """One probe per regime."""
        return DataLoader(self._probes, batch_size=None)

    def on_before_batch_transfer(self, batch: Item, dataloader_idx: int) -> Lesson:
        """Ask the observers, then let the continual one learn."""
        place, probe, data = batch
        groups = self.stream.probe_groups(place) if probe else self.stream.groups(place)
        if probe or self.score_steps:
            truth = self.bracket.predict(data, groups)
        else:
            truth = np.zeros((0, 0, 0, 0))
        if not probe and self.score_steps:
            self.bracket.absorb(data, groups)
        shift = not probe and self.stream.shifts(place)
        return Lesson(place, shift, data, torch.from_numpy(truth))

    def state_dict(self) -> dict[str, Any]:
        """What the continual observer has absorbed."""
        return {"memory": pickle.dumps(self.bracket.memory)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up where the checkpoint was written."""
        self.bracket.memory = pickle.loads(state_dict["memory"])
