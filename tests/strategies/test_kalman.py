"""The Kalman head against the textbook filter in full matrices, recursive least squares, and the posterior's mode."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from plasticity.core.tunnel import Batch
from plasticity.core.updates import Updates
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import LSTM, MLP, GatedDeltaNet, Mamba, Transformer
from strategies import Chain, Frozen, LoRA
from strategies.kalman import Kalman

from .teaching import learn, teach
from .tiny import answered, batch, learner

NETWORKS = [Transformer, LSTM, Mamba, GatedDeltaNet, MLP]


def student(strategy: Kalman, network: type = MLP, **updates: Any) -> OnlineLearner:
    """Its head is large enough for predictions to be far from uniform."""
    made = learner(strategy, network, updates=Updates(**updates))
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name in ("head.weight", "head.bias"):
            p = made.network.get_parameter(name)
            p.add_(torch.randn(p.shape, generator=rng), alpha=0.5)
    return made


def observations(made: OnlineLearner, data: Batch) -> tuple[np.ndarray, np.ndarray]:
    """(n, width + 1) features with a constant, and (n,) symbols, at the asked positions."""
    kept: list[Tensor] = []
    norm = made.network.get_submodule("norm")
    handle = norm.register_forward_hook(lambda _, x, out: kept.append(out.detach()))
    made(data.inputs)
    handle.remove()
    x = torch.cat([kept[0], torch.ones(*kept[0].shape[:2], 1)], dim=2).double()
    rows = [(x[i, t].numpy(), int(data.targets[i, t])) for i in range(len(x)) for t in (0, 2, 3, 4)]
    return np.array([row for row, _ in rows]), np.array([y for _, y in rows])


def head(made: OnlineLearner) -> np.ndarray:
    weight, bias = (made.network.get_parameter(f"head.{name}") for name in ("weight", "bias"))
    return torch.cat([weight, bias[:, None]], dim=1).detach().double().numpy()


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return e / e.sum()


def textbook(
    w: np.ndarray, P: np.ndarray, xs: np.ndarray, ys: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Covariance form, gain and innovation; the last symbol, which the others imply, is not observed."""
    symbols, width = w.shape
    H, R, innovation = [], np.zeros((2 * len(xs), 2 * len(xs))), []
    for n, (x, y) in enumerate(zip(xs, ys, strict=True)):
        p = softmax(w @ x)
        jacobian = np.zeros((2, symbols, width))
        for i in range(2):
            for j in range(symbols):
                jacobian[i, j] = p[i] * ((i == j) - p[j]) * x
        H.append(jacobian.reshape(2, -1))
        for i in range(2):
            for j in range(2):
                R[2 * n + i, 2 * n + j] = p[i] * (i == j) - p[i] * p[j]
        innovation += [float(y == i) - p[i] for i in range(2)]
    H = np.concatenate(H)
    K = P @ H.T @ np.linalg.inv(H @ P @ H.T + R)
    return w + (K @ np.array(innovation)).reshape(w.shape), P - K @ H @ P


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("decay, drift", [(1.0, 0.0), (0.8, 0.0), (1.0, 0.02), (0.7, 0.03)])
def test_it_is_the_extended_kalman_filter(network: type, decay: float, drift: float):
    strategy = Kalman(variance=0.3, decay=decay, drift=drift)
    made = student(strategy, network)
    P = 0.3 * np.eye(27)
    for seed in range(4):
        data = batch(seed)
        w, (xs, ys) = head(made), observations(made, data)
        P = np.linalg.inv(decay * np.linalg.inv(P) + (1 - decay) / 0.3 * np.eye(27))
        w, P = textbook(w, P + drift * np.eye(27), xs, ys)
        teach(made, seed, data)
        np.testing.assert_allclose(head(made), w, atol=1e-5)
        found = torch.linalg.inv(strategy.precision).numpy()
        np.testing.assert_allclose(found, P, atol=2e-5)


def test_one_position_at_a_time_is_the_filter_that_linearises_at_each():
    made = student(Kalman(variance=0.3, decay=1.0), per="chunk", chunk=1)
    w, P, data = head(made), 0.3 * np.eye(27), batch(1)
    xs, ys = observations(made, data)
    for x, y in zip(xs, ys, strict=True):
        w, P = textbook(w, P, x[None], np.array([y]))
    for episode in made.updates.episodes(data):
        for piece in made.updates.pieces(episode):
            learn(made, piece)
    np.testing.assert_allclose(head(made), w, atol=1e-5)


def test_a_linear_observation_makes_it_ridge_regression_on_all_that_was_seen():
    """Recursive least squares, noise variance 2: W = W_0 + (Z - X W_0)^T X (X^T X + 2 / variance)^-1.

    If p is half of W x, then y - p is half the residual of z = 2 y.
    """

    class Linear(Kalman):
        def said(self, x: Tensor, weights: Tensor) -> Tensor:
            return x @ weights.T / 2

    strategy = Linear(variance=0.5, decay=1.0, curvature="bound")
    made = student(strategy)
    start, seen = head(made), []
    for seed in range(3):
        seen.append(observations(made, batch(seed)))
        learn(made, batch(seed))
    xs, ys = (np.concatenate(part) for part in zip(*seen, strict=True))
    residual = 2 * np.eye(3)[ys] - xs @ start.T
    gram = xs.T @ xs + 2 / 0.5 * np.eye(9)
    np.testing.assert_allclose(
        head(made), start + (np.linalg.solve(gram, xs.T @ residual)).T, atol=1e-6
    )
    np.testing.assert_allclose(strategy.precision.numpy(), gram / 2, atol=1e-9)


