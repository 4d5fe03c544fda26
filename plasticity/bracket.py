"""Bracket: the ideal observers and the trivial predictors who face every batch the learner faces."""

import numpy as np
from jaxtyping import Float

from plasticity.stream import Group, Stream
from plasticity.tunnel import Batch, Observer, Tunnel

PREDICTORS = ("informed", "continual", "amnesic", "memoryless", "position", "uniform")
"""Best first: three exact observers, then three baselines that a learner must beat to be called trained."""
SAMPLE = 16384
"""Episodes from which `memoryless` and `position` are estimated."""


class Bracket:
    """Predictions of the three exact observers and of three baselines, in stream order.

    | predictor | knows |
    |---|---|
    | informed | the latent |
    | continual | the prior, every earlier episode of this regime, and this episode so far |
    | amnesic | the prior, and this episode so far |
    | memoryless | the prior, the position, and the last symbol |
    | position | the prior and the position |
    | uniform | the alphabet |

    The observers are exact. `memoryless` and `position` are the amnesic predictive averaged over the
    episodes of a sample (n = 16,384) that share what they know.
    The continual observer is the only state; it is small, and it is checkpointed with the learner.

    Args:
        stream: whose batches are faced.
    """

    def __init__(self, stream: Stream):
        self.stream = stream
        self.memory: dict[int, Observer] = {}
        self._baselines = [self._estimate(tunnel) for tunnel in stream.tunnels]

    def predict(
        self, batch: Batch, groups: list[Group]
    ) -> Float[np.ndarray, "predictor batch asked symbols"]:
        """What each of PREDICTORS says at the asked positions, before absorbing the batch."""
        asked = self.stream.asked
        amnesic = batch.posterior.numpy()[:, asked]
        out = np.empty((len(PREDICTORS), *amnesic.shape))
        out[2] = amnesic
        out[5] = 1 / self.stream.symbols
        for rows, regime, tunnel, latents in groups:
            x, y = batch.inputs.numpy()[rows], batch.targets.numpy()[rows]
            position, memoryless = self._baselines[regime % len(self.stream.tunnels)]
            out[0, rows] = tunnel.informed(latents).predict(x, y)[:, asked]
            known = self.memory.get(regime)
            out[1, rows] = amnesic[rows] if known is None else known.predict(x, y)[:, asked]
            out[3, rows] = memoryless[np.flatnonzero(asked), x[:, asked]]
            out[4, rows] = position[asked]
        return out

    def absorb(self, batch: Batch, groups: list[Group]) -> None:
        """Let the continual observer learn from the batch; where latents are not held there is nothing to learn."""
        for rows, regime, tunnel, _ in groups:
            if not self.stream.holds(regime):
                continue
            known = self.memory.get(regime) or tunnel.observer()
            x, y = batch.inputs.numpy()[rows], batch.targets.numpy()[rows]
            self.memory[regime] = known.absorb(x, y)

    def _estimate(self, tunnel: Tunnel) -> tuple[np.ndarray, np.ndarray]:
        """(time, symbols) and (time, vocab, symbols) averages of the amnesic predictive."""
        time, rng = self.stream.time, np.random.default_rng(0)
        position = np.zeros((time, tunnel.symbols))
        memoryless = np.zeros((time, tunnel.vocab, tunnel.symbols))
        seen = np.zeros((time, tunnel.vocab, 1))
        chunk = 512
        for _ in range(SAMPLE // chunk):
            x, y = tunnel.draw(tunnel.latents(chunk, rng), time, rng)
            predictive = tunnel.observer().predict(x, y)
            position += predictive.sum(0)
            place = (np.broadcast_to(np.arange(time), x.shape), x)
            np.add.at(memoryless, place, predictive)
            np.add.at(seen, place, 1.0)
        position /= SAMPLE
        memoryless = np.where(seen > 0, memoryless / np.maximum(seen, 1), position[:, None])
        return position, memoryless
