"""Reference predictors: the exact observers and the baselines that face every batch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from plasticity.core.predictors import (
    AMNESIC,
    CONTINUAL,
    INFORMED,
    MEMORYLESS,
    POSITION,
    PREDICTORS,
    SWITCHING,
    UNIFORM,
)
from plasticity.core.stream import Group, Stream
from plasticity.core.tunnel import AnswerKey, Batch, Observer, Tunnel
from plasticity.observers.switching import SwitchingObserver

SAMPLE = 16384
"""Episodes from which `memoryless` and `position` are estimated."""
SOUND = 1e-6
"""By how much the probabilities of a distribution may miss 1."""


class ReferencePredictors:
    """Predictions of the exact observers and of three baselines, in stream order.

    | predictor | knows |
    |---|---|
    | informed | the latent |
    | switching | every regime's latent and the schedule's law, not which regime is live |
    | continual | the prior, every earlier episode of this regime, and this episode so far |
    | amnesic | the prior, and this episode so far |
    | memoryless | the prior, the position, and the last symbol |
    | position | the prior and the position |
    | uniform | the alphabet |

    The observers are exact. Where the schedule has no law (`Stream.prior`) the switching observer is NaN, and
    so it is on probes, which no schedule makes. `memoryless` and `position` are the amnesic predictive averaged
    over the episodes of a sample (n = 16,384) that share what they know.
    What the continual and the switching observer have seen is the only state; it is checkpointed with the learner.

    Args:
        stream: whose batches are faced.
    """

    def __init__(self, stream: Stream):
        self.stream = stream
        self.memory: dict[int, Observer] = {}
        self.switching = SwitchingObserver(stream)
        self._kept = set(stream.probed)
        self._baselines = [_baselines(tunnel, stream.time) for tunnel in stream.tunnels]

    def predict(
        self, batch: Batch, key: AnswerKey, groups: list[Group], step: int | None = None
    ) -> Float[np.ndarray, "predictor batch asked symbols"]:
        """What each of PREDICTORS says at the asked positions, before absorbing the batch.

        Args:
            batch: what is faced.
            key: its answer key.
            groups: who made it.
            step: its place in the stream; None: a probe.

        Raises:
            ArithmeticError: at a probe, what some predictor says is no distribution.
        """
        asked = batch.asked.numpy()
        amnesic = key.posterior.numpy()[:, asked]
        out = np.empty((len(PREDICTORS), *amnesic.shape))
        out[AMNESIC] = amnesic
        inputs, drawn = batch.inputs.numpy(), key.drawn.numpy()
        out[UNIFORM] = 1 / self.stream.symbols
        for rows, regime, tunnel, latents in groups:
            x, y = inputs[rows], drawn[rows]
            position, memoryless = self._baselines[self.stream.tunnel_index(regime)]
            out[INFORMED, rows] = tunnel.informed(latents).predict(x, y)[:, asked]
            known = self.known(regime)
            out[CONTINUAL, rows] = amnesic[rows] if known is None else known.predict(x, y)[:, asked]
            out[MEMORYLESS, rows] = memoryless[np.flatnonzero(asked), x[:, asked]]
            out[POSITION, rows] = position[asked]
        if step is None:
            out[SWITCHING] = np.nan
            self._assert_sound(out, groups)
        elif self.switching.sure(
            step
        ):  # of a held latent it knows what the informed observer knows
            held = np.array([self.stream.holds(int(r)) for r in key.regime])
            out[SWITCHING] = np.where(held[:, None, None], out[INFORMED], amnesic)
        else:
            out[SWITCHING] = self.switching.predict(inputs, drawn, step)[:, asked]
        return out

    def absorb(self, batch: Batch, key: AnswerKey, groups: list[Group], step: int) -> None:
        """Let the observers learn from the batch; where latents are not held the continual one learns nothing."""
        inputs, drawn = batch.inputs.numpy(), key.drawn.numpy()
        self.switching.absorb(inputs, drawn, step)
        for rows, regime, tunnel, _ in groups:
            if not self.stream.holds(regime):
                continue
            known = self.known(regime) or tunnel.observer()
            x, y = inputs[rows], drawn[rows]
            self.memory[regime] = known.absorb(x, y)
        for regime in self.memory.keys() - self._kept:
            if self.stream.retired(regime, step - 1):  # its heir has absorbed by now
                del self.memory[regime]

    def known(self, regime: int) -> Observer | None:
        """What the continual observer knows of this regime, from its episodes or those of its forebears; None: nothing.

        Of a regime that is over it knows what it knew at its end.
        """
        redrawn: set[int] = set()
        while regime not in self.memory:
            parent = self.stream.parent(regime)
            if parent is None:
                return None
            regime = parent[0]
            redrawn |= set(parent[1])
        state = self.memory[regime]
        for part in redrawn:
            state = state.renew(part)
        return state

    def state(self) -> dict[str, Any]:
        """What the continual and the switching observer know, for a checkpoint: arrays and plain values."""
        memory = {regime: observer.state() for regime, observer in self.memory.items()}
        return {"memory": memory, "belief": self.switching.belief}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Know what they knew.

        Args:
            state: of `state`, under the same stream.
        """
        tunnels = self.stream.tunnels
        self.memory = {
            regime: tunnels[self.stream.tunnel_index(regime)].observer().restored(known)
            for regime, known in state["memory"].items()
        }
        self.switching.belief = state["belief"]

    def _assert_sound(
        self, out: Float[np.ndarray, "predictor batch asked symbols"], groups: list[Group]
    ) -> None:
        """Nothing happens if all but the switching observer say distributions.

        Raises:
            ArithmeticError: one does not; the message names it, its tunnel and the regime.
        """
        sums = np.where(out >= 0, out, np.nan).sum(-1)
        sums[SWITCHING] = 1.0
        wrong = ~(np.abs(sums - 1) <= SOUND)
        if not wrong.any():
            return
        who, row, position = (int(each[0]) for each in wrong.nonzero())
        (_, regime, tunnel, latents), *_ = (g for g in groups if row in g.rows)
        observers = {INFORMED: tunnel.informed(latents), CONTINUAL: self.known(regime)}
        observer = observers.get(who) or tunnel.observer()
        raise ArithmeticError(
            f"{type(tunnel).__name__}: the {PREDICTORS[who]} predictor ({type(observer).__name__}) says "
            f"{out[who, row, position].tolist()} of regime {regime} at asked position {position}; expected "
            "probabilities that add up to 1: `plasticity check` tells more"
        )


