import pickle
from functools import cache, partial
from itertools import product
from math import inf, log2
from typing import Any

import numpy as np
import pytest

from plasticity import Tunnel, checks
from plasticity.observers.conjugate import FiniteObserver
from streams.laws.laws import Laws, LawsObserver

from ..brute import TOLERANCE, worst_gap
from ..exact import assert_calibrated
from .accounts import mixture, shortest
from .grammar import prior

SKEWED = [1.0, 0.0, 2.0, 0.5]
TUNNELS = [
    (Laws(2, 9.0, 0.3), 8),
    (Laws(2, 9.0, 0.0), 11),
    (Laws(3, 12.0, 0.5), 5),
    (Laws(2, 8.0, 1.0), 5),
    (Laws(2, 8.0, 0.2, SKEWED, [0.0, 0.0, 0.0, 1.0]), 8),
]


@cache
def support(m: int, longest: float) -> list[tuple[float, tuple[int, ...]]]:
    """Weight and values of every law, from the grammar of the tests."""
    found = prior(m, longest)
    total = sum(mass for mass, _ in found.values())
    return [(mass / total, law) for law, (mass, _) in found.items()]


def chance(tunnel: Laws, law: Any, x: int, y: int) -> float:
    return tunnel.noise / tunnel.modulus + (1 - tunnel.noise) * (law[x] == y)


def read(tunnel: Laws, inputs: Any, targets: Any) -> list[tuple[int, int]]:
    """Input and answer of each observation; each answer is shown once more, as an input."""
    m = tunnel.modulus
    for t in range(2, len(inputs), 3):
        assert inputs[t] == 2 * m + targets[t - 1]
    return [
        (int(inputs[t - 1]) * m + int(inputs[t]) - m, int(targets[t]))
        for t in range(1, len(inputs), 3)
    ]


def wanted(tunnel: Laws, latent: Any, past_x: Any, past_y: Any, x: Any, y: Any) -> np.ndarray:
    """Bayes' rule, law by law."""
    laws = support(tunnel.modulus, tunnel.longest)
    if latent is not None:
        laws = [(1.0, tuple(tunnel.book.values[latent].tolist()))]
    before = [pair for row in zip(past_x, past_y, strict=True) for pair in read(tunnel, *row)]
    rows = []
    for at, came in read(tunnel, x, y):
        mass = np.zeros(tunnel.modulus)
        for weight, law in laws:
            likelihood = weight * np.prod([chance(tunnel, law, *pair) for pair in before])
            mass += [likelihood * chance(tunnel, law, at, k) for k in range(tunnel.modulus)]
        rows.append(mass / mass.sum())
        before.append((at, came))
    return np.array(rows)


@pytest.mark.parametrize(("tunnel", "time"), TUNNELS, ids=repr)
def test_observers_are_exact(tunnel: Laws, time: int):
    assert worst_gap(tunnel, time, partial(wanted, tunnel)) <= TOLERANCE


