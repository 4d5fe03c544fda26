"""Tunnels that cannot read each other's episodes are refused, where the schedule hides which is live."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from plasticity import Latents, Symbols, Tunnel
from plasticity.observers.conjugate import DirichletObserver, KnownObserver, chain
from plasticity.observers.reference import ReferencePredictors
from plasticity.observers.switching import SwitchingObserver
from streams import Hazard, Markov, Recurring, Urn

from ...calling import GOOD, Call


class Narrow(Tunnel):
    """Has four symbols, says what two of them do, and makes no others."""

    vocab = symbols = 4

    def latents(self, n: int, rng: np.random.Generator) -> Latents:
        """Laws of two symbols."""
        return rng.dirichlet(np.ones(4), size=(n, 2))

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """Coins."""
        path = rng.integers(2, size=(len(latents), time + 1))
        return path[:, :-1], path[:, 1:]

    def observer(self) -> DirichletObserver:
        """Counts in two rows: an IndexError at symbol 2."""
        return DirichletObserver(np.ones((2, 4)), format=partial(chain, 0.5))

    def informed(self, latents: Latents) -> KnownObserver:
        """Two rows."""
        rows = np.zeros(1, np.int64)[:, None]
        return KnownObserver(lambda x: latents[rows, x], format=partial(chain, 0.5))


def tunnels() -> list[Tunnel]:
    return [Markov(symbols=4), Narrow()]


def test_where_the_live_regime_is_hidden_it_is_refused_when_built():
    for order in (tunnels(), tunnels()[::-1]):
        stream = Hazard(order, regimes=2, hazard=0.2, steps=20, batch=2, time=8)
        place = [type(tunnel) for tunnel in order].index(Narrow)
        with pytest.raises(ValueError) as refusal:
            SwitchingObserver(stream)
        assert str(refusal.value) == (
            f"tunnels whose formats differ: tunnels[{place}] (Narrow) cannot read an episode of "
            f"tunnels[{1 - place}] (Markov), and the schedule hides which is live; Padded gives each its own symbols"
        )


def test_where_the_schedule_says_it_nothing_is_read_by_another():
    stream = Recurring(tunnels(), regimes=2, period=5, steps=20, batch=2, time=8)
    reference = ReferencePredictors(stream)
    for step in range(20):
        batch, key = stream.keyed(step)
        groups = stream.groups(step)
        assert np.isfinite(reference.predict(batch, key, groups, step)).all()
        reference.absorb(batch, key, groups, step)


def test_tunnels_of_one_format_pass():
    alike: list[Tunnel] = [Markov(symbols=4), Markov(symbols=4, concentration=2.0)]
    assert SwitchingObserver(Hazard(alike, regimes=2, hazard=0.2, steps=20)).silent is None


def test_validation_says_so_with_its_place(monkeypatch: pytest.MonkeyPatch, call: Call):
    """Where a file names two such tunnels: here Urn stands for one that reads two symbols only."""
    monkeypatch.setattr(Urn, "observer", lambda self: Narrow().observer())
    two = "[{type: Markov, symbols: 4}, {type: Urn, alpha: [1.0, 1.0, 1.0, 1.0]}]"
    text = GOOD.replace("[{type: Markov, symbols: 3, concentration: 0.5}]", two)
    text = text.replace("type: Recurring", "type: Hazard").replace("period: 5", "hazard: 0.2")
    Path("good.yaml").write_text(text)
    done = call("validate", "good.yaml")
    assert done.code == 2 and done.err.startswith("good.yaml:") and "Traceback" not in done.err
    assert "formats differ: tunnels[1] (Urn) cannot read an episode of tunnels[0]" in done.err
