"""Kalman experts against a filter in NumPy and a posterior on a grid; regimes that return unannounced."""

from typing import Any

import numpy as np
import pytest
import torch

from plasticity import Batch, ReadoutFilters, Updates
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import LSTM, MLP, GatedDeltaNet, Mamba, Transformer
from strategies import Kalman, KalmanMixture

from .mixing import Answer, mixed, regime
from .teaching import meet
from .test_evidence_mixture import skill
from .tiny import ASKED, learner


def kalman(made: OnlineLearner) -> KalmanMixture:
    assert isinstance(made.strategy, KalmanMixture)
    return made.strategy


def grown(network: type = MLP, **arguments: Any) -> OnlineLearner:
    """One with two experts, neither of which is sure of anything yet."""
    made = learner(KalmanMixture(**{"variance": 0.1} | arguments), network)
    for step, turn in enumerate((0,) * 10 + (1, 1, 0, 1)):
        meet(made, step, regime(turn, step))
    return made


def read(made: OnlineLearner, data: Batch) -> np.ndarray:
    """What experts read: features, a 1, and the current symbol; no code of the strategy's."""
    shown: list[torch.Tensor] = []
    head = kalman(made).head[0]
    handle = head.register_forward_hook(lambda _, inputs, out: shown.append(inputs[0]))
    with torch.no_grad():
        made.network(data.inputs)
    handle.remove()
    h, one = shown[0].double().numpy(), np.ones((*data.inputs.shape, 1))
    return np.concatenate([h, one, np.eye(made.spec.vocab)[data.inputs.numpy()]], -1)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("network", [Transformer, LSTM, Mamba, GatedDeltaNet, MLP])
def test_predictions_are_the_mixture_of_readouts(network: type):
    made, data = grown(network, share=0.1, floor=0.05), regime(1, 99)
    strategy, x = kalman(made), read(made, data)
    born = [slot for slot, step in enumerate(strategy.responsible.tolist()) if step]
    last = int(strategy.responsible.max())
    with torch.no_grad():
        answers = [Answer(0, 0.0, made.network(data.inputs).double().softmax(-1).numpy())]
    assert len(born) == 2
    for slot in born:
        quick = int(strategy.responsible[slot]) == last
        rows = [strategy.held.average] + [strategy.held.weights] * quick
        for row in rows:
            readout = row[slot].view(made.spec.symbols, -1).numpy()
            answers.append(Answer(slot + 1, 1 / len(rows), softmax(x @ readout.T)))
    belief = strategy.belief.numpy()
    prior = 0.95 * (0.9 * belief + 0.1 / 3) + 0.05 * (np.arange(len(belief)) == 0)
    weighed = [a._replace(prior=prior[a.owner] * (a.prior or 1)) for a in answers]
    expected, after = mixed(weighed, data)
    found = strategy.predict(made, data)
    np.testing.assert_allclose(found.exp().numpy(), expected, atol=1e-5)
    assert np.abs(expected - answers[0].said).max() > 0.05
    meet(made, 14, data)
    np.testing.assert_allclose(strategy.belief[:3].numpy(), after.mean(1), atol=1e-5)


def filtered(
    mean: np.ndarray, precision: np.ndarray, x: np.ndarray, y: np.ndarray, r: np.ndarray
) -> Any:
    """One expert's posterior, symbol by symbol and observation by observation."""
    before, after, found = mean.copy(), mean.copy(), precision
    for _ in range(2):
        found, moved = precision.copy(), np.zeros_like(mean)
        p = softmax(x @ after.T)
        for k in range(len(mean)):
            force = np.zeros(x.shape[1])
            for n in range(len(x)):
                found[k] += r[n] * p[n, k] * np.outer(x[n], x[n])
                force += r[n] * ((y[n] == k) - p[n, k]) * x[n]
            moved[k] = before[k] + np.linalg.solve(
                found[k], force + (found[k] - precision[k]) @ (after[k] - before[k])
            )
        after = moved
    return after, found