@pytest.mark.parametrize(
    "tunnel", [Laws(2, 8.0, 0.3), Laws(2, 8.0, 0.0, SKEWED, [1.0, 1.0, 0.0, 0.0])]
)
def test_evidence_is_the_probability_of_whole_episodes(tunnel: Laws):
    """Every episode of two observations, and all of them together."""
    weights, ending = np.full((2, 4), 0.25)
    if tunnel.weights:
        weights, ending = np.array(SKEWED) / 3.5, np.array([0.5, 0.5, 0, 0])
    total = 0.0
    for x, z, y, w in product(range(4), range(4), range(2), range(2)):
        inputs = np.array([[x // 2, 2 + x % 2, 4 + y, z // 2, 2 + z % 2]])
        targets = np.array([[0, y, 0, 0, w]])
        p = sum(
            weight * chance(tunnel, law, x, y) * chance(tunnel, law, z, w)
            for weight, law in support(2, 8.0)
        )
        said = np.exp(tunnel.observer().evidence(inputs, targets))[0, -1]
        assert said == pytest.approx(weights[x] * ending[z] * p, abs=TOLERANCE)
        total += said
    assert total == pytest.approx(1, abs=1e-12)
    broken = np.array([[0, 2, 5, 0, 2]]), np.array([[0, 0, 0, 0, 0]])
    assert tunnel.observer().evidence(*broken)[0, -1] == -np.inf


def finite(tunnel: Laws) -> FiniteObserver:
    """The same state of mind by the observer of any finite set of hypotheses."""
    m, book = tunnel.modulus, tunnel.book

    def explain(inputs: Any) -> Any:
        said = np.full((len(book.mass), *inputs.shape, m), 1 / m)
        x = inputs[:, ::3] * m + inputs[:, 1::3] - m
        said[:, :, 1::3] = tunnel.noise / m + (1 - tunnel.noise) * np.eye(m)[book.values[:, x]]
        return np.ones((len(book.mass), len(inputs))), said

    return FiniteObserver(np.log(book.mass), explain)


def test_laws_that_are_out_of_the_running_are_left_out_exactly():
    """After 300 episodes of one law, episodes of another; none of both needs all of them to be exact."""
    tunnel, rng = Laws(3, 13.0, 0.4), np.random.default_rng(0)
    one, other = (np.repeat(tunnel.latents(1, rng), 20, axis=0) for _ in range(2))
    mine, general = tunnel.observer(), finite(tunnel)
    for _ in range(15):
        episodes = tunnel.draw(one, 20, rng)
        mine, general = mine.absorb(*episodes), general.absorb(*episodes)
        for latents in (one, other):
            faced = tunnel.draw(latents, 20, rng)
            gap = mine.predict(*faced) - general.predict(*faced)
            assert np.abs(gap).max() <= TOLERANCE
    assert len(pickle.dumps(mine)) < 2000


def test_large_batches_are_cut_and_come_out_alike(monkeypatch: pytest.MonkeyPatch):
    tunnel, rng = Laws(3, 12.0), np.random.default_rng(0)
    episodes = tunnel.draw(tunnel.latents(50, rng), 14, rng)
    whole = tunnel.observer().predict(*episodes)
    monkeypatch.setattr("streams.laws.laws.CELLS", 1000)
    np.testing.assert_allclose(tunnel.observer().predict(*episodes), whole, atol=1e-14)


def absorbed(tunnel: Laws, episodes: int, seed: int) -> tuple[LawsObserver, float, np.ndarray]:
    """Who has seen some episodes of one law one by one, the bits that it took, and the counts."""
    rng = np.random.default_rng(seed)
    latent, observer, bits = tunnel.latents(1, rng), tunnel.observer(), 0.0
    counts = np.zeros((tunnel.modulus**2, tunnel.modulus), int)
    for _ in range(episodes):
        x, y = tunnel.draw(latent, 8, rng)
        said = np.take_along_axis(observer.predict(x, y), y[..., None], -1)[..., 0]
        bits -= float(np.log2(said[:, 1::3]).sum())
        observer = observer.absorb(x, y)
        np.add.at(counts, tuple(np.array(read(tunnel, x[0], y[0])).T), 1)
    return observer, bits, counts


@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_description_lengths_add_up(noise: float):
    """Predicting in turn costs the mixture's code length, which no two-part code beats; that is the shortest."""
    tunnel = Laws(3, 12.0, noise)
    for seed in range(4):
        observer, bits, counts = absorbed(tunnel, 10, seed)
        np.testing.assert_array_equal(observer.counts, counts)
        assert mixture(observer) == pytest.approx(bits, abs=1e-9)
        lengths = [
            (least, sum(_bits(p) * n if n else 0.0 for p, n in _answers(tunnel, law, counts)))
            for law, (_, least) in prior(3, 12.0).items()
        ]
        account = shortest(observer)
        assert account.model + account.data == pytest.approx(min(map(sum, lengths)), abs=1e-9)
        assert tunnel.book.bits[tunnel.book.texts.index(account.law)] == account.model
        assert mixture(observer) <= account.model + account.data


def _answers(tunnel: Laws, law: Any, counts: np.ndarray) -> list[tuple[float, int]]:
    return [(chance(tunnel, law, x, y), int(counts[x, y])) for x, y in np.ndindex(*counts.shape)]


def _bits(p: float) -> float:
    return -log2(p) if p else inf


def test_the_shorter_law_is_believed_first():
    """One observation that a, b and a + b explain alike."""
    tunnel = Laws(5, 14.0, 0.4)
    observer = tunnel.observer().absorb(np.array([[0, 5]]), np.array([[0, 0]]))
    texts, weights = tunnel.book.texts, observer.log_weights
    a, both = (weights[texts.index(text)] for text in ("a", "a + b"))
    assert a - both == pytest.approx(
        np.log(tunnel.book.mass[0] / tunnel.book.mass[texts.index("a + b")])
    )
    assert a > both + 2


def test_who_has_seen_the_impossible_expects_anything():
    """Without noise an input cannot be answered in two ways."""
    tunnel = Laws(2, 8.0, 0.0)
    x, y = np.array([[0, 2, 4, 0, 2]]), np.array([[0, 0, 0, 0, 1]])
    assert tunnel.observer().evidence(x, y)[0, -1] == -np.inf
    assert (tunnel.observer().absorb(x, y).predict(x, y) == 0.5).all()


def test_draws_and_observers_speak_of_one_world():
    assert_calibrated(Laws(3, 12.0, 0.3), 14)


@pytest.mark.parametrize("which", [0, 1, 4])
def test_conforms(which: int):
    tunnel: Tunnel = TUNNELS[which][0]
    failed = [result for result in checks.run(tunnel) if result.verdict == "FAILED"]
    assert not failed, failed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"longest": 1.0}, "longest: expected at least 3 bits, got 1"),
        (
            {"modulus": 2, "weights": [1.0]},
            r"weights: expected 4 numbers, of which some is above 0",
        ),
        ({"modulus": 2, "last": [0.0] * 4}, r"last: expected 4 numbers"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        Laws(**arguments)


def test_a_length_without_a_last_answer_is_refused():
    tunnel, rng = Laws(2, 8.0), np.random.default_rng(0)
    with pytest.raises(ValueError, match="3 k - 1 symbols, k observations, not 9"):
        tunnel.draw(tunnel.latents(1, rng), 9, rng)