@pytest.mark.parametrize("curvature, steps", [("exact", 12), ("bound", 400)])
def test_iterated_it_reaches_the_mode_of_the_posterior(curvature: Any, steps: int):
    """There the gradient of the log likelihood equals the pull of the prior."""
    made = student(Kalman(variance=0.3, curvature=curvature), steps=steps)
    start, data = head(made), batch(1)
    learn(made, data)
    w, (xs, ys) = head(made), observations(made, data)
    gradient = sum(np.outer(np.eye(3)[y] - softmax(w @ x), x) for x, y in zip(xs, ys, strict=True))
    assert np.abs(gradient).max() > 0.1
    np.testing.assert_allclose(gradient, (w - start) / 0.3, atol=1e-4)


def test_the_bound_is_above_every_curvature():
    """I / 2 - R has no negative eigenvalue, so the precision is never below the exact one."""
    xs = torch.randn(20, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    p = torch.rand(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) ** 4
    p = p / p.sum(1, keepdim=True)
    exact = Kalman().information(xs, p)
    bound = Kalman(curvature="bound").information(xs, p)
    gap = torch.kron(torch.eye(3, dtype=torch.float64), bound) - exact
    assert torch.linalg.eigvalsh(gap).min() > -1e-9
    by_hand = sum(
        torch.kron(q.diag() - torch.outer(q, q), torch.outer(x, x))
        for x, q in zip(xs, p, strict=True)
    )
    torch.testing.assert_close(exact, by_hand)


@pytest.mark.parametrize("curvature", ["exact", "bound"])
def test_it_predicts_better_than_the_frozen_network_and_moves_the_head_alone(curvature: Any):
    made = student(Kalman(variance=1.0, curvature=curvature))
    before = {name: p.clone() for name, p in made.network.named_parameters()}
    losses, x = list[float](), batch(0).inputs
    for seed in range(30):
        x = batch(seed).inputs
        data = answered(batch(seed), (x + 1) % 3)
        losses.append(float(made.nll(made(x), data.targets, data.asked)))
        learn(made, data)
    assert losses[-1] < 0.2 * losses[0]
    moved = {n for n, p in made.network.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {"head.weight", "head.bias"}
    assert made.make_optimizer() is None and made(x).grad_fn is None


def test_without_width_it_is_the_frozen_network():
    made, frozen = student(Kalman(variance=1e-20)), learner(Frozen())
    frozen.network.load_state_dict(made.network.state_dict())
    for seed in range(5):
        learn(made, batch(seed))
    assert torch.equal(made(batch(9).inputs), frozen(batch(9).inputs))


def test_a_shift_forgets_what_it_was_told_to():
    strategy = Kalman(variance=0.3, decay=1.0, shift_decay=0.25)
    made = student(strategy)
    learn(made, batch(1))
    before, mean = strategy.precision.clone(), head(made)
    strategy.on_shift(made)
    expected = 0.25 * before + 0.75 * torch.eye(27, dtype=torch.float64) / 0.3
    torch.testing.assert_close(strategy.precision, expected)
    np.testing.assert_array_equal(head(made), mean)


def test_directions_that_no_input_excites_never_get_wider_than_the_prior():
    strategy = Kalman(variance=0.3, decay=0.5)
    made = student(strategy)
    for _ in range(300):  # without a prior that comes back: 2^300
        learn(made, batch(1))
    assert torch.linalg.eigvalsh(strategy.precision).min() > 0.999 / 0.3


def test_another_forward_pass_between_prediction_and_update_is_no_obstacle():
    one, other = student(Kalman()), student(Kalman())
    learn(one, batch(1))
    prediction = other.predict(batch(1))
    other(batch(2).inputs)
    other.learn(batch(1), prediction)
    np.testing.assert_array_equal(head(one), head(other))


class Scaled(MLP):
    """Its logits are not what its head says."""

    def forward(self, inputs: Tensor) -> Tensor:
        return 2 * super().forward(inputs)


class Tied(MLP):
    """Its head is its embedding."""

    def __init__(self, vocab: int, symbols: int, width: int, depth: int):
        super().__init__(vocab, symbols, width, depth)
        self.head = nn.Linear(width, symbols)
        self.head.weight = self.embed.weight


class Renamed(MLP):
    """Its head has no bias and another name."""

    def __init__(self, vocab: int, symbols: int, width: int, depth: int):
        super().__init__(vocab, symbols, width, depth)
        self.readout = nn.Linear(width, symbols, bias=False)
        self.head = nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.readout(super().forward(inputs))


@pytest.mark.parametrize("network", [Scaled, Tied])
def test_a_network_without_a_head_of_its_own_is_refused(network: type):
    with pytest.raises(
        ValueError, match=f"Kalman: {network.__name__} has no nn.Linear whose output"
    ):
        learner(Kalman(), network)


def test_beside_lora_it_is_refused():
    with pytest.raises(ValueError, match="LoRA and Kalman each replace `trainable`"):
        Chain([LoRA(), Kalman()])


def test_the_head_is_found_by_what_it_does():
    made = learner(Kalman(variance=1.0), Renamed)
    before = made.network.get_parameter("readout.weight").clone()
    learn(made, batch(1))
    assert not torch.equal(made.network.get_parameter("readout.weight"), before)


def test_a_covariance_that_is_too_large_is_refused_and_the_bound_is_not(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("strategies.kalman.LIMIT", 26)
    with pytest.raises(ValueError, match="27 x 27 for 3 symbols and width 9.*curvature: bound"):
        learner(Kalman())
    assert learner(Kalman(curvature="bound")).strategy.get_buffer("precision").shape == (9, 9)
