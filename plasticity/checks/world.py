"""World: the little world in which strategies are checked, and the runs that are compared."""

import logging
import warnings
from collections.abc import Callable

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Bool, Float, Int
from torch.utils.data import DataLoader, Dataset

from plasticity.learner import Learner, Lesson, Spec
from plasticity.metrics import standard
from plasticity.network import Network
from plasticity.networks import MLP
from plasticity.observers import DirichletObserver, KnownObserver
from plasticity.optimizer import AdamW
from plasticity.pretrain import fresh_network
from plasticity.recipes import Recipe, recipe
from plasticity.strategy import Strategy
from plasticity.stream import Stream
from plasticity.tunnel import Batch, Symbols, Tunnel

STEPS = 12
"""Steps of a run: three visits; half of it ends within one."""
SPEC = Spec(vocab=3, symbols=3, batch=4, time=6)
SMALL = recipe(MLP, width=8, depth=1)


class _Coins(Tunnel):
    """A chain over three symbols; every other position is asked."""

    vocab = symbols = 3

    def latents(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n 3 3"]:
        """Transition matrices."""
        return rng.dirichlet(np.ones(3), size=(n, 3))

    def draw(
        self, latents: Float[np.ndarray, "n 3 3"], time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """A walk of time + 1 symbols."""
        path = rng.integers(3, size=(len(latents), time + 1))
        for t in range(time):
            row = latents[np.arange(len(path)), path[:, t]]
            path[:, t + 1] = (row.cumsum(1)[:, :-1] <= rng.random((len(path), 1))).sum(1)
        return path[:, :-1], path[:, 1:]

    def asked(self, time: int) -> Bool[np.ndarray, " time"]:
        """Odd positions."""
        return np.arange(time) % 2 == 1

    def observer(self) -> DirichletObserver:
        """Uniform over matrices."""
        return DirichletObserver(np.ones((3, 3)))

    def informed(self, latents: Float[np.ndarray, "n 3 3"]) -> KnownObserver:
        """Predicts the row of the last symbol."""
        return KnownObserver(lambda inputs: latents[np.arange(len(latents))[:, None], inputs])


class _Visits(Stream):
    """Two regimes in turn, four steps each."""

    def schedule(self, step: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
        """The same regime for the whole batch."""
        return np.full(self.batch, step // 4 % 2)


class _Lessons(Dataset[Lesson]):
    """A stream as lessons that nobody scores, each batch edited first."""

    def __init__(self, stream: Stream, edit: Callable[[Batch], Batch]):
        self.stream, self.edit = stream, edit

    def __len__(self) -> int:
        return len(self.stream)

    def __getitem__(self, step: int) -> Lesson:
        batch, unscored = self.edit(self.stream[step]), torch.zeros(0, 0, 0, 0)
        return Lesson(step, self.stream.shifts(step), batch, unscored)


def world(steps: int = STEPS) -> Stream:
    """Two regimes in turn, four steps each; every other position is asked."""
    return _Visits([_Coins()], 2, steps, SPEC.batch, SPEC.time, probe=8)


def learner(
    strategy: Recipe[Strategy],
    network: Recipe[Network] = SMALL,
    announce_shifts: bool = True,
) -> Learner:
    """A learner who has seen nothing; every one starts from the same weights."""
    return Learner(
        fresh_network(network, SPEC, 0),
        strategy.build(),
        AdamW(1e-2),
        SPEC,
        standard(),
        seed=0,
        announce_shifts=announce_shifts,
        asked=torch.from_numpy(_Coins().asked(SPEC.time)),
    )


def taught(
    subject: Learner, steps: int = STEPS, edit: Callable[[Batch], Batch] = lambda batch: batch
) -> Learner:
    """The learner after so many steps of the world, each batch edited first; nothing is scored.

    Args:
        subject: learns.
        steps: how many.
        edit: what is done to each batch.
    """
    lessons = _Lessons(world(steps), edit)
    # A generator of its own: a loader without one draws from torch's.
    loader = DataLoader(lessons, batch_size=8, collate_fn=list, generator=torch.Generator())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
        )
        trainer.fit(subject, train_dataloaders=loader)
    return subject
