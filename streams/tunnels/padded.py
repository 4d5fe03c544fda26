"""Padding of different tasks to one alphabet and one length."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int

from plasticity import Count, InputEvidence, Latents, Observer, Probabilities, Symbols, Tunnel, log

Inner = Int[np.ndarray, "batch inside"]
"""Symbols of inner episodes."""


class Padded(Tunnel):
    """A task in a larger alphabet, its episodes followed by padding that is never asked.

    An episode is one of the inner tunnel's, `length` symbols long, and then the last input symbol,
    vocab - 1, as often as fits, with targets of 0. The padding says nothing, and its targets are
    certain; target symbols beyond the inner ones have probability 0, and so has an episode of another
    task that shows what this one cannot (`evidence`: -inf). The exact answers are the inner tunnel's.

    Args:
        tunnel: the task inside.
        vocab: input alphabet, of which the last symbol is kept for the padding.
        symbols: target alphabet.
        length: symbols of an inner episode; one of at least so many is filled up.

    Raises:
        ValueError: the inner alphabets do not fit; the tunnel makes no episodes of this length.
    """

    def __init__(self, tunnel: Tunnel, vocab: Count, symbols: Count, length: Count):
        name = type(tunnel).__name__
        if tunnel.vocab >= vocab:
            raise ValueError(
                f"vocab: expected at least {tunnel.vocab + 1}, the {tunnel.vocab} of {name} and one "
                f"for the padding, got {vocab}"
            )
        if tunnel.symbols > symbols:
            raise ValueError(
                f"symbols: expected at least the {tunnel.symbols} of {name}, got {symbols}"
            )
        self.tunnel, self.vocab, self.symbols, self.length = tunnel, vocab, symbols, length
        self.parts = tunnel.parts
        rng = np.random.default_rng(0)
        self.usual = tunnel.draw(tunnel.latents(1, rng), length, rng)

    def latents(self, n: int, rng: np.random.Generator) -> Latents:
        """The inner tunnel's."""
        return self.tunnel.latents(n, rng)

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """An inner episode and padding.

        Raises:
            ValueError: `time` is too short for the inner episode.
        """
        if time < self.length:
            raise ValueError(
                f"time: expected at least the length {self.length} of the padded "
                f"{type(self.tunnel).__name__}, got {time}"
            )
        inputs, targets = self.tunnel.draw(latents, self.length, rng)
        rest = ((0, 0), (0, time - self.length))
        return (
            np.pad(inputs, rest, constant_values=self.vocab - 1),
            np.pad(targets, rest, constant_values=0),
        )

    def asked(self, time: int) -> Bool[np.ndarray, " time"]:
        """Where the inner tunnel asks."""
        inner = self.tunnel.asked(self.length)[:time]
        return np.pad(inner, (0, time - len(inner)))

    def observer(self) -> "PaddedObserver":
        """The inner one, behind the padding."""
        return PaddedObserver(self, self.tunnel.observer())

    def informed(self, latents: Latents) -> "PaddedObserver":
        """The inner one, behind the padding."""
        return PaddedObserver(self, self.tunnel.informed(latents))


@dataclass(frozen=True, eq=False)
class PaddedObserver(Observer):
    """Leaves the inner episode to the inner observer, and is sure of the padding.

    Args:
        tunnel: what episodes look like.
        inner: predicts and absorbs inner episodes.
    """

    tunnel: Padded
    inner: Observer

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """The inner predictive, and nothing for further symbols; 0 in the padding."""
        inside = self.tunnel.tunnel.symbols
        said = self.inner.predict(*self._inner(inputs, targets))
        out = np.zeros((*inputs.shape, self.tunnel.symbols))
        out[:, : said.shape[1], :inside] = said
        out[:, said.shape[1] :, 0] = 1.0
        return out

    def absorb(self, inputs: Symbols, targets: Symbols) -> "PaddedObserver":
        """Absorbs the inner episodes."""
        length = self.tunnel.length
        return replace(self, inner=self.inner.absorb(inputs[:, :length], targets[:, :length]))

    def input_evidence(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """The inner episode, and padding after it."""
        surprise = log(inputs == self.tunnel.vocab - 1)
        told = np.ones(inputs.shape[1], dtype=bool)
        x, y = self._clipped(inputs, targets)
        inner, inner_told = self.inner.input_evidence(x, y)
        surprise[:, : x.shape[1]] = np.where(inputs[:, : x.shape[1]] == x, inner, -np.inf)
        told[: x.shape[1]] = inner_told
        return InputEvidence(surprise, told)

    def renew(self, part: int) -> "PaddedObserver":
        """The inner observer, one part of it renewed."""
        return replace(self, inner=self.inner.renew(part))

    def _clipped(self, inputs: Symbols, targets: Symbols) -> tuple[Inner, Inner]:
        """The inner episode; symbols that the inner tunnel does not have become its last."""
        length, inside = self.tunnel.length, self.tunnel.tunnel
        x, y = inputs[:, :length], targets[:, :length]
        return x.clip(max=inside.vocab - 1), y.clip(max=inside.symbols - 1)

    def _inner(self, inputs: Symbols, targets: Symbols) -> tuple[Inner, Inner]:
        """The inner episode; from where it shows what it cannot, a usual one: no matter what is said there."""
        x, y = self._clipped(inputs, targets)
        try:
            surprise = self.input_evidence(inputs, targets).inputs[:, : x.shape[1]]
        except (
            NotImplementedError
        ):  # then it faces no episodes but its own, as nothing can be weighed
            return x, y
        possible = np.logical_and.accumulate(np.isfinite(surprise), axis=1)
        usual_x, usual_y = (usual[:, : x.shape[1]] for usual in self.tunnel.usual)
        return np.where(possible, x, usual_x), np.where(possible, y, usual_y)
