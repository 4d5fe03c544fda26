"""World: the little world in which strategies are checked, and the runs that are compared."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from plasticity.config.recipe import Recipe, recipe
from plasticity.core.learner import Spec
from plasticity.core.network import Network
from plasticity.core.optimizer import AdamW
from plasticity.core.predictors import AMNESIC, PREDICTORS
from plasticity.core.strategy import Strategy
from plasticity.core.stream import Stream
from plasticity.core.tunnel import AnswerKey, Batch, Symbols, Tunnel
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential, ScoredBatch
from plasticity.engine.pretrain_key import fresh_network
from plasticity.networks import MLP
from plasticity.observers.conjugate import DirichletObserver, KnownObserver

STEPS = 12
"""Steps of a run: three visits; half of it ends within one."""
CHUNK = 8
"""Steps that are graded together, fewer than a run has: what is graded is there while more is learned."""
SPEC = Spec(vocab=3, symbols=3, batch=4, time=6)
SMALL = recipe(MLP, width=8, depth=1)
Edit = Callable[[Batch, AnswerKey], tuple[Batch, AnswerKey]]


class _Coins(Tunnel):
    """A chain over three symbols, asked at some positions.

    Args:
        places: which; in the kit's world the two tunnels differ.
    """

    vocab = symbols = 3

    def __init__(self, places: Sequence[int]):
        self.places = places

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
        """Its own positions."""
        return np.isin(np.arange(time), self.places)

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


def world(steps: int = STEPS) -> Stream:
    """Two regimes in turn, four steps each, which ask at different positions."""
    return _Visits([_Coins([1, 3, 5]), _Coins([0, 3])], 2, steps, SPEC.batch, SPEC.time, probe=8)


def loop(
    strategy: Recipe[Strategy],
    network: Recipe[Network] = SMALL,
    announce_shifts: bool = True,
) -> Prequential:
    """The loop of a learner who has seen nothing; every one starts from the same weights."""
    stream = world()
    made = OnlineLearner(
        fresh_network(network, SPEC, 0),
        strategy.build(),
        AdamW(1e-2),
        SPEC,
        seed=0,
        asked=torch.from_numpy(stream.asked),
        is_correct=stream.is_correct,
    )
    return Prequential(made, announce_shifts)


def taught(
    subject: Prequential,
    steps: int = STEPS,
    edit: Edit = lambda batch, key: (batch, key),
    scored: bool = False,
) -> Prequential:
    """The loop after so many steps of the world, each batch and its key edited first.

    Args:
        subject: whose learner learns.
        steps: how many.
        edit: what is done to each batch and its answer key.
        scored: whether predictions are graded.
    """
    subject.setup("fit")
    subject.configure_optimizers()
    stream = world(steps)
    for begin in range(0, steps, CHUNK):
        chunk = range(begin, min(begin + CHUNK, steps))
        subject.training_step([scored_batch(stream, step, edit, scored) for step in chunk])
    return subject


class Ended(NamedTuple):
    """What is left of a plain run, its own from there on."""

    state: dict[str, Any]
    """The loop's."""
    said: Tensor
    """How it answers the first batch."""


def ended(subject: Recipe[Strategy], announce_shifts: bool = True) -> Ended:
    """The end of a plain run, of the subjects asked for last run once; checks that compare runs share it."""
    for held, announced, found in _ENDED:
        if held is subject and announced == announce_shifts:
            return found
    found = end(taught(loop(subject, announce_shifts=announce_shifts)))
    _ENDED.append((subject, announce_shifts, found))
    return found


def end(subject: Prequential) -> Ended:
    """What is left of a loop, copied."""
    state = subject.state_dict()
    copied = {k: v.clone() if isinstance(v, Tensor) else v for k, v in state.items()}
    return Ended(copied, subject.learner.strategy.predict(subject.learner, world(1)[0]).detach())


_ENDED: deque[tuple[Recipe[Strategy], bool, Ended]] = deque(maxlen=4)


def scored_batch(stream: Stream, step: int, edit: Edit, scored: bool) -> ScoredBatch:
    """Step `step` of a stream, its batch and its key edited; every predictor but the amnesic one is uniform."""
    batch, key = edit(*stream.keyed(step))
    said = torch.zeros(0, 0, 0, 0)
    if scored:
        shape = len(PREDICTORS), len(batch.inputs), int(batch.asked.sum()), SPEC.symbols
        said = torch.full(shape, 1 / SPEC.symbols, dtype=torch.float64)
        said[AMNESIC] = key.posterior[:, batch.asked]
    return ScoredBatch(step, stream.shifts(step), batch, key, said)
