"""What a pretraining is taught, against the enumeration of every latent and every random choice."""

from typing import Any

import numpy as np
import pytest
import torch

from plasticity.core.learner import Spec
from plasticity.core.optimizer import AdamW
from plasticity.core.tunnel import AnswerKey, Batch
from plasticity.engine.config import Pretrain
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.pretrain import _Pretraining, fresh
from plasticity.networks import MLP
from streams import HMM, SULA, Bijection, Choice, Markov, Padded, Recall, Recurrence, Urn

from ...streams.runs import Episode, law
from ...streams.worlds import World, worlds

EACH = {type(world.tunnel): world for world in reversed(worlds())}
SOME = [EACH[cls] for cls in (Urn, Markov, HMM, Bijection, Recall, Recurrence, SULA, Choice)]
"""The first world of each of these."""


def best(joint: dict[Episode, float], x: Any, y: Any, t: int, symbols: int) -> np.ndarray:
    """The most probable next target under a law of episodes; ties share it."""
    mass = np.zeros(symbols)
    for (inputs, targets), p in joint.items():
        if inputs[: t + 1] == tuple(x[: t + 1]) and targets[:t] == tuple(y[:t]):
            mass[targets[t]] += p
    ties = mass > mass.max() * (1 - 1e-9)
    return ties / ties.sum()


def taught(target: Any, batch: Batch, key: AnswerKey, symbols: int, vocab: int) -> np.ndarray:
    """What the loss pulls towards, (batch, asked, symbols): read off its gradient at uniform predictions."""
    n, time = batch.inputs.shape
    strategy = _Pretraining(Pretrain(steps=1, target=target))
    strategy.posterior = key.posterior
    network = MLP(vocab, symbols, width=4, depth=1)
    learner = OnlineLearner(network, strategy, AdamW(), Spec(vocab, symbols, 1, time))
    logits = torch.zeros(n, time, symbols, dtype=torch.float64, requires_grad=True)
    strategy.loss(learner, batch, logits).backward()
    assert logits.grad is not None and not logits.grad[:, ~batch.asked].any()
    grad = logits.grad[:, batch.asked].numpy()
    return 1 / symbols - grad * n * int(batch.asked.sum())


@pytest.mark.parametrize("world", SOME, ids=[repr(w.tunnel) for w in SOME])
def test_argmax_and_oracle_are_the_enumerated_ones(world: World) -> None:
    tunnel, rows = world.tunnel, 12
    joint: dict[Episode, float] = {}
    for weight, latent in world.prior:
        of = law(lambda choose, latent=latent: world.program(latent, choose))
        for episode, p in of.items():
            joint[episode] = joint.get(episode, 0.0) + weight * p
    for target in ("argmax", "oracle"):
        stream = fresh([tunnel], Pretrain(steps=1, batch=rows, target=target), world.time, seed=3)
        batch, key = stream.keyed(0)
        (group,) = stream.groups(0)
        told = taught(target, batch, key, tunnel.symbols, tunnel.vocab)
        for row in range(rows):
            latent = group.latents[row]
            known = law(lambda choose, latent=latent: world.program(latent, choose))
            x, y = batch.inputs[row].tolist(), key.drawn[row].tolist()
            for i, t in enumerate(np.flatnonzero(batch.asked).tolist()):
                wanted = best(joint if target == "argmax" else known, x, y, t, tunnel.symbols)
                np.testing.assert_allclose(told[row, i], wanted, atol=1e-9)


def test_each_tunnel_of_a_mixture_is_taught_by_its_own() -> None:
    """Rows of a batch are of several tunnels; each has its own informed observer, and padding is never taught."""
    small = Padded(Urn([0.5, 0.5]), vocab=3, symbols=3, length=4)
    stream = fresh([small, Urn([1.0, 1.0, 1.0])], Pretrain(batch=64, target="oracle"), 4, seed=0)
    batch, key = stream.keyed(0)
    told = taught("oracle", batch, key, 3, 3)
    for rows, regime, _, latents in stream.groups(0):
        for row, theta in zip(rows, latents, strict=True):
            assert (told[row].argmax(-1) == np.argmax(theta)).all()
            assert told[row].max() == pytest.approx(1)
        assert len(rows) > 10 and (regime == 1 or not told[rows, :, 2].round(9).any())


def test_probes_are_scored_against_the_amnesic_observer_whoever_teaches() -> None:
    keys = [
        fresh([Urn([1.0, 2.0])], Pretrain(batch=4, target=target), 5, seed=0).keyed_probes()[0][1]
        for target in ("samples", "oracle")
    ]
    assert torch.equal(keys[0].posterior, keys[1].posterior)
