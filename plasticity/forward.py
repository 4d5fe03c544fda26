"""Forward: walks a stream once, in order, and faces every batch with the ideal observers."""

import pickle
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch.utils.data import DataLoader, Dataset

from plasticity.bracket import Bracket
from plasticity.learner import Lesson
from plasticity.stream import Group, Stream
from plasticity.tunnel import Batch
from plasticity.updates import Updates

CHUNK = 50
"""Steps that share one Lightning batch, so that Lightning's 0.6 ms per batch is paid once for all of them."""
ROOM = 2**22
"""Probabilities that one observer may say of such a batch, 32 MiB: where a step says more, fewer share."""


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
        pairs = zip(stream.probed, stream.probes(), strict=True)
        self.items = [Item(regime, True, batch) for regime, batch in pairs]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Item:
        return self.items[index]


class Forward(pl.LightningDataModule):
    """One pass over a stream; a Lightning epoch is a stretch.

    Resuming opens the loader anew at the stretch after the checkpoint, so that no sampler state is kept.
    What the observers have absorbed and the schedule was told is the only state, and is in the checkpoint.

    Args:
        stream: the world.
        stretch: steps between probes and checkpoints.
        score_steps: whether the observers face every step, or probes only.
        updates: how the learner cuts a batch; the continual observer learns as often.

    `workers`, an attribute, is the number of processes that make batches ahead.
    """

    def __init__(
        self,
        stream: Stream,
        stretch: int,
        score_steps: bool = True,
        updates: Updates | None = None,
    ):
        super().__init__()
        self.updates, self.workers = updates or Updates(), 0
        self.stream, self.stretch, self.score_steps = stream, stretch, score_steps
        self.bracket = Bracket(stream)
        self._probes = _Probes(stream)
        said = max(stream.batch, stream.probe) * stream.time * stream.symbols
        self.chunk = min(max(ROOM // said, 1), CHUNK)

    @property
    def stretches(self) -> int | None:
        """Number of stretches; the last one may be short. None: without end."""
        return self.stream.steps and -(-self.stream.steps // self.stretch)

    def train_dataloader(self) -> DataLoader[Item]:
        """The steps of the current stretch, in chunks."""
        first = self.trainer.current_epoch * self.stretch if self.trainer else 0
        last = first + self.stretch
        steps = range(first, min(last, self.stream.steps or last))
        return DataLoader(
            _Walk(self.stream),
            sampler=steps,
            batch_size=ceil(self.chunk / (self.workers + 1)),  # there is work for each of them
            collate_fn=list,
            num_workers=self.workers,
        )

    def val_dataloader(self) -> DataLoader[Item]:
        """One probe for each regime that is probed."""
        return DataLoader(self._probes, batch_size=self.chunk, collate_fn=list)

    def on_before_batch_transfer(self, batch: list[Item], dataloader_idx: int) -> list[Lesson]:
        """Turn a chunk of the world into lessons, in stream order; of a step, this process's share."""
        lessons = [self._lesson(*item) for item in batch]
        if not self.trainer or self.trainer.world_size == 1 or not self.trainer.training:
            return lessons
        rows = slice(self.trainer.global_rank, None, self.trainer.world_size)
        return [each._replace(batch=each.batch.rows(rows)) for each in lessons]

    def transfer_batch_to_device(
        self, batch: list[Lesson], device: torch.device, dataloader_idx: int
    ) -> list[Lesson]:
        """Lightning's own, where there is a way to go."""
        if device.type == "cpu":
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def _lesson(self, place: int, probe: bool, batch: Batch) -> Lesson:
        """Ask the observers, then let the continual one learn."""
        truth = np.zeros((0, 0, 0, 0))
        if probe:
            truth = self.bracket.predict(batch, self.stream.probe_groups(place))
        elif self.score_steps:
            truth = self._face(batch, self.stream.groups(place), place)
        shift = not probe and self.stream.shifts(place)
        return Lesson(place, shift, batch, torch.from_numpy(truth))

    def _face(
        self, batch: Batch, groups: list[Group], step: int
    ) -> Float[np.ndarray, "predictor batch asked symbols"]:
        """The observers predict and then absorb, batch by batch or episode by episode, as the learner does."""
        if self.updates.per == "batch":
            truth = self.bracket.predict(batch, groups, step)
            self.bracket.absorb(batch, groups, step)
            return truth
        alone = {int(g.rows[i]): g.one(i) for g in groups for i in range(len(g.rows))}
        truths = []
        for row, episode in enumerate(self.updates.episodes(batch)):
            truths.append(self.bracket.predict(episode, [alone[row]], step))
            self.bracket.absorb(episode, [alone[row]], step)
        return np.concatenate(truths, axis=1)

    def state_dict(self) -> dict[str, Any]:
        """What the observers have absorbed, and the schedule was told."""
        bracket = self.bracket
        state = bracket.memory, bracket.filter.belief, self.stream.notes
        return {"memory": pickle.dumps(state)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up where the checkpoint was written."""
        bracket = self.bracket
        bracket.memory, bracket.filter.belief, self.stream.notes = pickle.loads(
            state_dict["memory"]
        )
