"""A detector in the loop: one loss per step, however finely a step is cut into updates."""

import numpy as np
import pytest
import torch
from torch import Tensor

from plasticity import Batch, Learner, Strategy
from plasticity.core.detector import Detector, PageHinkley
from plasticity.core.learner import Prediction, Spec
from plasticity.core.optimizer import SGD
from plasticity.core.updates import Updates
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential, ScoredBatch
from plasticity.networks import MLP
from streams import Markov, Recurring

SEEDS, STEPS, BATCH, TIME = range(4), 200, 4, 32
GRANULARITIES = [Updates(), Updates(per="episode"), Updates("chunk", 8), Updates("chunk", 5)]
UNSCORED = torch.zeros(0, 0, 0, 0)


class Amnesic(Strategy):
    """Answers as the amnesic observer does, and learns nothing."""

    def __init__(self, stream: Recurring):
        super().__init__()
        self.stream, self.exact = stream, dict[int, tuple[Tensor, Tensor]]()
        self.order = list[tuple[str, int]]()

    def predict(self, learner: Learner, batch: Batch) -> Tensor:
        """Its exact logits: of a piece, those of the step's sequence that begins as this one does."""
        self.order.append(("predict", int(batch.asked.sum()) * len(batch.inputs)))
        if learner.step not in self.exact:
            whole, key = self.stream.keyed(learner.step)
            self.exact = {learner.step: (whole.inputs, key.posterior.log())}
        inputs, logits = self.exact[learner.step]
        time = batch.inputs.shape[1]
        rows = (inputs[:, :time] == batch.inputs[:, None]).all(-1).int().argmax(1)
        return logits[rows, :time]

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        """Note it."""
        self.order.append(("learn", int(batch.asked.sum()) * len(batch.inputs)))

    def on_shift(self, learner: Learner) -> None:
        """Note it."""
        self.order.append(("shift", 0))


class Noting(Detector):
    """Keeps what it is given, and raises no alarm but where it is told to."""

    def __init__(self, alarms: tuple[int, ...] = ()):
        super().__init__()
        self.alarms, self.losses = alarms, list[float]()

    def update(self, loss: float) -> bool:
        """Whether it was told to."""
        self.losses.append(loss)
        return len(self.losses) - 1 in self.alarms


def world(seed: int, **args: int) -> Recurring:
    """One regime for good."""
    tunnel = Markov(symbols=6, concentration=0.3)
    return Recurring(
        [tunnel], regimes=1, period=STEPS, steps=STEPS, batch=BATCH, time=TIME, seed=seed, **args
    )


def loop(stream: Recurring, updates: Updates, detector: Detector) -> Prequential:
    """One who predicts exactly, in the real loop."""
    network = MLP(stream.vocab, stream.symbols, width=2, depth=1)
    made = OnlineLearner(network, Amnesic(stream), SGD(0.1), Spec.of(stream), updates=updates)
    made.attach()
    made.make_optimizer()
    return Prequential(made, False, detector)


def alarms(stream: Recurring, updates: Updates, detector: Detector, steps: int) -> list[int]:
    """The steps at which it raises the alarm."""
    made = loop(stream, updates, detector)
    found = list[int]()
    for step in range(steps):
        batch, key = stream.keyed(step)
        if made.prequential_step(ScoredBatch(step, False, batch, key, UNSCORED))[1]:
            found.append(step)
    return found


@pytest.mark.parametrize("updates", GRANULARITIES, ids=lambda each: f"{each.per}{each.chunk}")
def test_it_is_given_the_mean_loss_of_each_step_once(updates: Updates):
    stream, detector = world(0), Noting()
    alarms(stream, updates, detector, 5)
    exact = list[float]()
    for step in range(5):
        x, y = (each.numpy() for each in stream[step][:2])
        said = stream.tunnels[0].observer().predict(x, y)
        exact.append(-np.log(np.take_along_axis(said, y[..., None], -1)).mean())
    assert detector.losses == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("threshold", [1.0, 0.5])
def test_false_alarms_are_as_many_however_a_step_is_cut(threshold: float):
    """A stationary world, exact losses: every granularity alarms at the same steps, as often as the law has it.

    At most 2 d^2 / (s^2 (e^a - 1 - a)) per step, a = 2 d h / s^2, and no less than a third of it; s is what the loss
    of a step scatters, d and h the detector's. A Poisson count may be 4.5 standard deviations off.
    """
    count, law, delta = 0, 0.0, 0.02
    for seed in SEEDS:
        stream, noting = world(seed), Noting()
        alarms(stream, Updates(), noting, STEPS)
        found = [
            alarms(stream, updates, PageHinkley(delta, threshold), STEPS)
            for updates in GRANULARITIES[:3]
        ]
        assert all(each == found[0] for each in found), found
        count += len(found[0])
        s = np.std(noting.losses)
        a = 2 * delta * threshold / s**2
        law += STEPS * 2 * delta**2 / (s**2 * (np.exp(a) - 1 - a))
    assert law / 3 - 4.5 * np.sqrt(law / 3) <= count <= law + 4.5 * np.sqrt(law)


@pytest.mark.parametrize("wait", [5, 20])
def test_wait_is_in_steps(wait: int):
    """A loss that rises at every step: alarms are as far apart as they may be, whatever a step is cut into."""

    class Rising(PageHinkley):
        given = 0

        def update(self, loss: float) -> bool:
            self.given += 1
            return super().update(float(self.given**3))

    for updates in GRANULARITIES:
        found = alarms(world(0), updates, Rising(0.0, 0.01, wait), 3 * wait + 1)
        assert found == [wait - 1, 2 * wait - 1, 3 * wait - 1]


@pytest.mark.parametrize("updates", GRANULARITIES, ids=lambda each: f"{each.per}{each.chunk}")
def test_the_alarm_comes_once_all_is_predicted_and_before_the_last_piece_is_learned(
    updates: Updates,
):
    """A whole batch is predicted, alarmed of, predicted again and learned; of pieces, the last is."""
    stream = world(0)
    made = loop(stream, updates, Noting((1,)))
    strategy = made.learner.strategy
    assert isinstance(strategy, Amnesic)
    for step in range(2):
        strategy.order.clear()
        batch, key = stream.keyed(step)
        made.prequential_step(ScoredBatch(step, False, batch, key, UNSCORED))
    batch = stream[1]
    pieces = [
        int(piece.asked.sum()) * len(piece.inputs)
        for episode in updates.episodes(batch)
        for piece in updates.pieces(episode)
    ]
    *before, last = pieces
    order = [(what, n) for n in before for what in ("predict", "learn")]
    order += [("predict", last), ("shift", 0), ("predict", last), ("learn", last)]
    assert strategy.order == order and sum(pieces) == BATCH * TIME
