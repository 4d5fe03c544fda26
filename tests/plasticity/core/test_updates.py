"""How a batch is cut, and what is learned when: nothing before it was predicted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from plasticity.core.detector import Detector
from plasticity.core.learner import Learner, Spec
from plasticity.core.optimizer import SGD, AdamW, Optimizer
from plasticity.core.predictors import CONTINUAL
from plasticity.core.strategy import Strategy
from plasticity.core.stream import Group, Stream
from plasticity.core.tunnel import AnswerKey, Batch
from plasticity.core.updates import Updates
from plasticity.engine.datamodule import Item, StreamDataModule
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential
from plasticity.networks import LSTM, MLP, Mamba, Transformer
from plasticity.observers import reference
from strategies import Finetune, Frozen, Replay
from streams import Markov

from ...strategies import tiny
from ...strategies.tiny import unscored

NETWORKS = [Transformer, LSTM, Mamba, MLP]
TIME, ROWS = 10, 4
SOME = torch.tensor([True, True, False, True, False, False, False, False, True, True])


def student(
    strategy: Strategy,
    optimizer: Optimizer | None = None,
    network: type = MLP,
    updates: Updates | None = None,
) -> OnlineLearner:
    spec = Spec(3, 3, ROWS, TIME)
    return tiny.learner(
        strategy, network, optimizer or SGD(0.3), spec=spec, asked=SOME, updates=updates
    )


def batch(seed: int, asked: Tensor = SOME, rows: int = ROWS) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    inputs, targets = torch.randint(0, 3, (2, rows, TIME), generator=rng)
    return Batch(inputs, targets, asked).asking(asked)


def meet(
    made: OnlineLearner,
    step: int,
    data: Batch,
    shift: bool = False,
    detector: Detector | None = None,
) -> Tensor:
    """What is said at the asked positions, in one step of the loop."""
    loop = Prequential(made, detector=detector)
    return loop.prequential_step(unscored(step, data, shift))[0]


def weights(made: OnlineLearner) -> Tensor:
    return torch.cat([p.detach().flatten() for p in made.network.parameters()])


@pytest.mark.parametrize(
    "asked", [SOME, torch.ones(TIME, dtype=torch.bool), torch.arange(TIME) == 9]
)
@pytest.mark.parametrize("per", ["batch", "episode", "chunk"])
@pytest.mark.parametrize("chunk", [1, 3, 4, 10, 99])
def test_pieces_ask_every_position_once_and_show_nothing_beyond_their_chunk(
    asked: Tensor, per: Any, chunk: int
):
    data, updates = batch(0, asked), Updates(per, chunk)
    graded = torch.zeros(ROWS, TIME, dtype=torch.int64)
    row = 0
    for episode in updates.episodes(data):
        rows = slice(row, row + len(episode.inputs))
        reached = 0
        for piece in updates.pieces(episode):
            end = piece.inputs.shape[1]
            assert piece.asked.any() and end >= reached
            assert torch.equal(piece.inputs, data.inputs[rows, :end])
            assert torch.equal(piece.targets, data.targets[rows, :end])
            assert piece.targets.shape == piece.inputs.shape and len(piece.asked) == end
            assert not piece.asked[:reached].any()
            if per == "chunk" and chunk < TIME:
                assert end in (TIME, *range(chunk, TIME, chunk))
                assert piece.asked.nonzero().min() // chunk == (end - 1) // chunk
            graded[rows, :end] += piece.asked
            reached = end
        row = rows.stop
    assert row == ROWS and torch.equal(graded, asked.expand(ROWS, TIME).long())


def said(updates: Updates, data: Sequence[Batch], **kind: Any) -> list[Tensor]:
    made = student(updates=updates, **kind)
    return [meet(made, step, each) for step, each in enumerate(data)]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("strategy", [Frozen, Finetune])
def test_if_nothing_is_learned_it_does_not_matter_how_a_batch_is_cut(
    network: type, strategy: type[Strategy]
):
    data = [batch(0), batch(1)]
    whole, *cut = [
        said(updates, data, strategy=strategy(), optimizer=SGD(0.0), network=network)
        for updates in (Updates(), Updates("episode"), Updates("chunk", 3), Updates("chunk", 1, 2))
    ]
    for each in cut:
        for one, other in zip(whole, each, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("per, known", [("chunk", 3), ("episode", 5)])
def test_nothing_is_predicted_after_its_targets_are_known(network: type, per: Any, known: int):
    """Other targets in row 1 from position 3 on: row 0, and that row's chunks 0 and 1, are predicted as before."""
    data = batch(0)
    other = data.targets.clone()
    other[1, 3:] = (other[1, 3:] + 1) % 3
    both = (data, data._replace(targets=other).asking(SOME))
    (one,), (two,) = (
        said(Updates(per, 3), [each], strategy=Finetune(), network=network) for each in both
    )
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1, :known], two[1, :known])  # of positions 0, 1, 3, 8, 9
    assert known == 5 or not torch.equal(one[1, known:], two[1, known:])
    assert not torch.equal(one[2], two[2])


