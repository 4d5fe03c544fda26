"""A stream is a pure function of (seed, step), holds its latents, and refuses what cannot be mixed."""

from typing import Any

import numpy as np
import pytest
import torch

from plasticity import AnswerKey, Batch
from plasticity.core.predictors import AMNESIC, CONTINUAL, PREDICTORS
from plasticity.engine.datamodule import StreamDataModule
from plasticity.observers.reference import ReferencePredictors
from streams import HMM, Abrupt, Markov, Recurring, Urn

Keyed = tuple[Batch, AnswerKey]


def stream(**changes: Any) -> Recurring:
    args: dict[str, Any] = {
        "regimes": 3,
        "period": 4,
        "steps": 24,
        "batch": 5,
        "time": 6,
        "probe": 7,
        "seed": 3,
    }
    return Recurring([Markov(3, 0.5)], **(args | changes))


def equal(one: Keyed, other: Keyed) -> bool:
    """Batches and their answer keys."""
    pairs = list(zip([*one[0], *one[1][:-1]], [*other[0], *other[1][:-1]], strict=True))
    return all(torch.equal(a, b) for a, b in pairs) and one[1].weights == other[1].weights


def test_a_batch_is_a_pure_function_of_seed_and_step() -> None:
    one, other = stream(), stream()
    late = one.keyed(17)
    for step in range(24):
        assert equal(one.keyed(step), other.keyed(step))
        assert all(map(torch.equal, one[step], one.keyed(step)[0]))
    assert equal(late, stream().keyed(17))
    assert not torch.equal(late[0].inputs, stream(seed=4)[17].inputs)


def test_reading_a_stream_leaves_global_generators_alone() -> None:
    before = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].copy()
    _ = stream()[3], stream().probes()
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state(legacy=False)["state"]["key"])


def test_recurring_comes_back_and_abrupt_does_not() -> None:
    assert [int(stream().live(s)[0]) for s in range(0, 24, 4)] == [0, 1, 2, 0, 1, 2]
    assert [s for s in range(24) if stream().shifts(s)] == [4, 8, 12, 16, 20]
    once = Abrupt([Markov(3, 0.5)], period=4, steps=10)
    assert (
        once.regimes == 3
        and [int(once.live(s)[0]) for s in range(10)] == [0] * 4 + [1] * 4 + [2] * 2
    )


def test_latents_are_held_for_a_regime_across_visits_and_probes() -> None:
    world = stream()
    (first,), (back,), (probe,) = world.groups(0), world.groups(12), world.probe_groups(0)
    assert np.array_equal(first.latents[0], back.latents[0])
    assert np.array_equal(first.latents[0], probe.latents[6])
    assert not np.array_equal(first.latents[0], world.groups(4)[0].latents[0])


def test_latents_are_redrawn_for_every_episode_where_held_for_an_episode() -> None:
    (group,) = stream(hold="episode").groups(0)
    assert len({latent.tobytes() for latent in group.latents}) == 5


def test_some_regimes_hold_and_some_redraw() -> None:
    """Regime r by hold[r % len(hold)]; elsewhere than where latents are held, there is nothing to remember."""
    world = stream(hold=["regime", "episode"], regimes=4, steps=16)
    reference = ReferencePredictors(world)
    for step in range(16):
        (group,) = world.groups(step)
        batch, key = world.keyed(step)
        assert group.regime == step // 4
        assert len({latent.tobytes() for latent in group.latents}) == (1, 5)[group.regime % 2]
        truth = reference.predict(batch, key, [group], step)
        assert np.array_equal(truth[CONTINUAL], truth[AMNESIC]) == (
            step % 4 == 0 or group.regime % 2 == 1
        )
        reference.absorb(batch, key, [group], step)
    assert list(reference.memory) == [0, 2]
    held, redrawn = world.probe_groups(2)[0], world.probe_groups(3)[0]
    assert np.array_equal(held.latents[5], world.groups(8)[0].latents[0])
    assert len({latent.tobytes() for latent in redrawn.latents}) == 7


def test_a_list_of_one_is_that_one() -> None:
    for hold in ("regime", "episode"):
        one, other = stream(hold=hold), stream(hold=[hold])
        assert all(equal(one.keyed(step), other.keyed(step)) for step in range(24))
    with pytest.raises(ValueError, match="hold: expected episode or regime at least once"):
        stream(hold=[])


def test_probes_are_held_out() -> None:
    world = stream(time=60)
    seen = {row.numpy().tobytes() for step in range(24) for row in world[step].inputs}
    held = {row.numpy().tobytes() for batch in world.probes() for row in batch.inputs}
    assert world.probed == [0, 1, 2, -1]  # and fresh latents
    assert len(held) == 28 and not held & seen


@pytest.mark.parametrize(
    ("tunnels", "message"),
    [
        ([Markov(3, 0.5), Markov(4, 0.5)], r"tunnels\[1\] \(Markov\) has vocab 4"),
        ([Urn([1.0, 1.0]), HMM(2, 3, 2, 1.0, 0)], r"tunnels\[1\] \(HMM\) has vocab 3"),
        ([], "at least one tunnel"),
    ],
)
def test_tunnels_that_cannot_share_a_stream_are_refused(tunnels, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recurring(tunnels)


def test_the_reference_is_causal_in_stream_order_and_equals_observers_by_hand() -> None:
    world = stream()
    reference, tunnel = ReferencePredictors(world), world.tunnels[0]
    by_hand = {}
    for step in range(24):
        (batch, key), groups = world.keyed(step), world.groups(step)
        truth = reference.predict(batch, key, groups, step)
        x, y = batch.inputs.numpy(), key.drawn.numpy()
        regime = groups[0].regime
        expected = by_hand.get(regime, tunnel.observer())
        np.testing.assert_allclose(truth[CONTINUAL], expected.predict(x, y), atol=1e-12)
        np.testing.assert_allclose(truth[AMNESIC], tunnel.observer().predict(x, y), atol=1e-12)
        np.testing.assert_allclose(truth.sum(-1), 1, atol=1e-9)
        for row in range(
            len(x)
        ):  # one episode at a time, where the reference takes the batch at once
            expected = expected.absorb(x[row : row + 1], y[row : row + 1])
        by_hand[regime] = expected
        reference.absorb(batch, key, groups, step)
    assert PREDICTORS[:4] == ("informed", "switching", "continual", "amnesic")


def test_the_continual_observer_is_checkpointed_with_the_data() -> None:
    one, other = StreamDataModule(stream(), 4), StreamDataModule(stream(), 4)
    for step in range(9):
        one.reference.absorb(*one.stream.keyed(step), one.stream.groups(step), step)
    other.load_state_dict(one.state_dict())
    keyed, groups = one.stream.keyed(12), one.stream.groups(12)
    a, b = (x.reference.predict(*keyed, groups, 12) for x in (one, other))
    assert np.array_equal(a, b, equal_nan=True) and not np.array_equal(a[CONTINUAL], a[AMNESIC])
