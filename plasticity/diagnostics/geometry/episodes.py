"""Known episodes: sequences with fresh latents, and what the exact amnesic observer says of them."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from plasticity.core.tunnel import AnswerKey, Batch, Tunnel


class KnownEpisodes(NamedTuple):
    """Episodes, and the truth about them."""

    inputs: Int[Tensor, "n time"]
    asked: Bool[np.ndarray, " time"]
    posterior: Float[np.ndarray, "n asked symbols"]
    """P: the exact amnesic predictive at the asked positions."""
    sufficient: Bool[np.ndarray, "n time time"] | None
    """Where the evidence lies (`Tunnel.sufficient`)."""

    @property
    def entropy(self) -> Float[np.ndarray, "n asked"]:
        """H: the entropy of P, in bits."""
        p = self.posterior
        return -np.where(p > 0, p * np.log2(np.maximum(p, 1e-300)), 0.0).sum(-1)

    @property
    def position(self) -> Int[np.ndarray, "n asked"]:
        """The number of each asked position among those asked."""
        shape = self.posterior.shape[:2]
        return np.broadcast_to(np.arange(shape[1]), shape)

    @property
    def symbol(self) -> Int[np.ndarray, "n asked"]:
        """The current symbol at each asked position."""
        return self.inputs.cpu().numpy()[:, self.asked]

    @property
    def cell(self) -> Int[np.ndarray, "n asked"]:
        """A number for each (position, current symbol)."""
        return self.position * (int(self.inputs.max()) + 1) + self.symbol

    def at(self, held: Float[Tensor, "n time width"]) -> Float[np.ndarray, "n asked width"]:
        """Of what a network holds, that at the asked positions, in float64."""
        return held.double().cpu().numpy()[:, self.asked]

    def said(self, logits: Float[Tensor, "n time symbols"]) -> Float[np.ndarray, "n asked symbols"]:
        """Probabilities at the asked positions."""
        return self.at(logits.double().softmax(-1))


def known_episodes(tunnel: Tunnel, time: int, n: int, rng: np.random.Generator) -> KnownEpisodes:
    """Episodes of a tunnel, a fresh latent each.

    Args:
        tunnel: the task.
        time: symbols of each.
        n: how many.
        rng: of the draws.
    """
    inputs, targets = tunnel.draw(tunnel.latents(n, rng), time, rng)
    asked = tunnel.asked(time)
    posterior = tunnel.observer().predict(inputs, targets)[:, asked]
    return KnownEpisodes(torch.from_numpy(inputs), asked, posterior, tunnel.sufficient(inputs))


def of_probe(tunnel: Tunnel, batch: Batch, key: AnswerKey) -> KnownEpisodes:
    """The same of a probe of a stream.

    Args:
        tunnel: that made it.
        batch: the probe.
        key: its answer key.
    """
    asked = batch.asked.numpy()
    evidence = tunnel.sufficient(batch.inputs.numpy())
    return KnownEpisodes(batch.inputs, asked, key.posterior.numpy()[:, asked], evidence)