def test_an_expert_is_a_filter_of_what_it_is_responsible_for():
    """The second step of the second expert: sequences weighed, the prior back by its share, both filters."""
    made = grown(experts=2, unsettled=100)
    strategy, data = kalman(made), regime(1, 50)
    data = Batch(data.inputs, data.targets.clone(), data.asked)
    data.targets[0, -1] = -100  # this one is not asked there
    x, targets = read(made, data), data.targets.numpy()
    held = strategy.held
    before = [
        (m[1].clone().numpy(), p[1].clone().numpy())
        for m, p in zip((held.weights, held.average), held.precision, strict=True)
    ]
    strategy.predict(made, data)
    assert strategy.seen is not None
    r = strategy.responsibilities(strategy.seen[1])[2].numpy()
    assert r.max() > 0.3 and np.ptp(r) > 1e-6
    meet(made, 14, data)
    keep = ASKED.numpy() & (targets != -100)
    rows = np.broadcast_to(r[:, None], targets.shape)[keep]
    prior = np.diag([1 / 0.1] * (x.shape[-1] - made.spec.vocab) + [1.0] * made.spec.vocab)
    for quick, decay in enumerate((0.8, 0.99)):
        mean, precision = before[quick]
        mean = mean.reshape(made.spec.symbols, -1)
        expected, found = filtered(
            mean, decay * precision + (1 - decay) * prior, x[keep], targets[keep], rows
        )
        now = (held.weights, held.average)[quick][1].view(made.spec.symbols, -1).numpy()
        np.testing.assert_allclose(now, expected, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(held.precision[quick, 1].numpy(), found, rtol=1e-6, atol=1e-8)
        assert np.abs(expected - mean).max() > 1e-3


def test_the_slow_filter_finds_the_mode_of_the_posterior_that_is_exact():
    """Two symbols, one input: the log-posterior on a grid, where nothing is forgotten."""
    made = ReadoutFilters(1, 2, torch.tensor([4.0], dtype=torch.float64), decay=1.0, quick=1.0)
    made.start(0, torch.zeros(2, dtype=torch.float64))
    y = torch.tensor([[1.0, 0.0]] * 7 + [[0.0, 1.0]] * 2, dtype=torch.float64)
    x = torch.ones(9, 1, dtype=torch.float64)
    made.condition(0, x, y, torch.ones(9, dtype=torch.float64), iterations=50)
    grid = np.linspace(-2, 2, 401)
    a, b = np.meshgrid(grid, grid, indexing="ij")
    log = 7 * a + 2 * b - 9 * np.logaddexp(a, b) - (a**2 + b**2) / 8
    i, j = np.unravel_index(log.argmax(), log.shape)
    np.testing.assert_allclose(made.average[0].numpy(), [grid[i], grid[j]], atol=0.006)
    assert made.precision[1, 0, :, 0, 0].tolist() == pytest.approx(
        [0.25 + 9 * p for p in softmax(made.average[0].numpy())], rel=1e-4
    )


def test_all_of_it_moves_to_a_device() -> None:
    made = ReadoutFilters(2, 3, torch.ones(4), decay=0.9, quick=0.5).to("meta")
    made.start(0, torch.zeros(12, device="meta"))
    made.wait(0)
    assert {b.device.type for b in made.buffers()} == {"meta"} and "prior" not in made.state_dict()


def test_time_passes_once_per_step_however_finely_an_episode_is_cut():
    whole, cut = (
        learner(KalmanMixture(experts=1, floor=0.0, iterations=8), updates=each)
        for each in (Updates(), Updates(per="chunk", chunk=2))
    )
    for made in (whole, cut):
        for step in range(3):
            meet(made, step, regime(0, step))
    left, right = (kalman(made).held for made in (whole, cut))
    assert left.settled.tolist() == right.settled.tolist() == [3]
    torch.testing.assert_close(left.average, right.average, rtol=0.3, atol=0.3)


def test_a_row_that_is_drawn_anew_unsettles_its_expert_and_what_does_not_move_stays_settled():
    made = learner(KalmanMixture(experts=1, floor=0.0, share=0.0))
    counts = []
    for step in range(60):
        meet(made, step, regime(0 if step < 40 else 1, step))
        counts.append(int(kalman(made).held.settled[0]))
    assert counts[:40] == list(range(1, 41)) and min(counts[40:]) == 0


def test_a_regime_that_returns_unannounced_finds_its_expert():
    made, found = learner(KalmanMixture()), []
    for i, turn in enumerate((0, 1, 0, 1)):
        for step in range(20 * i, 20 * i + 20):
            meet(made, step, regime(turn, step))
        found.append(int(kalman(made).belief.argmax()))
    assert found == [1, 2, 1, 2]


def test_the_network_never_moves_and_runs_once_a_step():
    made = grown()
    before = [p.clone() for p in made.network.parameters()]
    calls: list[int] = []
    made.network.register_forward_hook(lambda *_: calls.append(1))
    meet(made, 20, regime(0, 20))
    assert len(calls) == 1 and all(map(torch.equal, before, made.network.parameters()))


def test_it_is_nearer_the_ideal_than_one_filter_where_regimes_return():
    assert skill(KalmanMixture()) > skill(Kalman()) + 0.1