def descend(
    made: OnlineLearner, inputs: Tensor, targets: Tensor, asked: Tensor, times: int
) -> None:
    """Plain descent by 0.3, from the log probability of each answer."""
    params = list(made.network.parameters())
    for _ in range(times):
        log_probs = made.network(inputs).log_softmax(-1)
        each = [log_probs[i, t, targets[i, t]] for i in range(len(inputs)) for t in asked]
        grads = torch.autograd.grad(-torch.stack(each).mean(), params)
        with torch.no_grad():
            for p, g in zip(params, grads, strict=True):
                p.sub_(0.3 * g)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_k_steps_are_k_steps_of_descent(steps: int):
    data = batch(0)
    made, hand = (student(Finetune(), updates=Updates(steps=steps)) for _ in range(2))
    meet(made, 0, data)
    descend(hand, data.inputs, data.targets, SOME.nonzero().flatten(), steps)
    torch.testing.assert_close(weights(made), weights(hand), rtol=1e-5, atol=1e-6)


def test_chunks_are_learned_row_by_row_each_from_its_own_questions():
    data = batch(0)
    made, hand = (
        student(Finetune(), network=Transformer, updates=Updates("chunk", 4, 2)) for _ in range(2)
    )
    meet(made, 0, data)
    for row in range(ROWS):
        x, y = data.inputs[row : row + 1], data.targets[row : row + 1]
        descend(hand, x[:, :4], y[:, :4], torch.tensor([0, 1, 3]), 2)  # none is asked in 4 to 7
        descend(hand, x, y, torch.tensor([8, 9]), 2)
    torch.testing.assert_close(weights(made), weights(hand), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rule", [AdamW(0.01), SGD(0.1, momentum=0.9)])
@pytest.mark.parametrize("how", ["keep", "reset"])
def test_at_a_shift_the_optimizer_is_as_new_if_it_shall_be(rule: Optimizer, how: Any):
    made = student(Finetune(), rule, updates=Updates(optimizer=how))
    for step in range(3):
        meet(made, step, batch(step))
    fresh = student(Finetune(), rule)
    fresh.network.load_state_dict(made.network.state_dict())
    for step in (3, 4):
        meet(made, step, batch(step), shift=step == 3)
        meet(fresh, step, batch(step))
    assert torch.equal(weights(made), weights(fresh)) == (how == "reset")


def test_where_nothing_is_trained_there_is_no_optimizer_to_reset():
    made = student(Frozen(), updates=Updates(optimizer="reset"))
    meet(made, 0, batch(0), shift=True)


class Always(Detector):
    def update(self, loss: float) -> bool:
        return True


class Halving(Finetune):
    """Moves the weights in place at a shift."""

    def on_shift(self, learner: Learner) -> None:
        with torch.no_grad():
            for p in learner.network.parameters():
                p.mul_(0.5)


def test_at_an_alarm_the_old_prediction_is_graded_and_the_new_weights_learn():
    made, hand = student(Halving()), student(Finetune())
    data = batch(0)
    before = hand(data.inputs)[:, SOME].detach()
    loop = Prequential(made, detector=Always())
    said, alarm = loop.prequential_step(unscored(0, data))
    assert torch.equal(said, before) and alarm
    scored = unscored(0, data)._replace(predictions=torch.full((7, *said.shape), 1 / 3).double())
    again = Prequential(student(Halving()), detector=Always())
    again.training_step([scored])
    assert [record.alarm for record in again.records] == [True]
    Halving().on_shift(hand)
    meet(hand, 0, data)
    assert torch.equal(weights(made), weights(hand))


class Drawn(Replay):
    """Notes the first number of every hook's randomness."""

    def attach(self, learner: Learner) -> None:
        super().attach(learner)
        self.drawn: list[float] = []

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
        self.drawn.append(torch.rand((), generator=self.rng(learner)).item())
        return super().penalty(learner, batch, logits)

    def after_batch(self, learner: Learner, batch: Batch) -> None:
        self.drawn.append(torch.rand((), generator=self.rng(learner)).item())
        super().after_batch(learner, batch)

    def on_shift(self, learner: Learner) -> None:
        self.drawn.append(torch.rand((), generator=self.rng(learner)).item())


@pytest.mark.parametrize("updates", [Updates(), Updates("episode"), Updates("chunk", 3, 2)])
def test_no_hook_draws_what_another_drew(updates: Updates):
    """If they did, a sequence that enters the reservoir would be the next to be replayed, far too often."""
    strategy = Drawn(capacity=3)
    made = student(strategy, updates=updates)
    for step in range(3):
        meet(made, step, batch(step), step == 1, Always())
    assert len(set(strategy.drawn)) == len(strategy.drawn) > 7


class Mixed(Stream):
    """Every sequence comes from a regime of its own choice."""

    def schedule(self, step: int, rng: np.random.Generator) -> np.ndarray:
        return rng.integers(2, size=self.batch)


class Single(Mixed):
    """The same sequences, one by one."""

    def __init__(self, stream: Mixed):
        super().__init__(stream.tunnels, 2, 24, batch=1, time=TIME, probe=4, seed=stream.seed)
        self.eight = stream

    def keyed(self, step: int) -> tuple[Batch, AnswerKey]:
        whole, one = self.eight.keyed(step // 8), slice(step % 8, step % 8 + 1)
        return whole[0].rows(one), whole[1].rows(one)

    def groups(self, step: int) -> list[Group]:
        found = [(g, np.flatnonzero(g.rows == step % 8)) for g in self.eight.groups(step // 8)]
        return [group.one(int(at[0])) for group, at in found if len(at)]


def items(stream: Stream, steps: int) -> list[Item]:
    return [Item(step, False, *stream.keyed(step)) for step in range(steps)]


@pytest.mark.parametrize("per", ["episode", "chunk"])
def test_the_observers_learn_as_often_as_the_learner(per: Any, monkeypatch: pytest.MonkeyPatch):
    """Eight sequences, each learned before the next is predicted, are eight batches of one."""
    monkeypatch.setattr(reference, "SAMPLE", 512)
    single = Single(stream := Mixed([Markov(3, 0.5)], 2, 3, batch=8, time=TIME, probe=4))
    at_once, by_one, batchwise = (
        StreamDataModule(stream, 3),
        StreamDataModule(single, 24),
        StreamDataModule(stream, 3),
    )
    at_once.updates = Updates(per, 4)
    whole = at_once.on_before_batch_transfer(items(stream, 3), 0)
    each = by_one.on_before_batch_transfer(items(single, 24), 0)
    one = torch.cat([item.predictions for item in whole], dim=1)
    other = torch.cat([item.predictions for item in each], dim=1)
    torch.testing.assert_close(one, other, rtol=0, atol=1e-12, equal_nan=True)
    (first,) = batchwise.on_before_batch_transfer(items(stream, 1), 0)
    assert not torch.allclose(first.predictions[CONTINUAL], whole[0].predictions[CONTINUAL])
