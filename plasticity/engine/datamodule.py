"""Data: a stream once, in order, each batch with what the exact observers and the baselines say of it."""

from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch.utils.data import DataLoader, Dataset

from plasticity.core.stream import Group, Stream
from plasticity.core.tunnel import AnswerKey, Batch
from plasticity.core.updates import Updates
from plasticity.engine.prequential import ScoredBatch
from plasticity.engine.stopping import Unending
from plasticity.observers.reference import ReferencePredictors

CHUNK = 50
"""Steps that share one Lightning batch, so that Lightning's 0.6 ms per batch is paid once for all of them."""
ROOM = 2**22
"""Probabilities that one observer may say of such a batch, 32 MiB: where a step says more, fewer share."""


class Item(NamedTuple):
    """A batch and its place: `place` is the step, or the regime of a probe."""

    place: int
    probe: bool
    batch: Batch
    key: AnswerKey


class _Steps(Dataset[Item]):
    """A stream whose batches carry their step."""

    def __init__(self, stream: Stream):
        self.stream = stream

    def __getitem__(self, index: int) -> Item:
        with Unending(lambda: f"where step {index} is made"):
            return Item(index, False, *self.stream.keyed(index))


class _Probes(Dataset[Item]):
    """The probes of a stream, made once."""

    def __init__(self, stream: Stream):
        pairs = zip(stream.probed, stream.keyed_probes(), strict=True)
        self.items = [Item(regime, True, *keyed) for regime, keyed in pairs]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Item:
        return self.items[index]


class StreamDataModule(pl.LightningDataModule):
    """One pass over a stream; a Lightning epoch is a stretch.

    Resuming opens the loader anew at the stretch after the checkpoint, so that no sampler state is kept.
    What the observers have absorbed and the schedule was told is the only state, and is in the checkpoint.

    Args:
        stream: the world.
        stretch: steps between probes and checkpoints.
        score_steps: whether the observers face every step, or probes only.

    Two attributes are set by `fit`: `updates` is the learner's own object, so that the continual observer learns as
    often as the learner does; `workers` is the number of processes that make batches ahead.
    """

    def __init__(self, stream: Stream, stretch: int, score_steps: bool = True):
        super().__init__()
        self.updates, self.workers = Updates(), 0
        self.stream, self.stretch, self.score_steps = stream, stretch, score_steps
        self.reference = ReferencePredictors(stream)
        self._probes = _Probes(stream)
        most = max(stream.batch, stream.probe) * stream.time * stream.symbols
        self.chunk = min(max(ROOM // most, 1), CHUNK)

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
            _Steps(self.stream),
            sampler=steps,
            batch_size=ceil(self.chunk / (self.workers + 1)),  # there is work for each of them
            collate_fn=list,
            num_workers=self.workers,
        )

    def val_dataloader(self) -> DataLoader[Item]:
        """One probe for each regime that is probed."""
        return DataLoader(self._probes, batch_size=self.chunk, collate_fn=list)

    def on_before_batch_transfer(self, batch: list[Item], dataloader_idx: int) -> list[ScoredBatch]:
        """Score a chunk of the world by the observers, in stream order; of a step, this process's share."""
        chunk = [self._scored(*item) for item in batch]
        if not self.trainer or self.trainer.world_size == 1 or not self.trainer.training:
            return chunk
        rows = slice(self.trainer.global_rank, None, self.trainer.world_size)
        return [
            each._replace(batch=each.batch.rows(rows), key=each.key.rows(rows)) for each in chunk
        ]

    def transfer_batch_to_device(
        self, batch: list[ScoredBatch], device: torch.device, dataloader_idx: int
    ) -> list[ScoredBatch]:
        """Lightning's own, where there is a way to go."""
        if device.type == "cpu":
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def _scored(self, place: int, probe: bool, batch: Batch, key: AnswerKey) -> ScoredBatch:
        """Ask the observers, then let the continual one learn."""
        what = "the probe of regime" if probe else "step"
        with Unending(lambda: f"where {what} {place} is shown to the observers"):
            return self._predicted(place, probe, batch, key)

    def _predicted(self, place: int, probe: bool, batch: Batch, key: AnswerKey) -> ScoredBatch:
        predictions = np.zeros((0, 0, 0, 0))
        if probe:
            groups = self.stream.probe_groups(place)
            predictions = self.reference.predict(batch, key, groups)
        elif self.score_steps:
            predictions = self._predictions(batch, key, self.stream.groups(place), place)
        shift = not probe and self.stream.shifts(place)
        return ScoredBatch(place, shift, batch, key, torch.from_numpy(predictions))

    def _predictions(
        self, batch: Batch, key: AnswerKey, groups: list[Group], step: int
    ) -> Float[np.ndarray, "predictor batch asked symbols"]:
        """The observers predict and then absorb, batch by batch or episode by episode, as the learner does."""
        if self.updates.per == "batch":
            predictions = self.reference.predict(batch, key, groups, step)
            self.reference.absorb(batch, key, groups, step)
            return predictions
        alone = {int(g.rows[i]): g.one(i) for g in groups for i in range(len(g.rows))}
        found = []
        for row, episode in enumerate(self.updates.episodes(batch)):
            faced = episode, key.rows(slice(row, row + 1)), [alone[row]], step
            found.append(self.reference.predict(*faced))
            self.reference.absorb(*faced)
        return np.concatenate(found, axis=1)

    def state_dict(self) -> dict[str, Any]:
        """What the observers have absorbed, and the schedule was told."""
        return {"observers": self.reference.state(), "notes": [*self.stream.notes]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up where the checkpoint was written."""
        self.stream.notes = [*state_dict["notes"]]
        self.reference.restore(state_dict["observers"])
