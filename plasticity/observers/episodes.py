"""Several episodes of one latent as one sequence, and what so much memory is worth to an exact observer."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from plasticity.core.tunnel import Latents, Observer, Probabilities, Symbols, Tunnel
from plasticity.observers.frontier import bits_lost


class Episodes(Tunnel):
    """A tunnel whose sequence is several episodes of another's, one after the other, all under one latent.

    Nothing stands between them. The observer goes on from episode to episode, as the continual one does: what it says
    of episode j + 1 is what j episodes in memory are worth.

    Args:
        tunnel: whose episodes.
        episodes: of a sequence; its length is a multiple of this.
    """

    def __init__(self, tunnel: Tunnel, episodes: int):
        self.tunnel, self.episodes = tunnel, episodes
        self.vocab, self.symbols = tunnel.vocab, tunnel.symbols

    def latents(self, n: int, rng: np.random.Generator) -> Latents:
        """The tunnel's."""
        return self.tunnel.latents(n, rng)

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """Episode after episode."""
        each = time // self.episodes
        drawn = [self.tunnel.draw(latents, each, rng) for _ in range(self.episodes)]
        inputs, targets = (np.concatenate(part, axis=1) for part in zip(*drawn, strict=True))
        return inputs, targets

    def asked(self, time: int) -> Bool[np.ndarray, " time"]:
        """In each episode where the tunnel asks."""
        return np.tile(self.tunnel.asked(time // self.episodes), self.episodes)

    def observer(self) -> Observer:
        """The tunnel's, which remembers the earlier episodes of a sequence."""
        return EpisodesObserver(self.tunnel.observer(), self.episodes)

    def informed(self, latents: Latents) -> Observer:
        """The tunnel's, who has nothing to learn from them."""
        return InformedOfEpisodes(self.tunnel.informed(latents), self.episodes)


class EpisodesObserver(Observer):
    """A posterior state that absorbs each episode of a sequence before the next.

    Args:
        start: what is known before the first.
        episodes: of a sequence.
    """

    def __init__(self, start: Observer, episodes: int):
        self.start, self.episodes = start, episodes

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """Row by row, for no two rows share a latent; per row and episode one prediction and one absorption."""
        rows = list[Probabilities]()
        for row in zip(inputs, targets, strict=True):
            known, said = self.start, list[Probabilities]()
            for x, y in zip(*(np.split(each[None], self.episodes, 1) for each in row), strict=True):
                said.append(known.predict(x, y))
                known = known.absorb(x, y)
            rows.append(np.concatenate(said, axis=1))
        return np.concatenate(rows)

    def absorb(self, inputs: Symbols, targets: Symbols) -> "EpisodesObserver":
        """The state after all episodes of all sequences."""
        length = inputs.shape[1] // self.episodes
        known = self.start.absorb(inputs.reshape(-1, length), targets.reshape(-1, length))
        return EpisodesObserver(known, self.episodes)


class InformedOfEpisodes(Observer):
    """Knows the latent of each sequence.

    Args:
        known: the observer who knows it of each episode.
        episodes: of a sequence.
    """

    def __init__(self, known: Observer, episodes: int):
        self.known, self.episodes = known, episodes

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """Episode by episode."""
        parts = (np.split(each, self.episodes, axis=1) for each in (inputs, targets))
        said = [self.known.predict(x, y) for x, y in zip(*parts, strict=True)]
        return np.concatenate(said, axis=1)

    def absorb(self, inputs: Symbols, targets: Symbols) -> "InformedOfEpisodes":
        """Itself."""
        return self


def memory_cap(
    tunnel: Tunnel, time: int, earlier: Sequence[int], sample: int = 256, seed: int = 0
) -> list[float]:
    """Share of the gap that memory of so many earlier episodes closes at most: the skill that no context exceeds.

    1 - KL(informed || k earlier episodes) / KL(informed || amnesic) at asked positions, by exact observers that have
    absorbed k episodes of the latent. Where the continual observer has long been in the regime, that is the skill.

    Args:
        tunnel: the task.
        time: symbols per episode.
        earlier: numbers k of episodes in memory.
        sample: latents over which it is averaged, one episode graded of each.
        seed: of what is drawn.
    """
    most, asked = max(earlier), tunnel.asked(time)
    lost, amnesic, rng = np.zeros(len(earlier)), 0.0, np.random.default_rng(seed)
    for _ in range(sample):
        latent = tunnel.latents(1, rng)
        drawn = tunnel.draw(np.repeat(latent, most + 1, axis=0), time, rng)
        x, y = (each[:1] for each in drawn)
        truth = tunnel.informed(latent).predict(x, y)[:, asked]
        said = [tunnel.observer()]
        said += [
            said[0].absorb(*(each[1 : k + 1] for each in drawn)) if k else said[0] for k in earlier
        ]
        bits = [
            float(bits_lost(truth, observer.predict(x, y)[:, asked]).mean()) for observer in said
        ]
        amnesic += bits[0]
        lost += bits[1:]
    return (1 - lost / amnesic).tolist()
