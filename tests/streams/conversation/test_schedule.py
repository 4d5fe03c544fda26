"""Dialects that come back: what is probed, and what is read off the probes."""

import numpy as np
import polars as pl
import pytest

from plasticity.core.predictors import AMNESIC, CONTINUAL, INFORMED
from plasticity.observers.reference import ReferencePredictors
from streams import Conversation, Conversations, Markov

from ..exact import faced

TUNNEL = Conversation(aggregates=1, columns=2, teams=2, venues=2, examples=1, requests=2)


def world(**arguments: int) -> Conversations:
    return Conversations([TUNNEL], period=5, time=23, probe=16, **arguments)


def test_the_first_program_is_asked_of_the_same_conversations() -> None:
    stream = world(regimes=2, steps=20)
    probes = dict(zip(stream.probed, stream.keyed_probes(), strict=True))
    assert [*probes] == [0, 1, 2, 3, -1]
    for dialect in (0, 1):
        (whole, key), (first, first_key) = probes[dialect], probes[2 + dialect]
        assert (whole.inputs == first.inputs).all() and (key.drawn == first_key.drawn).all()
        assert np.flatnonzero(first.asked.numpy()).tolist() == [11, 12, 13, 14]  # after the example
        assert np.array_equal(stream.latent(dialect), stream.latent(2 + dialect))
        for latent in (dialect, 2 + dialect):
            probe, key = probes[latent]
            x, y = probe.inputs.numpy(), key.drawn.numpy()
            said = TUNNEL.informed(stream.latent(latent)).predict(x, y)[:, probe.asked]
            assert said.max(-1).min() == 1.0  # of this very dialect


def test_the_continual_observer_knows_the_first_program_of_a_dialect_it_has_heard() -> None:
    stream = world(regimes=2, steps=20)
    reference = ReferencePredictors(stream)
    for step in range(5):
        reference.absorb(*faced(stream, step))
    for number, (probe, key) in zip(stream.probed, stream.keyed_probes(), strict=True):
        if number < 2:
            continue
        said = reference.predict(probe, key, stream.probe_groups(number))
        bits = (said[INFORMED] * -np.log2(np.maximum(said, 1e-300))).sum(-1).mean((1, 2))
        assert bits[AMNESIC] > 0.05
        assert bits[CONTINUAL] < 0.01 if number == 2 else bits[CONTINUAL] == bits[AMNESIC]


def test_findings_are_read_where_they_should_be() -> None:
    """Bits that name their step and regime; visits are 0 1 0 1 of five steps each, checkpoints at 0, 1, ..."""
    stream = world(regimes=2, steps=20)
    rows = [(step, regime) for step in range(21) for regime in stream.probed]
    table = pl.DataFrame(
        {
            "step": [step for step, _ in rows],
            "regime": np.array([regime for _, regime in rows], np.int32),
            "kl/model": [100.0 * regime + step for step, regime in rows],
            "kl/amnesic": [0.5 for _ in rows],
        }
    )
    found = stream.summary(pl.DataFrame(), table)
    spoken = [2 + (max(step - 1, 0) // 5) % 2 for step in range(21)]
    wanted = np.mean([100 * r + step for step, r in enumerate(spoken)])
    assert found["first/mean"] == pytest.approx(wanted)
    assert found["first/at_shift"] == np.mean([305, 210, 315])
    assert found["first/at_end"] == np.mean([205, 310, 215, 320])
    assert found["first/amnesic"] == 0.5


def test_another_task_is_refused() -> None:
    for tunnels in ([Markov(3)], [TUNNEL, TUNNEL]):
        with pytest.raises(ValueError, match="tunnels: expected one, Conversation, got"):
            Conversations(tunnels)