def _baselines(tunnel: Tunnel, time: int) -> tuple[np.ndarray, np.ndarray]:
    """(time, symbols) and (time, vocab, symbols) averages of the amnesic predictive; of equal tunnels, once."""
    try:
        key = type(tunnel), repr(tunnel), time, SAMPLE
    except (
        AttributeError
    ):  # one that `plasticity check` does not pass, and that can be asked all the same
        return _estimate(tunnel, time, SAMPLE)
    if key not in _ESTIMATED:
        if len(_ESTIMATED) >= ESTIMATED:
            del _ESTIMATED[next(iter(_ESTIMATED))]
        _ESTIMATED[key] = _estimate(tunnel, time, SAMPLE)
    return _ESTIMATED[key]


ESTIMATED = 64
"""Tunnels and lengths whose baselines are kept for the next stream."""
_ESTIMATED: dict[tuple[type, str, int, int], tuple[np.ndarray, np.ndarray]] = {}


def _estimate(tunnel: Tunnel, time: int, sample: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    position = np.zeros((time, tunnel.symbols))
    memoryless = np.zeros((time, tunnel.vocab, tunnel.symbols))
    seen = np.zeros((time, tunnel.vocab, 1))
    chunk = 512
    for _ in range(sample // chunk):
        x, y = tunnel.draw(tunnel.latents(chunk, rng), time, rng)
        predictive = tunnel.observer().predict(x, y)
        position += predictive.sum(0)
        place = (np.broadcast_to(np.arange(time), x.shape), x)
        np.add.at(memoryless, place, predictive)
        np.add.at(seen, place, 1.0)
    position /= sample
    memoryless = np.where(seen > 0, memoryless / np.maximum(seen, 1), position[:, None])
    return position, memoryless
