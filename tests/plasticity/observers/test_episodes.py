"""Sequences of several episodes against single ones, and what memory is worth against published figures."""

import numpy as np
import pytest

from plasticity.engine.config import Pretrain
from plasticity.engine.pretrain import fresh
from plasticity.observers.episodes import Episodes, memory_cap
from streams import Binding, Markov


@pytest.mark.parametrize(
    "tunnel, time", [(Markov(symbols=3, concentration=0.5), 6), (Binding(3, 3), 5)]
)
def test_the_observer_goes_on_from_episode_to_episode(tunnel: Markov | Binding, time: int):
    """The last episode of a row as by the tunnel's own observer who absorbed the two before, of that row alone."""
    several, rng = Episodes(tunnel, 3), np.random.default_rng(0)
    latents = several.latents(4, rng)
    x, y = several.draw(latents, 3 * time, rng)
    said = several.observer().predict(x, y)
    assert several.asked(3 * time).tolist() == 3 * tunnel.asked(time).tolist()
    for i in range(4):
        before = [each[i, : 2 * time].reshape(2, time) for each in (x, y)]
        last = [each[i : i + 1, 2 * time :] for each in (x, y)]
        known = tunnel.observer().absorb(*before)
        np.testing.assert_allclose(said[i, 2 * time :], known.predict(*last)[0])
        first = [each[i : i + 1, :time] for each in (x, y)]
        np.testing.assert_allclose(said[i, :time], tunnel.observer().predict(*first)[0])
        truth = tunnel.informed(latents[i : i + 1]).predict(*last)[0]
        informed = several.informed(latents).predict(x, y)[i, 2 * time :]
        np.testing.assert_allclose(informed, truth)


def test_what_absorbs_sequences_absorbs_their_episodes():
    tunnel, rng = Markov(symbols=3, concentration=0.5), np.random.default_rng(0)
    several, latent = Episodes(tunnel, 2), tunnel.latents(1, rng)
    x, y = several.draw(np.repeat(latent, 3, axis=0), 12, rng)
    known = tunnel.observer().absorb(x.reshape(6, 6), y.reshape(6, 6))
    found = several.observer().absorb(x, y).predict(x, y)
    np.testing.assert_allclose(found[:, :6], known.predict(x[:, :6], y[:, :6]))


def test_pretraining_on_several_episodes_is_graded_by_who_remembers_them():
    tunnel = Markov(symbols=3, concentration=0.5)
    world = fresh([tunnel], Pretrain(steps=1, batch=2, episodes=3), 6, seed=0)
    batch, key = world.keyed(0)
    assert batch.inputs.shape == (2, 18)
    several = Episodes(tunnel, 3).observer()
    said = several.predict(batch.inputs.numpy(), key.drawn.numpy())
    np.testing.assert_allclose(key.posterior.numpy(), said)
    alone = tunnel.observer().predict(batch.inputs[:, 12:].numpy(), key.drawn[:, 12:].numpy())
    assert np.abs(said[:, 12:] - alone).max() > 0.05


def test_the_cap_agrees_with_the_figures_of_the_quickstarts_world():
    """Skill with k earlier episodes, where the continual observer is .005 bit from the truth and the amnesic .573."""
    skill = np.array(memory_cap(Markov(symbols=6, concentration=0.3), 32, [0, 4, 8, 16, 32], 400))
    ideal = 1 - 0.005 / 0.573
    np.testing.assert_allclose(skill / ideal, [0, 0.82, 0.895, 0.946, 0.979], atol=0.012)
